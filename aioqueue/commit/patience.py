"""Trying again while a server is away: with growing, jittered pauses, for a time that is set."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import TypeVar

from ..core.clock import Clock
from ..errors import BrokerUnavailable, StoreUnavailable

T = TypeVar("T")

AWAY = (BrokerUnavailable, StoreUnavailable)
_FIRST, _LAST = 0.05, 1.0  # seconds
_ANSWER = 1.0  # seconds that a call has, whatever is left of the patience: a server that is slow is not away


class Pauses:
    """The pauses between tries: 50 ms doubling to 1 s, less up to half of it in jitter, so that a server that comes
    back does not meet all of its clients at once."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._next = _FIRST

    def reset(self) -> None:
        """The server answered: start from the shortest again."""
        self._next = _FIRST

    def next(self) -> float:
        """Seconds to wait before the next try."""
        pause = self._next * self._random.uniform(0.5, 1.0)
        self._next = min(_LAST, self._next * 2)
        return pause


async def patiently(call: Callable[[], Awaitable[T]], *, patience: float, clock: Clock, random: Random) -> T:
    """What `call` gives, repeated while the server is away, for at most `patience` seconds; then its last error, or
    BrokerUnavailable if it did not come back at all. Only for calls that may be repeated, and cancelled."""
    deadline = clock.monotonic() + patience
    pauses = Pauses(random)
    away: Exception | None = None
    while True:
        try:
            async with asyncio.timeout(max(_ANSWER, deadline - clock.monotonic())) as limit:
                return await call()
        except AWAY as error:
            away = error
            pause = pauses.next()
            if clock.monotonic() + pause >= deadline:
                raise
            await asyncio.sleep(pause)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise away or BrokerUnavailable(f"no answer within our patience of {patience:g} s") from error
