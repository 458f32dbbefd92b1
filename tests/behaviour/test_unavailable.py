"""A broker or a store that is away: a clear error in time, nothing left behind, and all well once it is back."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from aioqueue import AioQueue, BrokerUnavailable, ExitCode
from aioqueue.drivers.base import Entry
from aioqueue.drivers.sqlite.store import SqliteStore
from aioqueue.errors import StoreUnavailable
from aioqueue.testing import World

from .world import at_work, in_virtual_time, queue_in, working


class Away:
    """A broker that can go away."""

    def __init__(self, queue: AioQueue) -> None:
        self.away = False
        self.asked = 0
        commit: Any = queue.connection.commit
        self._enqueue, self._apply = commit.enqueue, commit.apply
        commit.enqueue, commit.apply = self.enqueue, self.apply

    def _check(self) -> None:
        self.asked += 1
        if self.away:
            raise BrokerUnavailable("it is away")

    async def enqueue(self, entries: Sequence[Entry]) -> Any:
        self._check()
        return await self._enqueue(entries)

    async def apply(self, *args: Any) -> Any:
        self._check()
        return await self._apply(*args)


@in_virtual_time
async def test_enqueueing_while_the_broker_is_away_fails_after_our_patience_and_works_again_later(world: World) -> None:
    queue = queue_in(world, patience=10)

    @queue.task
    async def work(n: int) -> int:
        return n

    async with working(queue):
        server = Away(queue)
        server.away = True
        start = world.clock.now()
        with pytest.raises(BrokerUnavailable, match="it is away"):
            await work.enqueue(1)
        assert 9 <= world.clock.now() - start <= 10
        with pytest.raises(BrokerUnavailable):
            await queue.enqueue_many([work.s(1)])
        assert server.asked < 60, "it must not spin"
        server.away = False
        assert await (await work.enqueue(2)).result() == 2


@in_virtual_time
async def test_a_broker_that_comes_back_within_our_patience_costs_no_error(world: World) -> None:
    queue = queue_in(world, patience=10)

    @queue.task
    async def work(n: int) -> int:
        return n

    async with working(queue):
        server = Away(queue)
        server.away = True
        calls = [asyncio.create_task(work.enqueue(n)) for n in range(100)]
        await asyncio.sleep(5)
        server.away = False
        assert [await (await call).result() for call in calls] == list(range(100))


@in_virtual_time
async def test_a_caller_that_no_longer_waits_enqueues_nothing_that_was_not_on_its_way(world: World) -> None:
    queue = queue_in(world, patience=10)
    ran: list[int] = []

    @queue.task
    async def work(n: int) -> None:
        ran.append(n)

    async with working(queue):
        server = Away(queue)
        server.away = True
        first = asyncio.create_task(work.enqueue(1))
        await asyncio.sleep(1)
        second = asyncio.create_task(work.enqueue(2))
        await asyncio.sleep(1)
        second.cancel()
        await asyncio.wait({second})
        assert second.cancelled()
        server.away = False
        await (await first).result()
        await asyncio.sleep(60)
    assert ran == [1]


@in_virtual_time
async def test_a_worker_keeps_what_it_has_to_say_until_the_broker_is_back(world: World) -> None:
    queue = queue_in(world)
    runs: list[int] = []

    @queue.task
    async def work() -> int:
        runs.append(1)
        return 1

    async with working(queue):
        server = Away(queue)
        job = await work.enqueue()
        server.away = True
        await asyncio.sleep(300)
        server.away = False
        assert await job.result() == 1
    assert runs == [1]


@in_virtual_time
async def test_an_interrupted_worker_ends_in_time_although_the_broker_is_away(world: World) -> None:
    queue = queue_in(world)

    @queue.task
    async def work() -> int:
        return 1

    async with queue:
        worker = queue.worker()
        running = asyncio.create_task(worker.run())
        server = Away(queue)
        await work.enqueue()
        server.away = True
        await asyncio.sleep(5)
        worker.interrupt()
        async with asyncio.timeout(60):
            assert await running is ExitCode.INTERRUPTED
        server.away = False
        async with at_work(queue):
            await asyncio.sleep(30)
        assert await queue.connection.broker.counts() == {}


@in_virtual_time
async def test_a_burst_goes_on_although_it_cannot_ask_whether_anything_is_left(world: World) -> None:
    queue = queue_in(world)

    @queue.task
    async def work() -> int:
        return 1

    async with queue:
        await work.enqueue()
        broker: Any = queue.connection.broker
        counts, failures = broker.counts, [1, 2]

        async def away() -> Any:
            if failures:
                failures.pop()
                raise BrokerUnavailable("away")
            return await counts()

        broker.counts = away
        assert await queue.worker(burst=True).run() is ExitCode.DRAINED
        assert failures == []


async def test_a_file_that_another_process_locks_is_unavailable_after_our_patience(tmp_path: Path) -> None:
    queue = AioQueue(f"sqlite:///{tmp_path}/jobs.db?timeout=0.2", patience=0.5)

    @queue.task
    async def work(n: int) -> int:
        return n

    async with working(queue):
        assert await (await work.enqueue(1)).result(timeout=10) == 1
        other = sqlite3.connect(tmp_path / "jobs.db", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        start = time.monotonic()
        with pytest.raises(BrokerUnavailable):
            await work.enqueue(2)
        assert time.monotonic() - start < 5
        other.execute("ROLLBACK")
        other.close()
        assert await (await work.enqueue(3)).result(timeout=10) == 3


async def test_opening_fails_after_our_patience_with_nothing_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(store: Any) -> None:
        raise StoreUnavailable("away")

    queue = AioQueue(f"sqlite:///{tmp_path}/jobs.db", patience=0.3)
    with monkeypatch.context() as patch:
        patch.setattr(SqliteStore, "open", away)
        with pytest.raises(StoreUnavailable):
            await queue.open()
    left = [thread.name for thread in threading.enumerate() if "jobs.db" in thread.name]
    assert left == [], "the half that could be opened is closed again"
    await queue.open()
    await queue.close()


@in_virtual_time
async def test_a_worker_that_has_not_found_its_broker_yet_can_be_drained(world: World) -> None:
    queue = queue_in(world)

    async def away(*args: Any) -> Any:
        raise BrokerUnavailable("away")

    async with queue:
        broker: Any = queue.connection.broker
        broker.consumer = away
        worker = queue.worker()
        running = asyncio.create_task(worker.run())
        await asyncio.sleep(60)
        worker.drain()
        async with asyncio.timeout(5):
            assert await running is ExitCode.DRAINED
