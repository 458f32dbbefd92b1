"""Time limits without a timer for each job: one timer, set to the next limit.

Jobs with the same timeout reach it in the order they started, so for each timeout a dict in that order is enough; a job
that ends in time is struck from it for 0.1 us, where arming and cancelling a timer would cost 2 us.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Deadlines(Generic[T]):
    """Calls `passed(item)` for each item whose limit passes before it is struck off. Uses the loop's clock."""

    def __init__(self, passed: Callable[[T], None]) -> None:
        self._passed = passed
        self._lines: dict[float, dict[T, float]] = {}  # timeout → items in the order of their limits
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    def add(self, item: T, timeout: float) -> None:
        """The item's limit is `timeout` seconds from now."""
        limit = self._loop.time() + timeout
        line = self._lines.get(timeout)
        if line is None:
            line = self._lines[timeout] = {}
        line[item] = limit
        if self._timer is None or limit < self._timer.when():
            self._arm(limit)

    def strike(self, item: T, timeout: float) -> None:
        """The item ended in time. Striking it twice does no harm."""
        line = self._lines.get(timeout)
        if line is not None:
            line.pop(item, None)

    def close(self) -> None:
        """Forget all limits."""
        self._lines.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _arm(self, limit: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(limit, self._fire)

    def _fire(self) -> None:
        self._timer = None
        now = self._loop.time()
        late = [item for line in self._lines.values() for item in _until(line, now)]
        for timeout in [timeout for timeout, line in self._lines.items() if not line]:
            del self._lines[timeout]  # calls may each bring a timeout of their own
        following = [next(iter(line.values())) for line in self._lines.values()]
        if following:
            self._arm(min(following))
        for item in late:
            self._passed(item)


def _until(line: dict[T, float], now: float) -> list[T]:
    late: list[T] = []
    for item, limit in line.items():
        if limit > now:
            break
        late.append(item)
    for item in late:
        del line[item]
    return late
