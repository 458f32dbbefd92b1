"""Job ids: sorted by time, so that an index grows at its end, and random enough never to meet.

48 bits of milliseconds and 80 random bits, in hexadecimal: 32 characters.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from weakref import WeakMethod

from .clock import Clock

# Randomness is fetched, and turned into hex, for 256 ids at once: one os.urandom an id would cost ten times the id.
_POOL_BYTES = 10 * 256


class Ids:
    """Makes ids. `entropy(n)` gives n random bytes: the system's own, or a seeded source in a test."""

    def __init__(self, clock: Clock, entropy: Callable[[int], bytes] = os.urandom) -> None:
        self._now = clock.now
        self._entropy = entropy
        self._pool = ""
        self._at = 0
        self._millisecond = -1
        self._time = ""
        if hasattr(os, "register_at_fork"):
            forget = WeakMethod(self._forget)  # what is registered is kept for the life of the process
            os.register_at_fork(after_in_child=lambda: (it := forget()) and it())

    def __call__(self) -> str:
        at = self._at
        if at >= len(self._pool):
            self._pool, at = self._entropy(_POOL_BYTES).hex(), 0
        self._at = at + 20
        millisecond = int(self._now() * 1000)
        if millisecond != self._millisecond:
            self._millisecond, self._time = millisecond, f"{millisecond:012x}"
        return self._time + self._pool[at : at + 20]

    def _forget(self) -> None:
        # A forked child would hand out its parent's next ids.
        self._pool, self._at = "", 0
