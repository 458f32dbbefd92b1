"""The reporter: short jobs cost it nothing, long ones are seen, and it notices what was ended elsewhere."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from aioqueue import AioQueue, Context, State
from aioqueue.core.record import Record
from aioqueue.errors import StoreUnavailable
from aioqueue.testing import World, run_virtual
from aioqueue.worker.executor import Executor


def watching(test: Callable[[World, AioQueue, list[list[Record]]], Coroutine[Any, Any, None]]) -> None:
    """Run the test beside a worker, with what the reporter wrote."""

    async def main(world: World) -> None:
        async with AioQueue("memory://", clock=world.clock, seed=1) as queue:
            written: list[list[Record]] = []
            store: Any = queue.connection.store
            save = store.save

            async def noted(records: Sequence[Record]) -> Any:
                if any(record.state is State.RUNNING for record in records):
                    written.append(list(records))
                return await save(records)

            store.save = noted
            worker = queue.worker()
            running = asyncio.create_task(worker.run())
            try:
                await test(world, queue, written)
            finally:
                worker.interrupt()
                await running

    run_virtual(main, limit=5000)


def test_a_short_job_is_never_written_as_running() -> None:
    async def test(world: World, queue: AioQueue, written: list[list[Record]]) -> None:
        @queue.task
        async def short() -> None:
            await asyncio.sleep(0.2)

        for _ in range(20):
            await (await short.enqueue()).result()
        assert written == []

    watching(test)


def test_a_long_job_is_written_once_as_running_within_a_moment() -> None:
    async def test(world: World, queue: AioQueue, written: list[list[Record]]) -> None:
        @queue.task
        async def long() -> None:
            await asyncio.sleep(10)

        job = await long.enqueue()
        await asyncio.sleep(0.6)
        assert (await job.info()).state is State.RUNNING
        await job.result()
        assert len(written) == 1

    watching(test)


def test_progress_is_written_when_there_is_some_and_not_again_while_it_stands() -> None:
    async def test(world: World, queue: AioQueue, written: list[list[Record]]) -> None:
        @queue.task
        async def long(context: Context) -> None:
            for n in range(3):
                context.progress(n)
                await asyncio.sleep(20)

        await (await long.enqueue()).result()
        assert [records[0].progress and records[0].progress.done for records in written] == [0, 1, 2]

    watching(test)


def test_a_long_job_is_seen_although_others_before_it_have_only_just_begun() -> None:
    async def test(world: World, queue: AioQueue, written: list[list[Record]]) -> None:
        @queue.task
        async def long() -> None:
            await asyncio.sleep(100)

        first, second = await long.enqueue(), await long.enqueue()
        await asyncio.sleep(0.1)
        executor = find_executor()
        young, _ = executor.running
        for _ in range(10):
            young.run.started = world.clock.now()  # as if it had waited for its thread until now
            await asyncio.sleep(0.2)
        assert (await first.info()).state is State.QUEUED
        assert (await second.info()).state is State.RUNNING

    watching(test)


def find_executor() -> Any:
    (found,) = [each for each in gc.get_objects() if isinstance(each, Executor) and each.running]
    return found


def test_a_store_that_is_away_or_fails_is_written_to_again() -> None:
    async def test(world: World, queue: AioQueue, written: list[list[Record]]) -> None:
        store: Any = queue.connection.store
        save = store.save
        failures: list[Exception] = [StoreUnavailable("away"), ValueError("a bug")]

        async def failing(records: Sequence[Record]) -> Any:
            if failures and records[0].state is State.RUNNING:
                raise failures.pop()
            return await save(records)

        store.save = failing

        @queue.task
        async def long() -> int:
            await asyncio.sleep(10)
            return 1

        job = await long.enqueue()
        await asyncio.sleep(3)
        assert failures == []
        assert (await job.info()).state is State.RUNNING
        assert await job.result() == 1

    watching(test)


def test_a_job_that_is_cancelled_elsewhere_is_interrupted_within_about_a_second() -> None:
    async def test(world: World, queue: AioQueue, written: list[list[Record]]) -> None:
        ended: list[float] = []

        @queue.task
        async def long() -> None:
            try:
                await asyncio.sleep(1000)
            finally:
                ended.append(world.clock.now())

        job = await long.enqueue()
        await asyncio.sleep(20)
        asked = world.clock.now()
        await job.cancel()
        await asyncio.sleep(5)
        assert len(ended) == 1
        assert ended[0] - asked <= 1.3

    watching(test)
