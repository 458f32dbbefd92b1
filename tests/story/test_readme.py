"""The README does what it says: each snippet runs as printed, and each table says what the code says."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from signal import SIGTERM

import pytest
from msgspec import Struct
from msgspec.structs import fields

from aioqueue import ExitCode, State
from aioqueue.core.rules import RegisterOptions
from aioqueue.core.signature import CallOptions
from aioqueue.core.state import MOVES, Ended
from aioqueue.settings import Settings

from .processes import ROOT, Process, Story

TEXT = (ROOT / "README.md").read_text("utf-8")


class Snippet(Struct, frozen=True):
    """A fenced block; what the comment above it says it is."""

    language: str
    code: str
    file: str | None
    run: str | None


def snippets() -> Iterator[Snippet]:
    block = re.compile(r"(?:<!-- (file|run): (\S+) -->\n)?```(\w*)\n(.*?)```\n", re.DOTALL)
    for kind, name, language, code in block.findall(TEXT):
        yield Snippet(language, code, name if kind == "file" else None, name if kind == "run" else None)


PYTHON = [each for each in snippets() if each.language == "python"]
SHELL = [each for each in snippets() if each.language == "sh"]
RUN = {each.run: each for each in PYTHON if each.run is not None}


def test_each_python_block_is_a_file_or_is_run() -> None:
    assert PYTHON
    assert [each.code for each in PYTHON if each.file is None and each.run is None] == []


@pytest.fixture
def shop(story: Story) -> Story:
    """The README's files, in the story's folder."""
    for each in PYTHON:
        if each.file is not None:
            (story.folder / each.file).write_text(each.code, "utf-8")
    return story


# Python


@pytest.mark.parametrize("name", RUN)
async def test_a_snippet_runs_as_printed(shop: Story, name: str) -> None:
    (shop.folder / "snippet").write_text(RUN[name].code, "utf-8")
    process = shop.python("-m", "tests.story.snippet", "snippet", name="snippet")
    assert await process.ended() == 0, process.log
    assert "Warning" not in process.log


async def test_the_tasks_of_the_snippets_do_what_their_comments_say(shop: Story) -> None:
    # A program that is the first file with the snippet of tasks below it.
    first = (shop.folder / "shop.py").read_text("utf-8").partition("async def main()")[0]
    (shop.folder / "shop.py").write_text(first + RUN["tasks"].code, "utf-8")
    cli(shop, "run", "shop:queue")
    assert await (await shop.enqueue("fetch", "ok")).result(timeout=60) == 1
    gone, busy, early = [await shop.enqueue("fetch", each) for each in ("gone", "busy", "early")]
    await (await shop.enqueue("resize", "a.png")).result(timeout=60)
    states = {gone.id: State.FAILED, busy.id: State.RETRYING, early.id: State.SCHEDULED}
    for job in (gone, busy, early):
        info = await until_not_running(shop, job.id)
        assert info is states[job.id]


async def until_not_running(shop: Story, id: str) -> State:
    while True:
        state = (await shop.own.job(id).info()).state
        if state not in (State.QUEUED, State.RUNNING):
            return state


async def test_the_hooks_of_the_snippet_are_called(shop: Story) -> None:
    more = "\n\n@queue.task\nasync def greet(ctx: Context) -> str:\n    return str(ctx.state['http'])\n"
    (shop.folder / "hooked.py").write_text(RUN["hooks"].code + more, "utf-8")
    worker = cli(shop, "run", "hooked:queue")
    job = await shop.enqueue("greet")
    assert await job.result(timeout=60) == "a client that all tasks share"
    await worker.says("greet succeeded")


# Shell


def cli(shop: Story, *arguments: str) -> Process:
    return shop.python("-m", "aioqueue", *arguments, name=arguments[0])


def commands() -> Iterator[tuple[list[str], str]]:
    """Each line of each shell block: its words, and its comment."""
    for each in SHELL:
        for line in each.code.splitlines():
            command, _, comment = line.partition("#")
            if command.strip():
                yield shlex.split(command), comment.strip()


def test_what_make_is_asked_for_is_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    made = {words[1] for words, _ in commands() if words[0] == "make"}
    assert made
    assert (
        made | set(re.findall(r"`([a-z-]+)`", TEXT.partition("`make help` lists the targets:")[2].partition(".")[0]))
        <= targets
    )


def test_what_is_installed_is_there() -> None:
    declared = (ROOT / "pyproject.toml").read_text("utf-8")
    installs = [words for words, _ in commands() if "install" in words]
    assert installs
    assert {words[-1] for words in installs} == {"."}
    for extra in re.findall(r"Extras: (.*?), as in", TEXT, re.DOTALL)[0].split("), "):
        name = re.match(r"`(\w+)`", extra.strip())
        assert name is not None
        assert f"\n{name[1]} = [" in declared


async def test_the_commands_do_what_they_say(shop: Story) -> None:
    workers = []
    known = {"make", "python3", ".venv/bin/pip", "aioqueue", "python"}
    assert {words[0] for words, _ in commands()} == known
    job = None
    for words, comment in commands():
        if words[:2] == ["aioqueue", "run"]:
            worker = cli(shop, *words[1:])
            workers.append(worker)
            await worker.says("ready")
        elif words[0] in ("aioqueue", "python"):
            words = [job.id if job and word == "ID" else word for word in words]
            done = cli(shop, *words[1:]) if words[0] == "aioqueue" else shop.python(*words[1:], name="python")
            assert await done.ended() == 0, done.log
            if comment.startswith("prints: "):
                assert done.log.strip() == comment.removeprefix("prints: ")
            job = await shop.enqueue("send_welcome", 7)
    for worker in workers:
        worker.signal(SIGTERM)
    assert [await worker.ended() for worker in workers] == [0] * len(workers)


# Tables


def table(header: str) -> list[list[str]]:
    """The rows of the table whose header begins so."""
    (found,) = re.findall(rf"^\| {re.escape(header)}.*?\|\n\|[-|]+\n((?:\|.*\n)+)", TEXT, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in found.splitlines()]


def names(cell: str) -> list[str]:
    return re.findall(r"`(\w+)`", cell)


def test_the_options_are_those_of_the_code() -> None:
    of_task, of_call = set(), set()
    for option, task, call, *_ in table("option"):
        for name in names(option):
            if task == "yes" or name in task:
                of_task.add(name)
            if call == "yes":
                of_call.add(name)
    assert of_task == set(RegisterOptions.__annotations__)
    assert of_call == set(CallOptions.__annotations__)


def words(seconds: object) -> str:
    """A default, as the tables write it."""
    if not isinstance(seconds, float):
        return f"{seconds:,}"
    for unit, length in (("day", 86400), ("h", 3600), ("min", 60)):
        if seconds % length == 0:
            return f"{seconds / length:g} {unit}{'s' if unit == 'day' and seconds > length else ''}"
    return f"{seconds:g} s"


DEFAULTS = {field.name: field.default for field in fields(Settings)}


def test_the_options_defaults_are_those_of_the_settings() -> None:
    checked = set()
    for option, _, _, _, default in table("option"):
        settings = [name for name in names(option) if name in DEFAULTS]
        if settings:
            shown = DEFAULTS[settings[0]]
            expected = f"`{shown}`" if isinstance(shown, str) else ", ".join(words(DEFAULTS[name]) for name in settings)
            assert default == expected
            checked.update(settings)
    assert checked == {"queue", "priority", "retries", "timeout", "keep_results", "keep_failures"}


def test_the_settings_are_those_of_the_code() -> None:
    rows = table("setting")
    documented = [name for row in rows for name in names(row[0])]
    assert sorted(documented) == sorted(DEFAULTS)
    for settings, default, _ in rows:
        listed = names(settings)
        match listed:
            case ["url"]:
                continue
            case ["results"]:
                assert default == f"`{DEFAULTS['results']}`"
            case ["concurrency", "threads", "processes"]:
                assert default == f"{DEFAULTS['concurrency']}, {DEFAULTS['threads']}, one a core"
                assert DEFAULTS["processes"] == os.cpu_count()
            case ["queue", *_]:
                assert default == f"as above; {words(DEFAULTS['keep_dead'])}"
            case _:
                assert default.removesuffix(" bytes") == ", ".join(words(DEFAULTS[name]) for name in listed)


def test_the_exit_codes_are_those_of_the_code() -> None:
    assert [int(code) for code, _ in table("exit code")] == sorted(ExitCode)


def test_the_moves_are_those_of_the_code() -> None:
    documented = {names(old)[0]: set(names(new)) for old, new in table("from")}
    assert documented == {str(old): {str(new) for new in news} for old, news in MOVES.items() if news}


def test_the_ways_to_end_are_those_of_the_code() -> None:
    (listed,) = re.findall(r"A final record says how it\s+ended \((.*?)\)", TEXT, re.DOTALL)
    assert set(names(listed)) == {str(each) for each in Ended}


def test_every_path_it_names_is_there() -> None:
    for path in set(re.findall(r"`(aioqueue/[\w/.]+)`", TEXT)):
        assert Path(ROOT / path).exists(), path
