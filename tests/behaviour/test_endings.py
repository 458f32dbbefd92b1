"""How attempts end that do not end by themselves: time limits, cancellation, drain, interruption."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from aioqueue import AioQueue, Context, ExitCode, JobCancelled, JobFailed, State
from aioqueue.core.events import JobReleased, JobStarted, LeaseLost, WorkerStopped
from aioqueue.testing import World
from aioqueue.worker import executor
from aioqueue.worker.attempt import Ending

from .world import Ledger, MakeQueue, at_work, in_state, in_virtual_time, queue_in, until, working


async def for_ever() -> None:
    await asyncio.Event().wait()


@in_virtual_time
async def test_an_attempt_ends_at_its_timeout_and_the_job_is_tried_again_until_it_has_none_left(world: World) -> None:
    queue = queue_in(world)
    started: list[float] = []

    @queue.task(timeout=30, retries=2, backoff=10)
    async def hang() -> None:
        started.append(world.clock.now())
        await for_ever()

    async with working(queue):
        job = await hang.enqueue()
        with pytest.raises(JobFailed) as caught:
            await job.result()
        info = await job.info()
    assert [at - started[0] for at in started] == pytest.approx([0, 40, 80], abs=0.01)
    assert (caught.value.ended, caught.value.error_type) == ("timeout", "TimeoutError")
    assert info.ran == pytest.approx(30, abs=0.01)


@in_virtual_time
async def test_a_call_may_change_the_time_limit_or_lift_it(world: World) -> None:
    queue = queue_in(world, timeout=10)

    @queue.task(retries=0)
    async def nap(seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "rested"

    async with working(queue):
        with pytest.raises(JobFailed):
            await (await nap.enqueue(20.0)).result()
        assert await (await nap.options(timeout=30).enqueue(20.0)).result() == "rested"
        assert await (await nap.options(timeout=None).enqueue(3600.0)).result() == "rested"
        with pytest.raises(JobFailed):
            await (await nap.options(timeout=1).enqueue(2.0)).result()


@in_virtual_time
async def test_what_an_attempt_returns_after_its_timeout_does_not_count(world: World) -> None:
    queue = queue_in(world)

    @queue.task(timeout=1, retries=0)
    async def late() -> str:
        try:
            await for_ever()
        except asyncio.CancelledError:
            await asyncio.sleep(1)
        return "too late"

    async with working(queue):
        with pytest.raises(JobFailed) as caught:
            await (await late.enqueue()).result()
    assert caught.value.ended == "timeout"


def stubborn(queue: AioQueue, freed: asyncio.Event, **options: Any) -> Any:
    @queue.task(**options)
    async def stay() -> None:
        while not freed.is_set():
            try:
                await freed.wait()
            except asyncio.CancelledError:
                continue

    return stay


@in_virtual_time
async def test_an_attempt_that_never_ends_is_abandoned_and_gives_its_slot_to_others(world: World) -> None:
    queue = queue_in(world, concurrency=1)
    freed = asyncio.Event()
    stay = stubborn(queue, freed, timeout=1, retries=0)

    @queue.task
    async def fine() -> int:
        return 1

    stopped: list[WorkerStopped] = []
    queue.on(WorkerStopped)(stopped.append)
    async with working(queue):
        start = world.clock.now()
        stuck = await stay.enqueue()
        with pytest.raises(JobFailed) as caught:
            await stuck.result()
        assert caught.value.ended == "timeout"
        assert world.clock.now() - start == pytest.approx(1 + executor.END_PATIENCE, abs=0.01)
        assert await (await fine.enqueue()).result() == 1
    assert [each.abandoned for each in stopped] == [1]
    freed.set()


@in_virtual_time
async def test_a_worker_with_too_many_abandoned_attempts_finishes_the_rest_and_ends(world: World) -> None:
    queue = queue_in(world, max_abandoned=2)
    freed = asyncio.Event()
    stay = stubborn(queue, freed, timeout=1, retries=0)
    ran = Ledger()

    @queue.task
    async def slow() -> None:
        await asyncio.sleep(15)
        await ran.note("slow")

    async with queue:
        for _ in range(3):
            await stay.enqueue()
        await slow.enqueue()
        assert await queue.worker().run() is ExitCode.ABANDONED
    assert ran.entries == ["slow"]
    freed.set()


async def test_a_thread_that_hangs_is_given_up_and_counts_as_stuck_until_it_ends(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "END_PATIENCE", 0.1)
    queue = AioQueue(url, threads=1, max_abandoned=0)
    freed = threading.Event()

    @queue.task(timeout=0.1, retries=0)
    def hang() -> None:
        freed.wait()

    async with queue:
        running = asyncio.create_task(queue.worker().run())
        job = await hang.enqueue()
        with pytest.raises(JobFailed) as caught:
            await job.result(timeout=10)
        assert caught.value.ended == "timeout"
        assert await running is ExitCode.ABANDONED
    freed.set()


async def test_another_thread_takes_the_place_of_one_that_was_given_up(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executor, "END_PATIENCE", 0.1)
    queue = AioQueue(url, threads=1)
    freed = threading.Event()

    @queue.task(timeout=0.1, retries=0)
    def hang() -> None:
        freed.wait()

    @queue.task
    def fine() -> int:
        return 1

    async with working(queue):
        stuck = await hang.enqueue()
        assert await (await fine.enqueue()).result(timeout=10) == 1
        with pytest.raises(JobFailed):
            await stuck.result(timeout=10)
        freed.set()


async def test_a_thread_sees_that_it_is_to_end(make: MakeQueue) -> None:
    queue = make()
    saw = threading.Event()

    @queue.task(timeout=0.1, retries=0)
    def looks(context: Context) -> None:
        while not context.cancelled:
            saw.wait(0.005)
        saw.set()

    async with working(queue):
        with pytest.raises(JobFailed):
            await (await looks.enqueue()).result(timeout=10)
    assert saw.is_set()


async def test_middleware_that_hangs_after_a_thread_has_answered_ends_at_the_timeout(url: str) -> None:
    queue = AioQueue(url)

    @queue.middleware
    async def hang(context: Context, call_next: Callable[[], Awaitable[Any]]) -> Any:
        await call_next()
        await for_ever()

    @queue.task(timeout=0.2, retries=0)
    def quick() -> None: ...

    stopped: list[WorkerStopped] = []
    queue.on(WorkerStopped)(stopped.append)
    async with working(queue):
        with pytest.raises(JobFailed) as caught:
            await (await quick.enqueue()).result(timeout=3)
        assert caught.value.ended == "timeout"
    assert [each.abandoned for each in stopped] == [0]


async def test_a_queued_job_that_is_cancelled_does_not_start(make: MakeQueue) -> None:
    queue = make()
    ran = Ledger()

    @queue.task
    async def work(n: int) -> None:
        await ran.note(n)

    async with queue:
        job = await work.enqueue(1)
        assert await job.cancel("no longer wanted") is True
        assert await job.cancel() is True
        async with at_work(queue):
            with pytest.raises(JobCancelled, match="no longer wanted"):
                await job.result(timeout=10)
            await (await work.enqueue(2)).result(timeout=10)
        assert ran.entries == [2]
        assert (await job.info()).state is State.CANCELLED
        assert all(not (c.ready or c.held or c.dead) for c in (await queue.connection.broker.counts()).values())


async def test_a_running_job_that_is_cancelled_is_interrupted_and_its_outcome_does_not_count(make: MakeQueue) -> None:
    queue = make()
    seen = Ledger()

    @queue.task
    async def work() -> None:
        await seen.note("started")
        try:
            await for_ever()
        except asyncio.CancelledError:
            await seen.note("cancelled")
            raise

    async with working(queue):
        job = await work.enqueue()
        await seen.until(1)
        assert await job.cancel() is True
        with pytest.raises(JobCancelled):
            await job.result(timeout=10)
        assert await seen.until(2) == ["started", "cancelled"]
        assert (await job.info()).state is State.CANCELLED


@in_virtual_time
async def test_a_job_that_waits_for_its_retry_can_be_cancelled(world: World) -> None:
    queue = queue_in(world)
    attempts: list[int] = []

    @queue.task(retries=5, backoff=60)
    async def fail(context: Context) -> None:
        attempts.append(context.attempt)
        raise ValueError

    async with working(queue):
        job = await fail.enqueue()
        await until(in_state(job, State.RETRYING), 1)
        assert await job.cancel() is True
        with pytest.raises(JobCancelled):
            await job.result()
        await asyncio.sleep(600)
    assert attempts == [1]


async def test_what_has_ended_cannot_be_cancelled(make: MakeQueue) -> None:
    queue = make()

    @queue.task
    async def work() -> int:
        return 1

    async with working(queue):
        job = await work.enqueue()
        assert await job.result(timeout=10) == 1
        assert await job.cancel() is False
        assert await job.result(timeout=10) == 1


async def test_a_drain_waits_for_what_runs_and_takes_nothing_new(make: MakeQueue) -> None:
    queue = make()
    seen, go = Ledger(), asyncio.Event()

    @queue.task
    async def work(n: int) -> int:
        await seen.note(n)
        await go.wait()
        return n

    async with queue:
        worker = queue.worker()
        running = asyncio.create_task(worker.run())
        job = await work.enqueue(1)
        await seen.until(1)
        worker.drain()
        later = await work.enqueue(2)
        go.set()
        assert await running is ExitCode.DRAINED
        assert await job.result(timeout=10) == 1
        assert seen.entries == [1]
        assert (await later.info()).state is State.QUEUED


@in_virtual_time
async def test_past_the_grace_period_what_runs_is_interrupted_and_given_back_unspent(world: World) -> None:
    queue = queue_in(world, grace=30)
    attempts: list[tuple[int, int, int]] = []
    released: list[JobReleased] = []
    queue.on(JobReleased)(released.append)

    @queue.task(timeout=3600)
    async def work(context: Context) -> str:
        attempts.append((context.attempt, context.redeliveries, context.crashes))
        if len(attempts) == 1:
            await for_ever()
        return "done"

    async with queue:
        worker = queue.worker()
        running = asyncio.create_task(worker.run())
        job = await work.enqueue()
        await asyncio.sleep(1)
        start = world.clock.now()
        worker.drain()
        assert await running is ExitCode.INTERRUPTED
        assert world.clock.now() - start == pytest.approx(30, abs=0.1)
        assert [each.job_id for each in released] == [job.id]
        info = await job.info()
        assert (info.state, info.attempt, info.started) == (State.QUEUED, 0, None)
        async with at_work(queue):
            assert await job.result() == "done"
    assert attempts == [(1, 0, 0), (1, 1, 0)]


@in_virtual_time
async def test_a_second_call_interrupts_at_once(world: World) -> None:
    queue = queue_in(world, grace=3600)

    @queue.task(timeout=None)
    async def work() -> None:
        await for_ever()

    async with queue:
        worker = queue.worker()
        running = asyncio.create_task(worker.run())
        job = await work.enqueue()
        await asyncio.sleep(1)
        start = world.clock.now()
        worker.drain()
        worker.interrupt()
        assert await running is ExitCode.INTERRUPTED
        assert world.clock.now() - start < 1
        assert (await queue.connection.broker.counts())["default"].ready == 1
        assert (await job.info()).state in (State.RUNNING, State.QUEUED)


@in_virtual_time
async def test_a_job_that_ends_well_while_it_is_interrupted_has_ended_well(world: World) -> None:
    queue = queue_in(world)

    @queue.task
    async def work() -> str:
        try:
            await for_ever()
        except asyncio.CancelledError:
            return "saved in time"
        return "never"

    async with queue:
        worker = queue.worker()
        running = asyncio.create_task(worker.run())
        job = await work.enqueue()
        await asyncio.sleep(1)
        worker.interrupt()
        await running
        assert await job.result() == "saved in time"


async def test_cancelling_a_worker_interrupts_it_in_good_order(make: MakeQueue) -> None:
    queue = make()
    seen = Ledger()

    @queue.task
    async def work() -> None:
        await seen.note("started")
        await for_ever()

    async with queue:
        running = asyncio.create_task(queue.worker().run())
        await work.enqueue()
        await seen.until(1)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert (await queue.connection.broker.counts())["default"].ready == 1


@pytest.mark.parametrize("times", range(3))
async def test_a_worker_stopped_right_after_its_start_ends_at_once(make: MakeQueue, times: int) -> None:
    queue = make()
    async with queue:
        worker = queue.worker()
        running = asyncio.create_task(worker.run())
        for _ in range(times):
            await asyncio.sleep(0)
        worker.drain()
        async with asyncio.timeout(5):
            assert await running is ExitCode.DRAINED


async def test_an_idle_worker_ends_at_once(make: MakeQueue) -> None:
    queue = make()

    @queue.task
    async def work() -> None: ...

    async with queue:
        worker = queue.worker()
        running = asyncio.create_task(worker.run())
        await (await work.enqueue()).result(timeout=10)
        async with asyncio.timeout(5):
            worker.drain()
            assert await running is ExitCode.DRAINED


@in_virtual_time
async def test_a_task_that_cancels_itself_has_failed_and_is_not_mistaken_for_an_interruption(world: World) -> None:
    queue = queue_in(world)

    @queue.task(retries=0)
    async def work() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(1)

    async with working(queue):
        with pytest.raises(JobFailed, match="cancelled from within"):
            await (await work.enqueue()).result()


@in_virtual_time
async def test_middleware_that_fails_before_the_task_spends_the_attempt(world: World) -> None:
    queue = queue_in(world)
    runs: list[int] = []

    @queue.middleware
    async def fail(context: Context, call_next: Callable[[], Awaitable[Any]]) -> Any:
        runs.append(context.attempt)
        raise ValueError("no")

    @queue.task(retries=2, backoff=1)
    async def work() -> None: ...

    async with working(queue):
        with pytest.raises(JobFailed, match="retries"):
            await (await work.enqueue()).result()
    assert runs == [1, 2, 3]


@in_virtual_time
async def test_middleware_that_hangs_before_the_task_ends_at_the_timeout(world: World) -> None:
    queue = queue_in(world)

    @queue.middleware
    async def hang(context: Context, call_next: Callable[[], Awaitable[Any]]) -> Any:
        await for_ever()

    @queue.task(retries=0, timeout=5)
    async def work() -> None: ...

    async with working(queue):
        with pytest.raises(JobFailed) as caught:
            await (await work.enqueue()).result()
    assert caught.value.ended == "timeout"


@in_virtual_time
async def test_an_attempt_that_is_ended_before_its_first_step_ends_at_once(world: World) -> None:
    queue = queue_in(world)
    ran, lost = list[int](), list[LeaseLost]()
    queue.on(LeaseLost)(lost.append)

    @queue.on(JobStarted)
    def end(event: JobStarted) -> None:
        (it,) = [each for each in gc.get_objects() if isinstance(each, executor.Executor) and each.running]
        it.end(next(iter(it.running)), Ending.LOST)

    @queue.task
    async def work() -> None:
        ran.append(1)
        await for_ever()

    stopped: list[WorkerStopped] = []
    queue.on(WorkerStopped)(stopped.append)
    async with working(queue):
        await work.enqueue()
        await asyncio.sleep(1)
        assert len(lost) == 1
    assert [each.abandoned for each in stopped] == [0]


async def test_a_worker_that_has_ended_is_no_consumer_any_more() -> None:
    async with AioQueue("memory://") as queue:
        broker: Any = queue.connection.broker
        async with at_work(queue) as worker:
            while not broker.consumers:  # noqa: ASYNC110
                await asyncio.sleep(0)
        assert worker.exit_code is ExitCode.DRAINED
        assert broker.consumers == set()
