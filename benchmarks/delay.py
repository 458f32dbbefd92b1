"""How late a job starts that was enqueued with a delay."""

from __future__ import annotations

import asyncio
import time

from .latency import percentile
from .subject import Conditions, Subject

_DELAY = 2.0
_APART = 0.005


async def two_seconds(at: Conditions) -> dict[str, float]:
    """Jobs enqueued one by one, each for 2 s from its call. The worker runs in the same process."""
    size = at.size(200)
    ledger = at.ledger(size)
    left = asyncio.Event()

    def noted() -> None:
        if not ledger.missing():
            left.set()

    subject = Subject(at, ledger, noted)
    called: list[float] = []
    async with subject.queue:
        worker = subject.queue.worker()
        running = asyncio.ensure_future(worker.run())
        for number in range(size):
            called.append(time.monotonic())
            await subject.short.options(delay=_DELAY).enqueue(number, "a name", 1.5)
            await asyncio.sleep(_APART)
        await left.wait()
        worker.drain()
        await running
        ledger.check()
    late = [ledger.times[number] - begun - _DELAY for number, begun in enumerate(called)]
    if min(late) < 0:
        raise AssertionError(f"a job started {-min(late) * 1e3:.1f} ms before it was due")
    return {"delay.p50": percentile(late, 50) * 1e3, "delay.p99": percentile(late, 99) * 1e3}
