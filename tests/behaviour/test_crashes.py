"""Workers that die, at any step: nothing is lost, what is stored is not run again, one outcome stands."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from aioqueue import AioQueue, Context, JobFailed, State
from aioqueue.commit.safe_order import SafeOrderCommit
from aioqueue.core.events import LeaseLost
from aioqueue.core.message import Outgoing
from aioqueue.core.record import Record
from aioqueue.drivers.base import Delivery
from aioqueue.drivers.memory.broker import MemoryBroker
from aioqueue.errors import StoreUnavailable
from aioqueue.testing import World, run_virtual

from .world import LONGEST, Ledger, at_work, in_virtual_time, one_server, queue_in, take, working

LEASE = 15.0


class Dead(BaseException):
    """The process died at this step."""


@in_virtual_time
async def test_what_a_dead_worker_held_runs_again_when_its_lease_has_run_out_and_a_second_more(world: World) -> None:
    queue = queue_in(world)
    seen: list[tuple[float, int, int, int]] = []

    @queue.task
    async def work(context: Context) -> int:
        seen.append((world.clock.now(), context.attempt, context.redeliveries, context.crashes))
        return 1

    async with queue:
        job = await work.enqueue()
        start = world.clock.now()
        await take(queue)
        async with at_work(queue):
            assert await job.result() == 1
        assert (await job.info()).crashes == 1
    ((at, *facts),) = seen
    assert facts == [1, 1, 1]
    assert LEASE <= at - start <= LEASE + 1


class Mortal:
    """The queue's connection, whose worker dies before, or right after, a step of settling."""

    def __init__(self, queue: AioQueue, step: str, when: str) -> None:
        connection = queue.connection
        self.died = asyncio.Event()
        self.step = step
        self.when = when
        broker, store = connection.broker, connection.store
        assert store is not None
        connection.commit = SafeOrderCommit(broker, store)
        self._patch(store, "save", lambda records: any(record.phase == 2 for record in records))
        self._patch(broker, "publish", lambda messages: any(message.turn > 0 for message in messages))
        make = broker.consumer

        async def consumer(*args: Any) -> Any:
            it = await make(*args)
            self._patch(it, "ack", lambda deliveries: bool(deliveries))
            self._patch(it, "dead_letter", lambda doomed: bool(doomed))
            return it

        self._set(broker, consumer)

    def _set(self, broker: Any, consumer: Any) -> None:
        broker.consumer = consumer

    def _patch(self, on: Any, name: str, meant: Any) -> None:
        method = getattr(on, name)

        async def mortal(items: Sequence[Record | Outgoing | Delivery]) -> Any:
            if self.died.is_set() or name != self.step or not meant(items):
                return await method(items)
            if self.when == "after":
                await method(items)
            self.died.set()
            await asyncio.Event().wait()  # the dead do not go on

        setattr(on, name, mortal)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    ("step", "outcome"),
    [("save", "succeeds"), ("ack", "succeeds"), ("save", "retries"), ("publish", "retries"), ("ack", "retries"),
     ("save", "fails"), ("dead_letter", "fails")],
)  # fmt: skip
def test_a_worker_that_dies_between_two_steps_of_settling_loses_nothing(step: str, when: str, outcome: str) -> None:
    runs: list[int] = []

    async def main(world: World) -> None:
        first, second = queue_in(world, seed=1, retries=1), queue_in(world, seed=2, retries=1)

        async def work(context: Context) -> str:
            runs.append(context.attempt)
            if outcome == "fails" or (outcome == "retries" and context.attempt == 1):
                raise ValueError("no")
            return "done"

        for queue in (first, second):
            queue.task(name="work", backoff=1, retries=0 if outcome == "fails" else 1)(work)
        async with one_server(first, second):
            mortal = Mortal(first, step, when)
            doomed = asyncio.create_task(first.worker().run())
            job = await first.signature("work").enqueue()
            await mortal.died.wait()
            stored = await first.job(job.id).info()
            ran = len(runs)
            await kill(doomed)
            second.connection.commit = first.connection.commit
            second.connection.gate = first.connection.store
            second.connection.broker = first.connection.broker
            async with at_work(second):
                if outcome == "fails":
                    with pytest.raises(JobFailed):
                        await second.job(job.id).result()
                else:
                    assert await second.job(job.id).result() == "done"
                await asyncio.sleep(120)
            broker = first.connection.broker
            assert len(await broker.dead_letters()) == (outcome == "fails")
            assert all(not (c.ready or c.held or c.scheduled) for c in (await broker.counts()).values())
            if stored.state in (State.SUCCEEDED, State.FAILED):
                assert len(runs) == ran, "a stored outcome was run again"
                assert await second.job(job.id).info() == stored

    run_virtual(main, limit=LONGEST)
    assert runs in ([1], [1, 1], [1, 2], [1, 1, 2])


async def kill(worker: asyncio.Task[Any]) -> None:
    """End it without its last words, as the loss of its process would."""
    everything = asyncio.all_tasks() - {asyncio.current_task()}
    for task in everything:
        if "aioqueue: enqueue" not in task.get_name() and task is not worker:
            task.cancel()
    await asyncio.wait(everything, timeout=0.001)
    worker.cancel()
    await asyncio.wait({worker}, timeout=0.001)
    worker.cancel()
    await asyncio.wait({worker}, timeout=0.001)


