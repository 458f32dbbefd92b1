"""What a worker costs that has nothing to do."""

from __future__ import annotations

import asyncio
import time

from .subject import Conditions, Subject

_SETTLE = 0.5  # seconds, for what starting up costs


async def idle(at: Conditions) -> dict[str, float]:
    """CPU time of a worker without jobs, all its threads, as a share of one core."""
    subject = Subject(at, at.ledger(1))
    async with subject.queue:
        worker = subject.queue.worker()
        running = asyncio.ensure_future(worker.run())
        await asyncio.sleep(_SETTLE)
        used, begun = time.process_time(), time.perf_counter()
        await asyncio.sleep(at.seconds(5.0))
        share = (time.process_time() - used) / (time.perf_counter() - begun)
        worker.drain()
        await running
    return {"idle.cpu": share * 100}
