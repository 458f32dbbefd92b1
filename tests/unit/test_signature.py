"""The options of a call: checked when they are given, by name."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from aioqueue.core.retry import exponential, fixed, intervals
from aioqueue.core.signature import NO_OPTIONS, Options, Signature, make_options
from aioqueue.errors import ConfigurationError

NOW = 1_767_225_600.0


def test_no_options_say_nothing() -> None:
    assert make_options({}, NOW) == NO_OPTIONS == Options()


def test_durations_are_seconds_or_timedeltas() -> None:
    options = make_options({"delay": timedelta(minutes=1), "keep_results": 5, "keep_failures": 1.5, "timeout": 30}, NOW)
    assert options == Options(delay=60.0, keep_results=5.0, keep_failures=1.5, timeout=30.0)


def test_no_timeout_is_something_to_ask_for() -> None:
    assert make_options({"timeout": None}, NOW).timeout is None
    assert make_options({}, NOW) != make_options({"timeout": None}, NOW)


def test_a_moment_is_an_aware_datetime() -> None:
    assert make_options({"eta": datetime(2026, 1, 1, 0, 0, 5, tzinfo=UTC)}, NOW).eta == NOW + 5
    east = timezone(timedelta(hours=2))
    assert make_options({"eta": datetime(2026, 1, 1, 2, 0, 5, tzinfo=east)}, NOW).eta == NOW + 5


def test_an_expiry_is_a_duration_from_now_or_a_moment() -> None:
    assert make_options({"expires": 60}, NOW).expires == NOW + 60
    assert make_options({"expires": timedelta(hours=1)}, NOW).expires == NOW + 3600
    assert make_options({"expires": datetime(2026, 1, 1, 0, 1, tzinfo=UTC)}, NOW).expires == NOW + 60


@pytest.mark.parametrize("name", ["eta", "expires"])
def test_a_naive_datetime_is_refused_with_an_example_of_a_good_one(name: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"{name}.*time zone.*\+00:00"):
        make_options({name: datetime(2026, 1, 1)}, NOW)  # noqa: DTZ001 - that is the point


def test_a_backoff_is_a_rule_a_duration_or_a_list() -> None:
    assert make_options({"backoff": 5}, NOW).backoff == fixed(5)
    assert make_options({"backoff": [1, 2]}, NOW).backoff == intervals([1, 2])
    assert make_options({"backoff": exponential(2)}, NOW).backoff == exponential(2)


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"dealy": 5}, "dealy"), ({"delay": -1}, "delay"), ({"delay": "5"}, "delay"), ({"delay": None}, "delay"),
        ({"timeout": 0}, "timeout"), ({"timeout": -1}, "timeout"), ({"priority": 10}, "priority"),
        ({"priority": -1}, "priority"), ({"priority": 4.0}, "priority"), ({"priority": True}, "priority"),
        ({"retries": -1}, "retries"), ({"retries": 1.5}, "retries"), ({"retries": True}, "retries"),
        ({"queue": ""}, "queue"), ({"queue": "a\nb"}, "queue"), ({"queue": "x" * 256}, "queue"), ({"id": ""}, "id"),
        ({"id": 7}, "id"), ({"id": "\ud800"}, "id"), ({"by": "\x00"}, "by"),
        ({"labels": {"a": None}}, "labels"), ({"labels": {"a": [1]}}, "labels"), ({"labels": {1: "a"}}, "labels"),
        ({"labels": {"a": float("nan")}}, "labels"), ({"labels": 5}, "labels"), ({"headers": {"a": 1}}, "headers"),
        ({"headers": ["a"]}, "headers"), ({"eta": 5}, "eta"), ({"expires": "soon"}, "expires"),
        ({"backoff": lambda attempt, error: 1}, "backoff"), ({"keep_results": -1}, "keep_results"),
        ({"keep_failures": float("inf")}, "keep_failures"),
        ({"delay": 1, "eta": datetime(2026, 1, 1, tzinfo=UTC)}, "delay or eta"),
    ],
)  # fmt: skip
def test_a_wrong_option_is_refused_by_its_name(given: Mapping[str, Any], names: str) -> None:
    with pytest.raises(ConfigurationError, match=names):
        make_options(given, NOW)


def test_the_edges_of_what_is_allowed_are_allowed() -> None:
    options = make_options(
        {"priority": 0, "retries": 0, "id": "x" * 255, "queue": "mäil 🦆", "labels": {"": -0.5, "b": True}, "delay": 0},
        NOW,
    )
    assert (options.priority, options.retries, options.delay) == (0, 0, 0.0)
    assert make_options({"priority": 9}, NOW).priority == 9


class Recorder:
    """A Sender that keeps what it is asked to send."""

    def __init__(self) -> None:
        self.sent: list[tuple[Any, ...]] = []

    def now(self) -> float:
        return NOW

    async def enqueue(self, *call: Any) -> Any:
        self.sent.append(call)
        return "job"


async def test_a_signature_is_sent_as_it_was_made_as_often_as_one_likes() -> None:
    sender = Recorder()
    call: Signature[int] = Signature("add", (1, 2), {"c": 3}, Options(priority=9), sender)
    assert sender.sent == [], "making a signature sends nothing"
    results: list[Any] = [await call.enqueue(), await call.enqueue()]
    assert results == ["job", "job"]
    assert sender.sent == [("add", (1, 2), {"c": 3}, Options(priority=9))] * 2


def test_a_signature_reads_like_the_call_it_is() -> None:
    assert repr(Signature("add", (1, "x"), {"c": 3}, NO_OPTIONS, Recorder())) == "<Signature add(1, 'x', c=3)>"