@in_virtual_time
async def test_a_job_that_takes_its_worker_down_each_time_is_set_aside_with_its_crashes(world: World) -> None:
    queue = queue_in(world, max_crashes=3)

    @queue.task
    async def poison() -> None:
        raise AssertionError("it must not run again")

    async with queue:
        job = await poison.enqueue()
        for _ in range(3):
            consumer, deliveries = await take(queue)
            assert len(deliveries) == 1
            await asyncio.sleep(LEASE + 1)
            await consumer.reclaim()
        async with at_work(queue):
            with pytest.raises(JobFailed, match="died 3 times") as caught:
                await job.result()
        assert caught.value.ended == "crashes"
        info = await job.info()
        assert (info.crashes, info.how) == (3, "crashes")
        assert [letter.id for letter in await queue.connection.broker.dead_letters()] == [job.id]


@in_virtual_time
async def test_after_its_second_crash_a_job_runs_with_no_other_suspect_beside_it(world: World) -> None:
    queue = queue_in(world)
    suspects: set[str] = set()
    beside: list[tuple[bool, int]] = []

    @queue.task
    async def work(context: Context) -> None:
        if context.crashes >= 2:
            suspects.add(context.job_id)
            beside.append((True, len(suspects)))
            await asyncio.sleep(1)
            suspects.discard(context.job_id)
        else:
            beside.append((False, len(suspects)))
            await asyncio.sleep(20)

    async with queue:
        jobs = [await work.enqueue() for _ in range(5)]
        for _ in range(2):
            consumer, deliveries = await take(queue, 5)
            assert len(deliveries) == 5
            await asyncio.sleep(LEASE + 1)
            await consumer.reclaim()
        jobs += [await work.enqueue() for _ in range(5)]
        async with at_work(queue):
            for job in jobs:
                await job.result()
    assert [together for suspect, together in beside if suspect] == [1] * 5
    assert sum(not suspect for suspect, _ in beside) == 5


@in_virtual_time
async def test_suspects_in_excess_are_out_of_the_workers_hands_before_the_first_of_them_starts(world: World) -> None:
    queue = queue_in(world)
    held: list[int] = []

    @queue.task
    async def work(context: Context) -> None:
        held.append((await queue.connection.broker.counts())["default"].held)

    async with queue:
        jobs = [await work.enqueue() for _ in range(3)]
        for _ in range(2):
            consumer, _ = await take(queue, 3)
            await asyncio.sleep(LEASE + 1)
            await consumer.reclaim()
        async with at_work(queue):
            for job in jobs:
                await job.result()
    assert held == [1, 1, 1]


@in_virtual_time
async def test_an_attempt_whose_lease_is_lost_is_ended_and_the_job_runs_again(world: World) -> None:
    queue = queue_in(world)
    seen, lost = Ledger(), list[LeaseLost]()
    queue.on(LeaseLost)(lost.append)

    @queue.task(timeout=None)
    async def work(context: Context) -> int:
        await seen.note(context.redeliveries)
        if context.redeliveries == 0:
            try:
                await asyncio.Event().wait()
            finally:
                await seen.note("ended")
        return context.redeliveries

    async with working(queue):
        job = await work.enqueue()
        await seen.until(1)
        broker: Any = queue.connection.broker
        for held in broker.held.values():
            held.until = -1.0  # the server counts it as out of date
        assert await job.result() == 1
        await asyncio.sleep(LEASE)
        assert await job.result() == 1
    assert sorted(map(str, seen.entries)) == ["0", "1", "ended"]
    assert [each.job_id for each in lost] == [job.id]


async def test_no_job_is_lost_when_the_store_is_away_as_jobs_are_taken(tmp_path: Any) -> None:
    queue = AioQueue("memory://", results=f"sqlite:///{tmp_path}/results.db")
    ran = Ledger()

    @queue.task
    async def work() -> None:
        await ran.note(1)

    async with queue:
        gate = queue.connection.gate
        assert gate is not None
        get, failures = gate.get, [1, 2, 3]

        async def away(ids: Sequence[str]) -> Any:
            if failures:
                failures.pop()
                raise StoreUnavailable("away")
            return await get(ids)

        gate.get = away  # type: ignore[method-assign]
        await work.enqueue()
        async with at_work(queue):
            assert await ran.until(1) == [1]
        assert failures == []


@in_virtual_time
async def test_a_message_whose_outcome_is_stored_is_not_run_again(world: World) -> None:
    queue = queue_in(world)
    runs: list[int] = []

    @queue.task
    async def work() -> int:
        runs.append(1)
        return 5

    async with working(queue):
        job = await work.enqueue()
        body = (await queue.connection.broker.peek("default"))[0]
        assert await job.result() == 5
        await asyncio.sleep(1)
        await queue.connection.broker.publish([Outgoing(job.id, 0, "default", 4, None, body)])
        await asyncio.sleep(60)
        assert await job.result() == 5
        assert (await queue.connection.broker.counts()).get("default") is None
    assert runs == [1]


@in_virtual_time
async def test_nothing_else_is_taken_until_a_suspect_has_run_for_a_while(world: World) -> None:
    queue = queue_in(world)
    began: dict[str, float] = {}

    @queue.task(timeout=None)
    async def work(name: str, seconds: float) -> None:
        began[name] = world.clock.monotonic()
        await asyncio.sleep(seconds)

    async with queue:
        await work.enqueue("suspect", 20)
        broker = queue.connection.broker
        assert isinstance(broker, MemoryBroker)
        for held in broker.messages.values():
            held.crashes = 2
        async with at_work(queue):
            await asyncio.sleep(1)
            good = await work.enqueue("good", 0)
            await good.result(timeout=30)
    assert 5 <= began["good"] - began["suspect"] < 10
