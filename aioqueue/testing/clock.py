"""A clock that stands still until a test turns it. Knows nothing of event loops: a timer that is already waiting does
not notice; for a world whose timers follow the clock, see virtual.py."""

from __future__ import annotations

START = 1_767_225_600.0  # 2026-01-01 00:00 UTC


class ManualClock:
    """A Clock for tests: `advance` lets time pass, `step_wall` sets the wall clock as an administrator or NTP would."""

    __slots__ = ("_monotonic", "_wall")

    def __init__(self, start: float = START) -> None:
        self._wall = start
        self._monotonic = 0.0

    def now(self) -> float:
        """Seconds since 1970."""
        return self._wall

    def monotonic(self) -> float:
        """Seconds since this clock was made."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let time pass, on both readings."""
        if seconds < 0:
            raise ValueError(f"time passes forward only: {seconds} s; use step_wall to set the wall clock back")
        self._wall += seconds
        self._monotonic += seconds

    def step_wall(self, seconds: float) -> None:
        """Move the wall clock alone, forward or back, while no time passes."""
        self._wall += seconds
