"""Durations as callers write them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioqueue.core.durations import LONGEST, parse_duration, seconds
from aioqueue.errors import ConfigurationError


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, 0.0), (30, 30.0), (1.5, 1.5), (timedelta(minutes=2), 120.0), (timedelta(milliseconds=5), 0.005)],
)
def test_a_number_is_seconds_and_a_timedelta_is_converted(value: float | timedelta, expected: float) -> None:
    result = seconds(value, "delay")
    assert result == expected
    assert type(result) is float


@pytest.mark.parametrize(
    "value",
    [-1, -0.001, float("nan"), float("inf"), True, False, "30", "30s", None, [1], 10**400, timedelta(seconds=-1),
     timedelta.max, 1j],
)  # fmt: skip
def test_what_is_no_duration_is_refused_by_its_name(value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^delay is .*give seconds"):
        seconds(value, "delay")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0.0), ("90", 90.0), ("1.5", 1.5), ("30s", 30.0), ("10m", 600.0), ("2h", 7200.0), ("1d", 86400.0),
     ("0.5h", 1800.0), (" 30 s ", 30.0)],
)  # fmt: skip
def test_a_text_is_seconds_or_a_number_with_its_unit(text: str, expected: float) -> None:
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    "text", ["", "s", "-1", "-1s", "1w", "1h30m", "1e3", "nan", "inf", ".5", "1.", "30S", "٣s", "9" * 400]
)
def test_a_text_that_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="duration"):
        parse_duration(text)


@given(st.text())
def test_parsing_any_text_gives_a_sound_duration_or_a_configuration_error(text: str) -> None:
    try:
        assert 0 <= parse_duration(text) <= LONGEST
    except ConfigurationError:
        pass
