"""What time it is; injected, so that whole worlds can run under a clock that a test turns."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Two readings: `now` is seconds since 1970 (UTC), for what people and other machines read;
    `monotonic` is seconds since some start, never stepped back, for leases and limits."""

    def now(self) -> float: ...

    def monotonic(self) -> float: ...


class SystemClock:
    """The machine's own clocks."""

    # Bound once: the clock is read several times a job.
    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)
