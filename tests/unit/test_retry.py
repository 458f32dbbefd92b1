"""When to try again."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioqueue.core.message import Backoff
from aioqueue.core.retry import DEFAULT, Rule, as_rule, delay, describe, exponential, fibonacci, fixed, intervals
from aioqueue.errors import ConfigurationError

ERROR = ValueError("no")


def delays(rule: Rule, n: int = 6) -> list[float]:
    return [delay(rule, attempt, ERROR, Random(0)) for attempt in range(1, n + 1)]


def test_exponential_doubles_up_to_its_cap() -> None:
    assert delays(exponential(1, 10, jitter=False)) == [1, 2, 4, 8, 10, 10]


def test_fibonacci_grows_by_its_last_two_up_to_its_cap() -> None:
    assert delays(fibonacci(2, 12)) == [2, 2, 4, 6, 10, 12]


def test_fixed_stays_as_it_is() -> None:
    assert delays(fixed(timedelta(minutes=1)), 3) == [60, 60, 60]


def test_intervals_come_in_turn_and_the_last_is_repeated() -> None:
    assert delays(intervals([1, 30, timedelta(hours=2)]), 5) == [1, 30, 7200, 7200, 7200]


def test_full_jitter_draws_from_zero_to_the_rules_value() -> None:
    random = Random(1)
    drawn = [delay(exponential(1, 8), 4, ERROR, random) for _ in range(2000)]
    assert min(drawn) < 0.1
    assert max(drawn) > 7.9
    assert 3.7 < sum(drawn) / len(drawn) < 4.3


def test_the_default_is_exponential_from_one_second_to_ten_minutes_with_full_jitter() -> None:
    assert Backoff("exponential", 1.0, 600.0, True) == DEFAULT


@given(
    st.builds(
        Backoff, st.sampled_from(["exponential", "fibonacci", "fixed", "intervals", "a kind to come"]),
        st.floats(0, 1e6), st.floats(0, 1e6), st.booleans(), st.lists(st.floats(0, 1e6), max_size=3).map(tuple),
    ),
    st.integers(0, 10**9),
)  # fmt: skip
def test_any_rule_gives_a_sound_delay_for_any_attempt(rule: Backoff, attempt: int) -> None:
    assert 0 <= delay(rule, attempt, ERROR, Random(0)) <= 1e6


def test_a_rule_of_a_kind_to_come_waits_its_base() -> None:
    assert delay(Backoff("a kind to come", 7.0, jitter=False), 3, ERROR, Random(0)) == 7.0


def test_a_function_gets_attempt_and_error_and_gives_seconds_or_a_timedelta() -> None:
    seen: list[tuple[int, BaseException]] = []

    def rule(attempt: int, error: BaseException) -> Any:
        seen.append((attempt, error))
        return timedelta(seconds=attempt) if attempt % 2 else attempt

    assert delays(rule, 2) == [1.0, 2.0]
    assert seen == [(1, ERROR), (2, ERROR)]


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), None, "5", timedelta(seconds=-1)])
def test_a_function_that_gives_no_number_of_seconds_fails_the_job_visibly(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="backoff function gave"):
        delay(lambda attempt, error: value, 1, ERROR, Random(0))


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        (5, fixed(5)),
        (timedelta(seconds=5), fixed(5)),
        ([1, 2], intervals([1, 2])),
        ((1, 2), intervals([1, 2])),
        (exponential(), exponential()),
    ],
)
def test_what_a_user_writes_becomes_a_rule(given: Any, rule: Backoff) -> None:
    assert as_rule(given, travels=True) == rule


@pytest.mark.parametrize("given", ["5", None, True, [], [-1], -1, float("nan"), ["x"], {"base": 1}])
def test_what_is_no_rule_is_refused(given: Any) -> None:
    with pytest.raises(ConfigurationError):
        as_rule(given, travels=False)


def test_a_function_may_belong_to_a_task_but_cannot_travel_with_a_call() -> None:
    def rule(attempt: int, error: BaseException) -> float:
        return 1.0

    assert as_rule(rule, travels=False) is rule
    with pytest.raises(ConfigurationError, match="cannot travel"):
        as_rule(rule, travels=True)


@pytest.mark.parametrize("make", [exponential, fibonacci])
@pytest.mark.parametrize(("base", "cap"), [(-1, 5), (1, -5), (float("inf"), 5)])
def test_a_rule_with_impossible_numbers_is_refused(make: Any, base: float, cap: float) -> None:
    with pytest.raises(ConfigurationError):
        make(base, cap)


def test_rules_say_in_a_few_words_what_they_do() -> None:
    rules: list[Rule] = [exponential(), fibonacci(2, 60), fixed(5), intervals([1, 30])]
    assert [describe(rule) for rule in rules] == [
        "exponential from 1 s to 600 s with full jitter",
        "fibonacci from 2 s to 60 s",
        "every 5 s",
        "after 1 s, 30 s",
    ]
