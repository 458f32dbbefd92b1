"""The pace: how fast slots become free, and so for how many jobs there is room before a slot is free for them.

Where jobs are short, receiving ahead keeps the broker and the loop at work at the same time, and batches large. It is
bounded by the expected wait, so that a worker never sits on work that another could start.
"""

from __future__ import annotations

import asyncio

LONGEST_WAIT = 0.1  # seconds; what was received ahead and has no slot by then is given back
_WAIT = 0.02  # seconds that a job received ahead is expected to wait for its slot
_WINDOW = 0.01  # seconds that are measured at least
_MOST = 2  # times the slots


class Pace:
    """Counts what ends. Uses the loop's clock."""

    def __init__(self, concurrency: int) -> None:
        self._most = _MOST * concurrency
        self._loop = asyncio.get_running_loop()
        self._since = self._loop.time()
        self._rate = 0.0  # a second
        self.ended = 0  # attempts since then; whoever ends one adds it

    def ahead(self) -> int:
        """How many jobs, beyond those that have a slot, can be expected to get theirs in a moment."""
        now = self._loop.time()
        passed = now - self._since
        if passed >= _WINDOW:
            self._rate = (self._rate + self.ended / passed) / 2
            self._since, self.ended = now, 0
        return min(int(self._rate * _WAIT), self._most)

    def broke(self) -> None:
        """Jobs got no slot in time: nothing is received ahead until the pace is there again."""
        self._rate, self.ended, self._since = 0.0, 0, self._loop.time()
