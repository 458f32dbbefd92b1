"""The commands that make and show jobs and tasks, on a queue of files."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from aioqueue import BrokerUnavailable
from aioqueue.cli.load import load
from aioqueue.cli.main import call

SHOP = """
from datetime import date
from aioqueue import AioQueue

queue = AioQueue("sqlite:///{folder}/jobs.db", retries=0)

@queue.task(queue="sums", timeout=None, give_up_on=(ValueError,))
async def add(a: int, b: int = 1) -> int:
    \"\"\"Add two numbers.\"\"\"
    return a + b

@queue.task(retries=5, backoff=[1, 2])
async def fail(day: date) -> None:
    raise RuntimeError(f"not on \\x1b[2J {{day:%d.%m.%Y}}")
"""

Call = Callable[..., int]
Output = pytest.CaptureFixture[str]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("AIOQUEUE_APP", "c_shop:queue")
    (tmp_path / "c_shop.py").write_text(SHOP.format(folder=tmp_path))
    yield load("c_shop:queue")
    del sys.modules["c_shop"]


def work(shop: Any) -> None:
    asyncio.run(shop.worker(queues=["sums", "default"], burst=True).run())


def test_a_job_is_made_and_shown_with_all_its_fields(shop: Any, capsys: Output) -> None:
    words = "enqueue c_shop:queue add 2 b=3 --id sum --by me --label n=1 --priority 7 --expires 1h"
    assert call(words.split()) == 0
    assert capsys.readouterr().out == "sum\n"
    work(shop)
    assert call(["job", "sum", "--json"]) == 0
    job = json.loads(capsys.readouterr().out)
    expected = {
        "id": "sum", "task": "add", "state": "succeeded", "queue": "sums", "priority": 7, "attempt": 1, "result": 5,
        "args": [2, 3], "by": "me", "labels": {"n": 1}, "error": None,
    }  # fmt: skip
    assert {name: job[name] for name in expected} == expected
    assert job["enqueued"].endswith("Z")


def test_a_failed_job_is_told_in_words_with_its_error_and_exit_code(shop: Any, capsys: Output) -> None:
    assert call(["enqueue", "fail", "2026-03-01", "--retries", "0", "--id", "f"]) == 0
    work(shop)
    capsys.readouterr()
    assert call(["job", "f", "--wait"]) == 1
    out = capsys.readouterr().out
    assert "failed at the last of 1 attempts: RuntimeError: not on" in out
    assert "01.03.2026" in out
    assert "Traceback" in out
    assert "\x1b" not in out


def test_waiting_gives_up_after_its_time(shop: Any, capsys: Output) -> None:
    assert call(["enqueue", "add", "1", "--id", "w", "--wait=0.05"]) == 124
    captured = capsys.readouterr()
    assert captured.out == "w\n"
    assert "waits for a worker on queue 'sums'" in captured.err
    assert call(["job", "w", "--wait", "0.05"]) == 124
    assert call(["job", "w"]) == 0


def test_a_wrong_call_enqueues_nothing(shop: Any, capsys: Output) -> None:
    for words, advice in {
        "enqueue add x": "Expected",
        "enqueue add": "missing argument 'a'",
        "enqueue add 1 2 3": "too many",
        "enqueue ad 1": "did you mean add?",
        "enqueue c_shop:queue": "say which task",
        "enqueue add 1 --priority 10": "priority",
        "enqueue fail yesterday": "'day'",
        "job nothing": "there is no job 'nothing'",
        "job a b c": "one id",
        "enqueue --url memory:// add 1": "other processes cannot see its jobs",
    }.items():
        assert call(words.split()) == 2, words
        captured = capsys.readouterr()
        assert advice in captured.err, words
        assert captured.err.count("\n") == 1, words
        assert captured.out == ""


def test_a_task_that_is_not_known_here_is_sent_by_its_name(shop: Any, capsys: Output, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/jobs.db"
    assert call(["enqueue", "--url", url, "elsewhere", "1", "--json"]) == 0
    id = json.loads(capsys.readouterr().out)["id"]
    assert call(["job", "--url", url, id]) == 0
    assert "elsewhere" in capsys.readouterr().out
    assert call(["enqueue", "elsewhere", "1", "--by-name"]) == 0


def test_without_results_there_is_nothing_to_wait_for_and_nothing_is_sent(
    shop: Any, capsys: Output, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIOQUEUE_RESULTS", "none")
    assert call(["enqueue", "--url", f"sqlite:///{tmp_path}/other.db", "add", "1", "--wait"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "keeps no results" in captured.err


def test_an_id_that_belongs_to_another_call_is_refused(shop: Any, capsys: Output) -> None:
    assert call(["enqueue", "add", "1", "--id", "x"]) == call(["enqueue", "add", "1", "--id", "x"]) == 0
    assert call(["enqueue", "add", "2", "--id", "x"]) == 2
    assert "choose another id" in capsys.readouterr().err


def test_tasks_are_listed_with_their_rules(shop: Any, capsys: Output) -> None:
    assert call(["tasks"]) == 0
    out = capsys.readouterr().out
    head, first, second = out.splitlines()[:3]
    assert head.split()[:2] == ["task", "queue"]
    for text in ("add(a: int, b: int = 1)", "sums", "ValueError", "none", "dead letters, 30 d"):
        assert text in first
    for text in ("fail(day: date)", "default", "5, after 1 s, 2 s", "5 min"):
        assert text in second
    assert "defaults: queue default, priority 4; retries 0" in out


def test_tasks_in_json_have_a_schema_of_their_parameters(shop: Any, capsys: Output) -> None:
    assert call(["tasks", "c_shop", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    add, fail = found["tasks"]
    assert add["parameters"]["properties"]["a"] == {"type": "integer"}
    assert add["parameters"]["required"] == ["a"]
    assert (add["timeout"], add["permanent_errors"], add["description"]) == (None, ["ValueError"], "Add two numbers.")
    assert fail["failures_go_to"] == {"place": "dead letters", "keep": 30 * 86400}
    assert found["defaults"]["lease"] == 15
    assert "url" not in found["defaults"]


def test_help_and_version(capsys: Output) -> None:
    for words in ([], ["--help"], ["run", "--help"], ["enqueue", "-h"], ["job", "--help"], ["tasks", "--help"]):
        assert call(words) == 0
        assert "aioqueue run shop:queue" in (out := capsys.readouterr().out) or "Examples:" in out
    assert call(["--version"]) == 0
    assert capsys.readouterr().out.startswith("aioqueue ")


def test_a_server_that_is_away_is_one_line_and_another_exit_code(
    shop: Any, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away() -> None:
        raise BrokerUnavailable("no answer from\nthe server within 10 s")

    monkeypatch.setattr(shop, "open", away)
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    monkeypatch.setattr(logging.getLogger(), "level", logging.WARNING)
    for words in (["enqueue", "add", "1"], ["job", "x"], ["run", "--burst"]):
        assert call(words) == 1
        assert capsys.readouterr().err.splitlines()[-1] == "aioqueue: no answer from the server within 10 s"
