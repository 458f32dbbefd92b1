"""What the behaviour tests share: a queue with a worker at work, in real time or in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeVar

import pytest

from aioqueue import AioQueue, ExitCode, Job, JobInfo, State, Worker
from aioqueue.connection import Connection
from aioqueue.drivers.base import Consumer, Delivery
from aioqueue.drivers.memory import open_memory
from aioqueue.testing import World, run_virtual

T = TypeVar("T")

LONGEST = 20_000.0  # virtual seconds a test may take: what hangs fails soon


class MakeQueue(Protocol):
    """Makes a queue on the driver, or the pair of drivers, that the test runs on."""

    def __call__(self, **settings: Any) -> AioQueue: ...


@asynccontextmanager
async def working(queue: AioQueue, *, ends: ExitCode = ExitCode.DRAINED, **options: Any) -> AsyncIterator[Worker]:
    """The queue open, with a worker that is drained at the end, and then must end like this."""
    async with queue, at_work(queue, ends=ends, **options) as worker:
        yield worker


@asynccontextmanager
async def at_work(queue: AioQueue, *, ends: ExitCode = ExitCode.DRAINED, **options: Any) -> AsyncIterator[Worker]:
    """A worker, drained at the end. It is interrupted if the test fails."""
    worker = queue.worker(**options)
    running = asyncio.create_task(worker.run())
    try:
        yield worker
    except BaseException:
        worker.interrupt()
        await running
        raise
    worker.drain()
    assert await running is ends


def in_virtual_time(test: Callable[[World], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """The test, run on a loop whose time is virtual."""

    def run() -> None:
        run_virtual(test, limit=LONGEST)

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return run


def queue_in(world: World, *, seed: int = 7, **settings: Any) -> AioQueue:
    """A queue whose time is the world's."""
    return AioQueue("memory://", clock=world.clock, seed=seed, **settings)


async def until(look: Callable[[], Awaitable[T]], pause: float = 0.01) -> T:
    """What `look` gives once there is something: for what nobody tells of."""
    while not (found := await look()):  # noqa: ASYNC110
        await asyncio.sleep(pause)
    return found


def in_state(job: Job[Any], *states: State) -> Callable[[], Awaitable[JobInfo | None]]:
    """For `until`: the job, once it is in one of these states."""

    async def look() -> JobInfo | None:
        info = await job.info()
        return info if info.state in states else None

    return look


@asynccontextmanager
async def one_server(*queues: AioQueue) -> AsyncIterator[None]:
    """These queues, open, share one memory, as those of several programs share a server."""
    driver = open_memory("memory://", clock=queues[0].clock)
    assert driver.broker is not None
    assert driver.commit is not None
    with pytest.MonkeyPatch.context() as patch:
        for queue in queues:
            connection = Connection([driver], driver.broker, driver.store, driver.commit)
            patch.setattr("aioqueue.app.connect", lambda settings, clock, it=connection: it)
            await queue.open()
    try:
        yield
    finally:
        for queue in queues:
            await queue.close()


async def take(queue: AioQueue, room: int = 1, *, lease: float | None = None) -> tuple[Consumer, list[Delivery]]:
    """Receive as a worker would that is about to die: what it got is never settled."""
    connection = await queue.open()
    consumer = await connection.broker.consumer(
        [queue.settings.queue], "doomed", queue.settings.lease if lease is None else lease
    )
    return consumer, list(await consumer.receive(room))


class Ledger:
    """What ran, in order, and a way to wait for it."""

    def __init__(self) -> None:
        self.entries: list[Any] = []
        self._changed = asyncio.Condition()

    async def note(self, entry: Any) -> None:
        """Something ran."""
        async with self._changed:
            self.entries.append(entry)
            self._changed.notify_all()

    async def until(self, count: int) -> list[Any]:
        """All entries, once there are so many."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.entries) >= count)
        return self.entries
