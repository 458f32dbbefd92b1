"""The tasks of the stories, as a worker imports them. Their queue's settings come from the environment."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time

from aioqueue import AioQueue, Context, fixed
from aioqueue.core.events import WorkerStarted

from .ledger import note, told

queue = AioQueue()


@queue.on(WorkerStarted)
def ready(event: WorkerStarted) -> None:
    note("ready")


@queue.task
async def nap(seconds: float) -> float:
    with told():
        await asyncio.sleep(seconds)
    return seconds


@queue.task(backoff=fixed(0.1))
async def flaky(failures: int) -> int:
    """Fails so often, then succeeds."""
    with told():
        attempt = Context.current().attempt
        if attempt <= failures:
            raise RuntimeError(f"attempt {attempt} fails")
    return attempt


@queue.task
async def which(seconds: float) -> int:
    """The process that ran it."""
    with told():
        await asyncio.sleep(seconds)
    return os.getpid()


@queue.task(retries=0)
async def fail() -> None:
    with told():
        raise RuntimeError("for good")


@queue.task
async def die() -> None:
    with told():
        os.kill(os.getpid(), signal.SIGKILL)


@queue.task
async def block(seconds: float) -> float:
    """Keeps the event loop from doing anything else."""
    with told():
        time.sleep(seconds)  # noqa: ASYNC251 - that it blocks is the story
    return seconds


@queue.task
async def spin() -> None:
    """The first time it never lets go of the event loop."""
    with told():
        while Context.current().redeliveries == 0:
            pass


@queue.task(retries=0, timeout=0.5)
async def stubborn() -> None:
    """Will not be ended: not by its timeout, not by a cancellation, not by its worker."""
    note("begin")
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            note("ignored")


@queue.task(timeout=None)
async def endless() -> None:
    with told():
        await asyncio.Event().wait()


@queue.task(timeout=None)
async def unending(seconds: float) -> None:
    """The first time it will not end, whoever asks; the second time it does, at once."""
    with told():
        while Context.current().redeliveries == 0:
            try:
                await asyncio.sleep(seconds)
            except asyncio.CancelledError:
                note("ignored")


@queue.task(retries=0, timeout=0.5)
def hang() -> None:
    """A thread that nobody can end."""
    with told():
        threading.Event().wait()


@queue.task(timeout=None)
def thread_nap(seconds: float) -> float:
    with told():
        time.sleep(seconds)
    return seconds


@queue.task
async def ask(job: str) -> str:
    """The result of another job, awaited from within this one."""
    with told():
        result = await queue.job(job).result(timeout=30)
    return f"it was {result}"
