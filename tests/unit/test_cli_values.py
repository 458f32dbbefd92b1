"""What stands on a command line, as values and as words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aioqueue import ConfigurationError
from aioqueue.cli.table import clean
from aioqueue.cli.target import is_app, patience, with_seconds
from aioqueue.cli.values import arguments, duration, labels
from aioqueue.cli.words import moment, span


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("7", 7), ("-5", -5), ("1.5", 1.5), ("true", True), ("null", None), ("[1, 2]", [1, 2]), ('{"a": 1}', {"a": 1}),
        ("hello", "hello"), ('"7"', "7"), ('"a=b"', "a=b"), ("", ""), ("NaN", "NaN"), ("https://a/?b=c", "https://a/?b=c"),
    ],
)  # fmt: skip
def test_an_argument_is_json_or_else_a_text(word: str, value: Any) -> None:
    assert arguments([word]) == ([value], {})


def test_keywords_are_told_by_their_name() -> None:
    assert arguments(["1", "name=x", "n=2", 't="2"']) == ([1], {"name": "x", "n": 2, "t": "2"})
    with pytest.raises(ConfigurationError, match="'n' is given twice"):
        arguments(["n=1", "n=2"])


def test_a_mistyped_option_is_not_taken_for_an_argument() -> None:
    with pytest.raises(ConfigurationError, match="there is no option --dely: did you mean --delay"):
        arguments(["--dely=3"], {"--delay", "--queue"})


def test_labels_keep_numbers_and_booleans() -> None:
    assert labels(["a=1", "b=true", "c=x", "d=[1]", "e="]) == {"a": 1, "b": True, "c": "x", "d": "[1]", "e": ""}
    with pytest.raises(ConfigurationError, match="write key=value"):
        labels(["a"])


def test_a_wrong_duration_names_its_option() -> None:
    assert duration("10m", "--delay") == 600
    assert duration(None, "--delay") is None
    with pytest.raises(ConfigurationError, match="--delay: 'soon' is not a duration"):
        duration("soon", "--delay")


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["a", "--wait"], ["a", "--wait=forever"]),
        (["a", "--wait", "30"], ["a", "--wait=30"]),
        (["--wait", "1.5m", "a"], ["--wait=1.5m", "a"]),
        (["--wait", "a"], ["--wait=forever", "a"]),
        (["--wait=5", "7"], ["--wait=5", "7"]),
        (["--", "--wait"], ["--", "--wait"]),
    ],
)
def test_wait_stands_with_or_without_seconds(words: list[str], meant: list[str]) -> None:
    assert with_seconds(words) == meant


def test_patience_is_for_ever_unless_it_is_given() -> None:
    assert (patience(None), patience("forever"), patience("2m")) == (None, None, 120)


def test_a_queue_is_told_from_a_task_by_its_colon() -> None:
    assert is_app("shop:queue")
    assert is_app("a.b:c.d")
    assert not is_app("shop")
    assert not is_app("a-b:c")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (0.05, "50 ms"), (1.5, "1.5 s"), (90, "90 s"), (300, "5 min"), (3600, "1 h"), (1209600, "14 d")],
)
def test_a_span_is_short(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_a_moment_says_how_far_away_it_is() -> None:
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert moment(now + timedelta(minutes=5), now).endswith("(in 5 min)")
    assert moment(now - timedelta(seconds=30), now).endswith("(30 s ago)")


def test_what_could_steer_a_terminal_is_shown_instead() -> None:
    assert clean("a\x1b[2Jb\tc\nd é") == "a\\x1b[2Jb\tc\nd é"
