"""How many jobs a producer enqueues, all durable when its call returns: alone, from 100 coroutines, in batches."""

from __future__ import annotations

import asyncio
import time

from .subject import Conditions, Subject

_CALLERS = 100
_BATCH = 10_000


async def one_by_one(at: Conditions) -> dict[str, float]:
    """Each call awaited before the next is made."""
    subject = Subject(at, at.ledger(1))
    async with subject.queue:
        number, begun = 0, time.perf_counter()
        until = begun + at.seconds(1.0)
        while time.perf_counter() < until:
            await subject.short.enqueue(number, "a name", 1.5)
            number += 1
        took = time.perf_counter() - begun
        await subject.expect_ready(number)
    return {"enqueue.one": number / took}


async def from_many(at: Conditions) -> dict[str, float]:
    """Each of 100 coroutines awaits its own calls, as the handlers of a web server do."""
    subject = Subject(at, at.ledger(1))

    async def caller(until: float) -> int:
        number = 0
        while time.perf_counter() < until:
            await subject.short.enqueue(number, "a name", 1.5)
            number += 1
        return number

    async with subject.queue:
        begun = time.perf_counter()
        until = begun + at.seconds(1.0)
        made = sum(await asyncio.gather(*(caller(until) for _ in range(_CALLERS))))
        took = time.perf_counter() - begun
        await subject.expect_ready(made)
    return {"enqueue.100": made / took}


async def in_batches(at: Conditions) -> dict[str, float]:
    """Ten thousand calls at a time, made and sent."""
    subject = Subject(at, at.ledger(1))
    batch = at.size(_BATCH)
    async with subject.queue:
        made, begun = 0, time.perf_counter()
        until = begun + at.seconds(1.0)
        while time.perf_counter() < until:
            made += len(await subject.queue.enqueue_many(subject.short.s(n, "a name", 1.5) for n in range(batch)))
        took = time.perf_counter() - begun
        await subject.expect_ready(made)
    return {"enqueue.many": made / took}
