"""Which jobs a worker takes, in which order, how many at once, and what surrounds them."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from aioqueue import (
    AioQueue,
    ConfigurationError,
    Context,
    DuplicateJob,
    ExitCode,
    JobFailed,
    ResultExpired,
    Signature,
    State,
)
from aioqueue.core.codec import decode
from aioqueue.core.events import Event, JobEnded, JobStarted, WorkerStarted, WorkerStopped
from aioqueue.drivers.base import Delivery, QueueCounts
from aioqueue.drivers.memory.broker import MemoryBroker
from aioqueue.drivers.memory.consumer import MemoryConsumer
from aioqueue.errors import Unsupported
from aioqueue.testing import World

from .world import Ledger, MakeQueue, at_work, in_state, in_virtual_time, queue_in, until, working


async def test_what_waits_is_seen_in_order_before_a_worker_comes_and_nothing_after(make: MakeQueue) -> None:
    queue = make()

    @queue.task
    async def work(n: int) -> int:
        return n

    async with queue:
        jobs = [await work.enqueue(n) for n in range(3)]
        broker = queue.connection.broker
        assert [decode(body).id for body in await broker.peek("default")] == [job.id for job in jobs]
        assert (await broker.counts())["default"] == QueueCounts(ready=3)
        async with at_work(queue):
            assert [await job.result(timeout=10) for job in jobs] == [0, 1, 2]
        assert list(await broker.peek("default")) == []
        assert (await broker.counts()).get("default", QueueCounts()) == QueueCounts()


async def test_higher_priorities_go_first_and_equal_ones_in_order(make: MakeQueue) -> None:
    queue = make()
    ran: list[str] = []

    @queue.task
    async def work(name: str) -> None:
        ran.append(name)

    async with queue:
        for name, priority in (("d", 0), ("b", 4), ("c", 4), ("a", 9)):
            await work.options(priority=priority).enqueue(name)
        assert await queue.worker(burst=True, concurrency=1).run() is ExitCode.DRAINED
    assert ran == ["a", "b", "c", "d"]


async def test_queues_are_served_in_the_order_they_are_named_and_no_others(make: MakeQueue) -> None:
    queue = make()
    ran: list[str] = []

    @queue.task(queue="second")
    async def work(name: str) -> None:
        ran.append(name)

    async with queue:
        await work.enqueue("c")
        await work.options(queue="first", priority=0).enqueue("a")
        await work.options(queue="other", priority=9).enqueue("no")
        await work.options(queue="first", priority=0).enqueue("b")
        await queue.worker(burst=True, concurrency=1, queues=["first", "second"]).run()
        assert (await queue.connection.broker.counts())["other"].ready == 1
    assert ran == ["a", "b", "c"]


async def test_no_more_run_at_once_than_the_worker_has_slots(make: MakeQueue) -> None:
    queue = make()
    running = most = 0

    @queue.task
    async def work() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    async with queue:
        await queue.enqueue_many(work.s() for _ in range(50))
        await queue.worker(burst=True, concurrency=3).run()
    assert most == 3


async def test_a_burst_runs_what_is_due_and_ends(make: MakeQueue) -> None:
    queue = make()
    ran: list[int] = []

    @queue.task
    async def work(n: int) -> None:
        ran.append(n)
        if n < 3:
            await work.enqueue(n + 1)

    async with queue:
        await work.enqueue(0)
        later = await work.options(delay=3600).enqueue(9)
        assert await queue.worker(burst=True).run() is ExitCode.DRAINED
        assert (await later.info()).state is State.SCHEDULED
    assert ran == [0, 1, 2, 3]


async def test_two_workers_in_one_process_share_the_work_and_the_last_closes_the_queue(make: MakeQueue) -> None:
    queue = make()
    names = Ledger()

    @queue.task
    async def work(context: Context) -> None:
        await names.note(context.worker)
        await names.until(2)

    one, two = queue.worker(name="one", concurrency=1), queue.worker(name="two", concurrency=1)
    started = asyncio.Semaphore(0)
    queue.on(WorkerStarted)(lambda event: started.release())
    running = [asyncio.create_task(each.run()) for each in (one, two)]
    for _ in running:
        await started.acquire()
    await queue.enqueue_many([work.s(), work.s()])
    assert sorted(await names.until(2)) == ["one", "two"]
    one.drain()
    assert await running[0] is ExitCode.DRAINED
    assert await (await work.enqueue()).result(timeout=10) is None  # type: ignore[func-returns-value]
    two.drain()
    assert await running[1] is ExitCode.DRAINED
    with pytest.raises(ConfigurationError, match="not open"):
        _ = queue.connection


async def test_the_lifespan_is_entered_before_the_first_job_and_left_after_the_last(url: str) -> None:
    seen: list[str] = []

    @asynccontextmanager
    async def lifespan(queue: AioQueue) -> AsyncIterator[dict[str, int]]:
        seen.append("in")
        yield {"pool": 7}
        seen.append("out")

    queue = AioQueue(url, lifespan=lifespan)

    @queue.task
    async def work(context: Context) -> int:
        seen.append("job")
        pool: int = context.state["pool"]
        return pool

    async with queue:
        job = await work.enqueue()
        worker = queue.worker()
        running = asyncio.create_task(worker.run())
        assert await job.result(timeout=10) == 7
        last = await work.enqueue()
        assert await last.result(timeout=10) == 7
        worker.drain()
        await running
    assert seen == ["in", "job", "job", "out"]


async def test_what_a_lifespan_raises_ends_the_worker(url: str) -> None:
    @asynccontextmanager
    async def lifespan(queue: AioQueue) -> AsyncIterator[None]:
        raise ValueError("no database")
        yield

    queue = AioQueue(url, lifespan=lifespan)
    async with queue:
        with pytest.raises(ValueError, match="no database"):
            await queue.worker().run()


async def test_children_inherit_who_asked_labels_and_headers_and_know_their_parent_and_root(make: MakeQueue) -> None:
    queue = make()
    seen = Ledger()

    @queue.task
    async def child(context: Context, depth: int) -> None:
        await seen.note((depth, context.job_id, context.by, dict(context.labels), dict(context.headers),
                         context.parent, context.root))  # fmt: skip
        if depth < 2:
            await child.options(labels={"own": depth}, headers={"h": str(depth)}).enqueue(depth + 1)

    async with working(queue):
        job = await child.options(by="user:7", labels={"import": 42}, headers={"trace": "t"}).enqueue(0)
        one, two, three = await seen.until(3)
        info = await queue.job(three[1]).info()
    assert one == (0, job.id, "user:7", {"import": 42}, {"trace": "t"}, None, job.id)
    assert two[2:] == ("user:7", {"import": 42, "own": 0}, {"trace": "t", "h": "0"}, job.id, job.id)
    assert three[2:] == ("user:7", {"import": 42, "own": 1}, {"trace": "t", "h": "1"}, two[1], job.id)
    assert (info.by, info.labels, info.parent, info.root) == ("user:7", {"import": 42, "own": 1}, two[1], job.id)


async def test_the_context_tells_a_task_about_its_job(make: MakeQueue) -> None:
    queue = make(retries=4)

    @queue.task(queue="default", labels={"kind": "test"})
    async def work(context: Context) -> dict[str, Any]:
        assert Context.current() is context
        return {"id": context.job_id, "task": context.task, "attempt": context.attempt, "attempts": context.attempts,
                "queue": context.queue, "worker": context.worker, "redeliveries": context.redeliveries,
                "crashes": context.crashes, "cancelled": context.cancelled, "labels": dict(context.labels)}  # fmt: skip

    with pytest.raises(LookupError, match="no job is running"):
        Context.current()
    async with working(queue, name="w"):
        job = await work.enqueue()
        assert await job.result(timeout=10) == {
            "id": job.id, "task": "work", "attempt": 1, "attempts": 5, "queue": "default", "worker": "w",
            "redeliveries": 0, "crashes": 0, "cancelled": False, "labels": {"kind": "test"},
        }  # fmt: skip


async def test_progress_is_seen_while_a_job_runs_and_kept_when_it_fails(make: MakeQueue) -> None:
    queue = make(retries=0)
    go = asyncio.Event()

    @queue.task
    async def work(context: Context) -> None:
        context.progress(3, 10, "three \ud800")
        await go.wait()
        context.progress(4, 10)
        raise ValueError

    async with working(queue):
        job = await work.enqueue()
        info = await until(in_state(job, State.RUNNING))
        assert info is not None
        assert info.progress is not None
        assert (info.progress.done, info.progress.total, info.progress.note) == (3, 10, "three \\ud800")
        assert (info.attempt, info.worker is not None, info.ended) == (1, True, None)
        go.set()
        with pytest.raises(JobFailed):
            await job.result(timeout=10)
        info = await job.info()
        assert info.progress is not None
        assert info.progress.done == 4


async def test_progress_that_is_no_number_is_refused_where_it_is_reported(make: MakeQueue) -> None:
    queue = make(retries=0)

    @queue.task
    async def work(context: Context) -> None:
        context.progress(float("nan"))

    async with working(queue):
        job = await work.enqueue()
        with pytest.raises(JobFailed, match="finite"):
            await job.result(timeout=10)
        assert (await job.info()).progress is None


@in_virtual_time
async def test_what_is_known_of_a_job_at_each_stage(world: World) -> None:
    queue = queue_in(world)

    @queue.task(retries=1, backoff=50)
    async def work(n: int, *, word: str) -> str:
        await asyncio.sleep(10)
        if (await job.info()).attempt == 1:
            raise ValueError("first")
        return word

    async with queue:
        start = world.clock.now()
        job = await work.options(delay=100, priority=7, by="ann").enqueue(1, word="b")
        info = await job.info()
        assert (info.state, info.attempt, info.attempts, info.waited, info.ran) == (State.SCHEDULED, 0, None, 0.0, None)
        assert (info.args, info.kwargs, info.task, info.queue, info.priority) == (
            [1],
            {"word": "b"},
            "work",
            "default",
            7,
        )
        assert info.next_run is not None
        assert info.next_run.timestamp() == pytest.approx(start + 100)
        await asyncio.sleep(120)
        assert (await job.info()).waited == pytest.approx(20)
        async with at_work(queue):
            await asyncio.sleep(5)
            info = await job.info()
            assert (info.state, info.attempt, info.attempts, info.next_run) == (State.RUNNING, 1, 2, None)
            assert info.waited == pytest.approx(20, abs=0.01)
            assert info.ran == pytest.approx(5, abs=0.01)
            await asyncio.sleep(10)
            info = await job.info()
            assert (info.state, info.attempt, info.how, info.waited) == (State.RETRYING, 1, None, None)
            assert info.ran == pytest.approx(10, abs=0.01)
            assert info.next_run is not None
            assert info.next_run.timestamp() == pytest.approx(start + 180, abs=0.01)
            assert info.error is not None
            assert info.error.message == "first"
            assert "attempt 1 of 2 failed" in (info.reason or "")
            assert await job.result() == "b"
        info = await job.info()
        assert (info.state, info.attempt, info.how, info.next_run) == (State.SUCCEEDED, 2, None, None)
        assert info.ended is not None
        assert info.ended.timestamp() == pytest.approx(start + 190, abs=0.01)
        assert info.waited == pytest.approx(0, abs=0.01)


@in_virtual_time
async def test_results_and_failures_are_kept_for_their_time_and_then_forgotten(world: World) -> None:
    queue = queue_in(world, keep_results=300, keep_failures=900, retries=0)

    @queue.task
    async def work(fail: bool) -> int:
        if fail:
            raise ValueError
        return 1

    async with working(queue):
        good, short, bad = (
            await work.enqueue(False),
            await work.options(keep_results=60).enqueue(False),
            await work.enqueue(True),
        )
        await asyncio.sleep(250)
        assert await good.result() == 1
        with pytest.raises(ResultExpired):
            await short.result()
        await asyncio.sleep(250)
        with pytest.raises(ResultExpired):
            await good.result()
        with pytest.raises(JobFailed):
            await bad.result()
        await asyncio.sleep(600)
        with pytest.raises(ResultExpired):
            await bad.info()


async def test_middleware_is_nested_in_the_order_of_registration_and_may_change_the_result(make: MakeQueue) -> None:
    queue = make()
    seen: list[str] = []

    def around(name: str, gain: int) -> None:
        @queue.middleware
        async def run(context: Context, call_next: Callable[[], Awaitable[Any]]) -> Any:
            seen.append(f"> {name} {context.task}")
            result = await call_next()
            seen.append(f"< {name}")
            return result + gain

    around("outer", 10)
    around("inner", 100)

    @queue.task
    async def work() -> int:
        return 1

    @queue.task
    def in_thread() -> int:
        return 2

    async with working(queue):
        assert await (await work.enqueue()).result(timeout=10) == 111
        assert await (await in_thread.enqueue()).result(timeout=10) == 112
    assert seen[:4] == ["> outer work", "> inner work", "< inner", "< outer"]


async def test_events_tell_what_happens_and_what_a_listener_raises_changes_nothing(make: MakeQueue) -> None:
    queue = make(retries=0)
    seen: list[Event] = []

    @queue.on(Event)
    def watch(event: Event) -> None:
        seen.append(event)
        raise RuntimeError("a bad listener")

    @queue.task
    async def work(fail: bool) -> None:
        if fail:
            raise ValueError

    async with working(queue, name="w"):
        await (await work.enqueue(False)).result(timeout=10)
        with pytest.raises(JobFailed):
            await (await work.enqueue(True)).result(timeout=10)
    kinds = [type(event) for event in seen]
    assert kinds == [WorkerStarted, JobStarted, JobEnded, JobStarted, JobEnded, WorkerStopped]
    assert [event.record.state for event in seen if isinstance(event, JobEnded)] == [State.SUCCEEDED, State.FAILED]
    assert seen[0] == WorkerStarted("w", ("default",))


request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="none")


async def test_a_thread_sees_the_context_variables_of_its_job_and_of_no_other(make: MakeQueue) -> None:
    queue = make()

    @queue.middleware
    async def name(context: Context, call_next: Callable[[], Awaitable[Any]]) -> Any:
        request_id.set(context.job_id)
        return await call_next()

    @queue.task
    def work() -> tuple[str, str, bool]:
        return request_id.get(), Context.current().job_id, threading.current_thread() is threading.main_thread()

    async with working(queue):
        jobs = [await work.enqueue() for _ in range(20)]
        for job in jobs:
            assert await job.result(timeout=10) == (job.id, job.id, False)
    assert request_id.get() == "none"


async def test_without_results_jobs_run_and_are_retried_but_cannot_be_asked_after(url: str) -> None:
    queue = AioQueue(url, results=None)
    ran = Ledger()

    @queue.task(retries=2, backoff=0)
    async def work(context: Context) -> None:
        await ran.note(context.attempt)
        if context.attempt < 3:
            raise ValueError

    async with working(queue):
        job = await work.enqueue()
        assert await ran.until(3) == [1, 2, 3]
        for question in (job.result(), job.info(), job.cancel()):
            with pytest.raises(Unsupported, match="keeps no results"):
                await question


@in_virtual_time
async def test_without_results_a_dead_workers_job_still_runs_again(world: World) -> None:
    queue = queue_in(world, results=None)
    ran = Ledger()

    @queue.task
    async def work(context: Context) -> None:
        await ran.note(context.crashes)

    async with queue:
        await work.enqueue()
        consumer = await queue.connection.broker.consumer(["default"], "doomed", 15)
        await consumer.receive(1)
        async with at_work(queue):
            assert await ran.until(1) == [1]


async def test_the_same_id_again_is_the_existing_job_while_it_is_kept(make: MakeQueue) -> None:
    queue = make()
    ran: list[int] = []

    @queue.task
    async def work(n: int) -> int:
        ran.append(n)
        return n

    async with queue:
        first = await work.options(id="once").enqueue(1)
        assert await work.options(id="once", priority=9).enqueue(1) == first
        assert (await queue.connection.broker.counts())["default"].ready == 1
        with pytest.raises(DuplicateJob, match="once"):
            await work.options(id="once").enqueue(2)
        async with at_work(queue):
            assert await first.result(timeout=10) == 1
            assert await (await work.options(id="once").enqueue(1)).result(timeout=10) == 1
            with pytest.raises(DuplicateJob):
                await work.options(id="once").enqueue(2)
    assert ran == [1]


async def test_a_hundred_callers_of_one_id_make_one_job(make: MakeQueue) -> None:
    queue = make()
    ran: list[int] = []

    @queue.task
    async def work(n: int) -> int:
        ran.append(n)
        return n

    async with working(queue):
        jobs = await asyncio.gather(*(work.options(id="once").enqueue(1) for _ in range(100)))
        assert set(jobs) == {queue.job("once")}
        assert await jobs[0].result(timeout=10) == 1
    assert ran == [1]


async def test_of_many_callers_at_once_only_the_one_with_other_arguments_gets_the_error(make: MakeQueue) -> None:
    queue = make()

    @queue.task
    async def work(n: int) -> int:
        return n

    async with working(queue):
        calls = [work.options(id=f"job-{n % 10}").enqueue(n) for n in range(11)]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(each).__name__ for each in outcomes] == ["Job"] * 10 + ["DuplicateJob"]


async def test_a_program_that_only_knows_the_id_can_await_and_cancel_the_job(shared: MakeQueue) -> None:
    worker, other = shared(), shared()

    @worker.task
    async def work(n: int) -> dict[str, int]:
        return {"n": n}

    async with working(worker):
        job = await work.enqueue(5)
        assert await other.job(job.id).result(timeout=10) == {"n": 5}
        later = await work.options(delay=3600).enqueue(6)
        assert await other.job(later.id).cancel() is True
        assert (await later.info()).state is State.CANCELLED
        await other.close()


async def test_many_calls_in_one_batch_come_back_in_order(make: MakeQueue) -> None:
    queue = make()

    @queue.task
    async def double(n: int) -> int:
        return 2 * n

    @queue.task
    async def shout(word: str) -> str:
        return word.upper()

    async with working(queue):
        calls: list[Signature[Any]] = [double.s(1), shout.s("a"), queue.signature("double", 3)]
        jobs = await queue.enqueue_many(calls)
        assert [await job.result(timeout=10) for job in jobs] == [2, "A", 6]
        assert await queue.enqueue_many([]) == []


async def test_one_wrong_call_in_a_batch_fails_the_batch_before_anything_is_sent(make: MakeQueue) -> None:
    queue = make()

    @queue.task
    async def double(n: int) -> int:
        return 2 * n

    async with queue:
        with pytest.raises(TypeError):
            await queue.enqueue_many([double.s(1), double.s("x")])
        assert await queue.connection.broker.counts() == {}


async def test_results_are_kept_in_a_file_of_their_own_if_asked(tmp_path: Path) -> None:
    queue = AioQueue(f"sqlite:///{tmp_path}/jobs.db", results=f"sqlite:///{tmp_path}/results.db")

    @queue.task
    async def work() -> int:
        return 3

    async with working(queue):
        assert await (await work.enqueue()).result(timeout=10) == 3
    assert (tmp_path / "results.db").exists()


async def test_a_burst_runs_what_was_claimed_while_it_looked_whether_anything_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue = AioQueue("memory://")
    receive = MemoryConsumer.receive
    looked = asyncio.Event()
    counts = MemoryBroker.counts

    async def slow_receive(self: MemoryConsumer, room: int) -> Sequence[Delivery]:
        claimed = await receive(self, room)
        if claimed:
            await looked.wait()  # claimed, and not handed over yet
        return claimed

    async def seen_counts(self: MemoryBroker) -> Mapping[str, QueueCounts]:
        found = await counts(self)
        looked.set()
        return found

    monkeypatch.setattr(MemoryConsumer, "receive", slow_receive)
    monkeypatch.setattr(MemoryBroker, "counts", seen_counts)

    @queue.task
    async def work() -> str:
        return "run"

    async with queue:
        job = await work.enqueue()
        await queue.worker(burst=True).run()
        assert (await job.info()).state == "succeeded"
