"""How long one job takes there and back on an idle system: from the call of `enqueue` to what `result` returns."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from .ledger import Ledger
from .others import working
from .subject import Conditions, Subject

_WARM_UP = 20


async def round_trips(at: Conditions) -> dict[str, float]:
    """One after the other; the worker is another process, where processes can share the queue."""
    size = at.size(500) + _WARM_UP
    ledger = at.ledger(size)
    subject = Subject(at, ledger)
    there, back = [], []
    async with subject.queue, _worker(at, ledger, subject):
        for number in range(size):
            begun = time.monotonic()
            job = await subject.short.enqueue(number, "a name", 1.5)
            assert await job.result(timeout=30) == 3.0
            back.append(time.monotonic() - begun)
            there.append(ledger.times[number] - begun)
        ledger.check()
    back, there = back[_WARM_UP:], there[_WARM_UP:]
    return {
        "latency.p50": percentile(back, 50) * 1e3,
        "latency.p99": percentile(back, 99) * 1e3,
        "latency.start.p50": percentile(there, 50) * 1e3,
        "latency.start.p99": percentile(there, 99) * 1e3,
    }


@asynccontextmanager
async def _worker(at: Conditions, ledger: Ledger, subject: Subject) -> AsyncIterator[None]:
    if at.shared:
        async with working(at, ledger) as other:
            other.go()
            yield
    else:
        worker = subject.queue.worker()
        running = asyncio.ensure_future(worker.run())
        yield
        worker.drain()
        await running


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that so many percent of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]
