"""Waiting for an end, and keeping records no longer than they are wanted."""

from __future__ import annotations

import asyncio

import pytest
from msgspec import Raw

from aioqueue.core.record import Record
from aioqueue.core.state import Phase, State
from aioqueue.drivers.base import ResultStore
from aioqueue.testing.clock import ManualClock

from .jobs import record
from .receiving import settle_down
from .suite import Contract, needs


def ended(id: str = "job-1", turn: int = 0, **fields: object) -> Record:
    """A record of success."""
    return record(id, turn, Phase.ENDED, result=Raw(b"1"), **fields)


class Waiting(Contract):
    """Any number of waiters, each woken by the end and by nothing else."""

    async def test_waiting_for_what_has_ended_returns_at_once(self, store: ResultStore) -> None:
        await store.save([ended()])
        assert await store.wait("job-1") == ended()

    async def test_a_waiter_is_woken_by_the_end_that_another_saves(self, store: ResultStore) -> None:
        await store.save([record()])
        waiting = asyncio.create_task(store.wait("job-1"))
        await settle_down()
        await store.save([record(phase=Phase.RUNNING, delivery=1)])
        await settle_down()
        assert not waiting.done()
        await store.save([ended()])
        assert await waiting == ended()

    @pytest.mark.parametrize("state", [State.SUCCEEDED, State.FAILED, State.CANCELLED, State.EXPIRED])
    async def test_every_final_state_wakes(self, store: ResultStore, state: State) -> None:
        waiting = asyncio.create_task(store.wait("job-1"))
        await settle_down()
        await store.save([record(phase=Phase.ENDED, state=state)])
        assert (await waiting).state is state

    async def test_an_attempt_that_will_be_tried_again_wakes_nobody(self, store: ResultStore) -> None:
        waiting = asyncio.create_task(store.wait("job-1"))
        await settle_down()
        await store.save([record(phase=Phase.ENDED, state=State.RETRYING)])
        await settle_down()
        assert not waiting.done()
        await store.save([ended(turn=1)])
        assert await waiting == ended(turn=1)

    async def test_one_may_wait_for_a_job_that_has_no_record_yet(self, store: ResultStore) -> None:
        waiting = asyncio.create_task(store.wait("job-1"))
        await settle_down()
        await store.save([record()])
        await store.save([ended()])
        assert await waiting == ended()

    async def test_the_end_of_another_job_wakes_nobody(self, store: ResultStore) -> None:
        waiting = asyncio.create_task(store.wait("job-1"))
        await settle_down()
        await store.save([ended("job-2")])
        await settle_down()
        assert not waiting.done()
        await store.save([ended("job-1")])
        assert (await waiting).id == "job-1"

    async def test_a_cancelled_waiter_takes_nobody_with_it(self, store: ResultStore) -> None:
        one, two = (asyncio.create_task(store.wait("job-1")) for _ in range(2))
        await settle_down()
        one.cancel()
        await asyncio.wait([one])
        assert one.cancelled()
        await store.save([ended()])
        assert await two == ended()
        assert await store.wait("job-1") == ended()

    async def test_a_hundred_waiters_of_one_job_are_all_woken(self, store: ResultStore) -> None:
        waiting = [asyncio.create_task(store.wait("job-1")) for _ in range(100)]
        await settle_down()
        await store.save([ended()])
        assert await asyncio.gather(*waiting) == [ended()] * 100

    async def test_a_batch_wakes_the_waiters_of_each_of_its_jobs(self, store: ResultStore) -> None:
        waiting = [asyncio.create_task(store.wait(f"job-{n}")) for n in range(50)]
        await settle_down()
        await store.save([ended(f"job-{n}") for n in range(50)])
        assert [found.id for found in await asyncio.gather(*waiting)] == [f"job-{n}" for n in range(50)]

    async def test_waiting_for_a_reopened_job_waits_for_its_new_end(self, store: ResultStore) -> None:
        await store.save([record(phase=Phase.ENDED, state=State.FAILED)])
        await store.save([record(turn=1)])
        waiting = asyncio.create_task(store.wait("job-1"))
        await settle_down()
        assert not waiting.done()
        await store.save([ended(turn=1)])
        assert await waiting == ended(turn=1)


class Forgetting(Contract):
    """What is finished expires; what is still owed never does."""

    async def test_a_record_is_forgotten_after_its_lifetime_and_not_before(
        self, store: ResultStore, clock: ManualClock
    ) -> None:
        soon, late = ended("soon", forget=clock.now() + self.moment), ended("late", forget=clock.now() + 9e5)
        await store.save([soon, late])
        await self.elapse(clock, self.moment - 1)
        await store.forget()
        assert list(await store.get(["soon", "late"])) == [soon, late]
        await self.elapse(clock, 2)
        await store.forget()
        assert list(await store.get(["soon", "late"])) == [None, late]

    async def test_a_record_without_a_lifetime_stays(self, store: ResultStore, clock: ManualClock) -> None:
        owed = [record("queued"), record("running", phase=Phase.RUNNING), ended("ended")]
        await store.save(owed)
        clock.advance(10 * 365 * 86_400.0)
        assert await store.forget() == 0
        assert list(await store.get([each.id for each in owed])) == owed

    async def test_a_reopened_job_is_not_forgotten_when_its_old_end_would_have_been(
        self, store: ResultStore, clock: ManualClock
    ) -> None:
        await store.save([record(phase=Phase.ENDED, state=State.FAILED, forget=clock.now() + self.moment)])
        await store.save([record(turn=1)])
        await self.elapse(clock, 2 * self.moment)
        await store.forget()
        assert list(await store.get(["job-1"])) == [record(turn=1)]

    @needs(store="queries")
    async def test_forgetting_says_how_many_and_drops_them_from_every_list(
        self, store: ResultStore, clock: ManualClock
    ) -> None:
        await store.save([ended(f"job-{n:03}", forget=clock.now() + 1 + n) for n in range(100)])
        await self.elapse(clock, 50.5)
        assert await store.forget() == 50
        assert await store.forget() == 0
