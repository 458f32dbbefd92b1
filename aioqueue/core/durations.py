"""Durations: what callers may write for one, turned into seconds. Knows nothing of settings or of tasks."""

from __future__ import annotations

import re
from datetime import timedelta

from aioqueue.errors import ConfigurationError

# Beyond this, adding a duration to the time of day overflows somewhere; nobody means it.
LONGEST = 100 * 365 * 86400.0

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([smhd]?)")


def seconds(value: float | timedelta, what: str) -> float:
    """The duration in seconds: finite, not negative, at most a hundred years.

    Anything else, also what a caller without a type checker may pass, is a ConfigurationError that says `what` it was.
    """
    length: object = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(length, bool) or not isinstance(length, int | float) or not 0 <= length <= LONGEST:
        raise ConfigurationError(
            f"{what} is {value!r}: give seconds, a number from 0 to {LONGEST:.0f} (a hundred years), or a timedelta"
        )
    return float(length)


def parse_duration(text: str) -> float:
    """The seconds that a text such as `90`, `1.5`, `30s`, `10m`, `2h` or `1d` stands for."""
    found = _DURATION.fullmatch(text.strip())
    if not found:
        raise ConfigurationError(f"{text!r} is not a duration: write seconds, or a number and a unit: 30s, 10m, 2h, 1d")
    return seconds(float(found[1]) * _UNITS[found[2]], f"the duration {text!r}")
