"""How log lines look, and what they say of the job they belong to."""

from __future__ import annotations

import contextvars
import json
import logging
import sys
from collections.abc import Iterator

import pytest

from aioqueue.cli import logs
from aioqueue.core.context import Context, enter
from aioqueue.core.message import Message


def record(message: str = "hello %s", *args: object, **extra: object) -> logging.LogRecord:
    made = logging.getLogger("shop").makeRecord("shop", logging.INFO, "shop.py", 1, message, args, None, extra=extra)
    logs.JobFilter().filter(made)
    return made


def within_job(message: str, *args: object) -> logging.LogRecord:
    def run() -> logging.LogRecord:
        job = Message(v=1, id="j1", task="add", enqueued=0.0, attempt=1)
        enter(
            Context(
                job, worker="w", attempts=4, redeliveries=0, crashes=0, state=None,
                report=lambda progress: None, cancelled=lambda: False,
            )
        )  # fmt: skip
        return record(message, *args)

    return contextvars.Context().run(run)


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    logger = logging.getLogger()
    handlers, level = list(logger.handlers), logger.level
    yield logger
    logger.handlers[:] = handlers
    logger.setLevel(level)


def test_a_text_line_names_the_job_its_task_and_the_attempt() -> None:
    line = logs.TextFormatter().format(within_job("hello %s", "you"))
    assert line.endswith("INFO    shop [job j1, add, attempt 2] hello you")
    assert logs.TextFormatter().format(record("hello %s", "you")).endswith("INFO    shop hello you")


def test_a_json_line_has_the_job_and_what_was_passed_as_extra() -> None:
    line = json.loads(logs.JsonFormatter().format(within_job("hello %s", "you")))
    assert {name: line[name] for name in ("message", "level", "logger", "job", "task", "attempt")} == {
        "message": "hello you", "level": "info", "logger": "shop", "job": "j1", "task": "add", "attempt": 2,
    }  # fmt: skip
    plain = json.loads(logs.JsonFormatter().format(record("x", size=3, what=object)))
    assert plain["size"] == 3
    assert "object" in plain["what"]
    assert "job" not in plain


def test_an_error_stays_in_its_line() -> None:
    try:
        raise ValueError("no\nsuch")
    except ValueError:
        made = record("failed")
        made.exc_info = sys.exc_info()
    line = logs.JsonFormatter().format(made)
    assert "\n" not in line
    assert "ValueError: no\nsuch" in json.loads(line)["exception"]
    assert logs.TextFormatter().format(made).count("Traceback") == 1


@pytest.mark.parametrize("value", ["\ud800", {1: {2}}, float("nan"), b"\xff"])
def test_whatever_is_logged_makes_one_line_of_json(value: object) -> None:
    line = logs.JsonFormatter().format(record("it is %s", value, value=value))
    assert json.loads(line)["message"].startswith("it is")


def test_logging_that_the_module_has_set_up_stands_and_learns_of_the_job(root: logging.Logger) -> None:
    logs.configure(logs.Level.INFO, logs.Format.TEXT)
    theirs = logging.StreamHandler()
    root.handlers[:] = [theirs]
    ours = logging.getLogger("aioqueue.test")
    ours.disabled = True  # as logging.config leaves those it was not told of
    logs.adopt()
    logs.adopt()
    assert root.handlers == [theirs]
    assert len(theirs.filters) == 1
    assert not ours.disabled
