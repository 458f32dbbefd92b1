"""The broker of one driver with the store of another, or with none: the safe order keeps the contract of a commit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from aioqueue.commit.safe_order import SafeOrderCommit
from aioqueue.core.outcome import Failed, Outcome, Retrying, Succeeded
from aioqueue.core.state import Ended
from aioqueue.drivers.base import Broker, Driver, Standing
from aioqueue.drivers.memory import open_memory
from aioqueue.drivers.sqlite import open_sqlite
from aioqueue.testing import ManualClock
from aioqueue.testing.contracts import CommitContract, Contract, Pair, opened
from aioqueue.testing.contracts.jobs import bodies, ids, rest, take
from aioqueue.testing.contracts.pair import ending, entries, entry

PAIRS = [("memory", "sqlite"), ("sqlite", "memory"), ("memory", "memory"), ("sqlite-1", "sqlite-2")]


FAILED = Failed(Ended.PERMANENT, "no")


def make(kind: str, folder: Path, clock: ManualClock) -> Driver:
    if kind == "memory":
        return open_memory("memory://", clock=clock)
    return open_sqlite(f"sqlite:///{folder}/{kind}.db", clock=clock)


class TestPairs(CommitContract):
    @pytest.fixture(
        params=[("memory", "sqlite"), ("sqlite", "memory"), ("memory", "memory"), ("sqlite-1", "sqlite-2")],
        ids="+".join,
    )
    async def pair(self, request: pytest.FixtureRequest, clock: ManualClock, tmp_path: Path) -> AsyncIterator[Pair]:
        async with AsyncExitStack() as stack:
            one, two = [await stack.enter_async_context(opened(make(kind, tmp_path, clock))) for kind in request.param]
            assert one.broker is not None
            assert two.store is not None
            yield Pair(one.broker, two.store, SafeOrderCommit(one.broker, two.store), atomic=False)


class TestWithoutAStore(Contract):
    """With results switched off a job leaves no record; it is published, followed up and settled all the same."""

    @pytest.fixture(params=["memory", "sqlite"])
    async def broker(self, request: pytest.FixtureRequest, clock: ManualClock, tmp_path: Path) -> AsyncIterator[Broker]:
        async with opened(make(request.param, tmp_path, clock)) as driver:
            assert driver.broker is not None
            yield driver.broker

    async def test_each_job_gets_its_message_and_the_same_id_makes_no_second_one(self, broker: Broker) -> None:
        commit, batch = SafeOrderCommit(broker, None), entries(10)
        assert list(await commit.enqueue(batch)) == [each.record for each in batch]
        await commit.enqueue(batch)
        found = bodies(await rest(broker, await self.consumer(broker)))
        assert sorted(found) == sorted(each.message.body for each in batch)

    async def test_outcomes_are_followed_up_and_settled(self, broker: Broker, clock: ManualClock) -> None:
        commit, consumer, now = SafeOrderCommit(broker, None), await self.consumer(broker), clock.now()
        await commit.enqueue([entry("done"), entry("again"), entry("failed")])
        outcomes: dict[str, Outcome] = {"done": Succeeded(b"1"), "again": Retrying(now, "again"), "failed": FAILED}
        held = await take(consumer, 3)
        transitions = [ending(each, outcomes[ids([each])[0]], now) for each in held]
        for _ in range(2):
            verdicts = await commit.apply(consumer, transitions)
            assert {verdict.standing for verdict in verdicts} == {Standing.APPLIED}
        assert ids(await rest(broker, consumer)) == ["again"]
        assert [letter.id for letter in await broker.dead_letters()] == ["failed"]
        await self.lapse(clock, consumer)
        assert await consumer.reclaim() == 1
