"""Rules of this house that no linter knows: words that must not stand in certain places.

`make check` runs this file on its own. The words are written in two halves, so that the file keeps its own rules.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from shutil import which

import pytest

ROOT = Path(__file__).parents[2]

# Which index packages come from is the business of the machine they are installed on.
REGISTRIES = re.compile(
    "|".join([r"pypi" r"\.org", r"python" r"hosted\.org", r"docker" r"\.io", r"gh" r"cr\.io", r"qu" r"ay\.io",
              r"registry" r"\.npmjs", r"--(extra-)?" r"index-url", r"--find" r"-links"])
)  # fmt: skip
# Another project has our name on the public index; who follows such a line installs that one.
INSTALLS_ANOTHER_PROJECT = re.compile(
    r"""\b(pip[3x]?|uv|poetry|pdm) (install|add)( -\S+)* ["']?aio""" r"""queue(\[|["'\s`.,]|$)"""
)

SERVERS = re.compile("redis|amqp|sqs", re.IGNORECASE)


def text_files(folder: Path = ROOT) -> Iterator[tuple[str, str]]:
    """The path from the root and the content of every file that is, or could be, under version control."""
    if not (ROOT / ".git").exists() or not which("git"):
        pytest.skip("without git it is not known which files are ours")
    listed = subprocess.run(
        # The checkout may belong to another user than the one who tests it.
        [
            "git",
            "-c",
            "safe.directory=*",
            "-C",
            str(ROOT),
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
            str(folder),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        try:
            yield name, (ROOT / name).read_text("utf-8")
        except (FileNotFoundError, IsADirectoryError, UnicodeDecodeError):
            continue  # deleted but not yet committed, a submodule, or no text


def lines_with(pattern: re.Pattern[str], files: Iterator[tuple[str, str]]) -> list[str]:
    return [
        f"{name}:{number}: {line.strip()}"
        for name, content in files
        for number, line in enumerate(content.splitlines(), 1)
        if pattern.search(line)
    ]


def test_no_file_names_a_package_registry() -> None:
    assert lines_with(REGISTRIES, text_files()) == []


def test_no_file_says_to_install_the_package_that_another_project_has_under_our_name() -> None:
    assert lines_with(INSTALLS_ANOTHER_PROJECT, text_files()) == []


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("pip install aio" "queue", True),
        ("pip install -U 'aio" "queue[yaml]'", True),
        ("run `uv add aio" "queue`", True),
        ("pip install -e .", False),
        ("pip install dist/aio" "queue-0.1.0-py3-none-any.whl", False),
        ("install aio" "queue with its extra `yaml`", False),
    ],
)  # fmt: skip
def test_what_such_a_line_looks_like(line: str, wrong: bool) -> None:
    assert bool(INSTALLS_ANOTHER_PROJECT.search(line)) is wrong


def test_servers_are_named_only_in_their_own_drivers_and_in_the_table_of_urls() -> None:
    others = (
        (name, content)
        for name, content in text_files(ROOT / "aioqueue")
        if name != "aioqueue/drivers/open.py"
        and not re.match(rf"aioqueue/drivers/({SERVERS.pattern})(/|\.py$)", name, re.IGNORECASE)
    )
    assert lines_with(SERVERS, others) == []
