"""How fast workers empty a queue: from the start of the worker until everything is run, stored and acknowledged."""

from __future__ import annotations

import asyncio
import resource
import sys
import time

from aioqueue import ExitCode, Worker

from .others import fill, fill_elsewhere, working
from .subject import Conditions, Subject

_SLEEP = 0.05


async def short(at: Conditions) -> dict[str, float]:
    """Jobs that do next to nothing, with results, by one worker with its default concurrency."""
    took, cpu, size = await _drain(at, "short", at.size(30_000), 1.5)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 if sys.platform == "darwin" else 1024)
    return {"drain.short": size / took, "drain.cpu": cpu / size * 1e6, "drain.memory": peak}


async def naps(at: Conditions) -> dict[str, float]:
    """Jobs that sleep for 50 ms: the ideal is that all slots sleep all the time."""
    took, _, size = await _drain(at, "nap", at.size(4_000), _SLEEP)
    ideal = size * _SLEEP / Subject(at, at.ledger(1)).queue.settings.concurrency
    return {"drain.naps": ideal / took * 100}


async def short_by_two(at: Conditions) -> dict[str, float]:
    """As `short`, by two processes, from when both are ready; nothing where processes cannot share the queue."""
    if not at.shared:
        return {}
    size = at.size(30_000)
    ledger = at.ledger(size)
    fill_elsewhere(at, "short", size, 1.5)
    async with working(at, ledger) as one, working(at, ledger) as other:
        begun = time.perf_counter()
        one.go()
        other.go()
        while ledger.missing():  # noqa: ASYNC110 - the ledger is written by other processes
            await asyncio.sleep(0.005)
    took = time.perf_counter() - begun  # they have drained: all is settled
    ledger.check()
    async with (subject := Subject(at, ledger)).queue:
        await subject.expect_all_succeeded(size)
    return {"drain.two": size / took}


async def _drain(at: Conditions, task: str, size: int, number: float) -> tuple[float, float, int]:
    ledger = at.ledger(size)
    left = size
    worker: Worker

    def noted() -> None:
        nonlocal left
        left -= 1
        if not left:
            worker.drain()

    subject = Subject(at, ledger, noted)
    if at.shared:
        fill_elsewhere(at, task, size, number)  # by another process, so that what it needs is not counted here
    async with subject.queue:
        if not at.shared:
            await fill(subject, task, size, number)
        worker = subject.queue.worker()
        used, begun = time.process_time(), time.perf_counter()
        code = await worker.run()
        took, used = time.perf_counter() - begun, time.process_time() - used
        assert code is ExitCode.DRAINED
        ledger.check()
        await subject.expect_all_succeeded(size)
    return took, used, size
