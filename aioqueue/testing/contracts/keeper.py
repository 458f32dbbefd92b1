"""The contract of the keeper: what renews leases while a worker is busy."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

from aioqueue.drivers.base import Broker, Consumer, Keeper, Lease, Token
from aioqueue.testing.clock import ManualClock

from .jobs import ids, out, outs, rest, take
from .suite import Contract, does_not_apply, needs

T = TypeVar("T")


class _AtWork:
    """A keeper where it belongs: on a thread of its own if it is threaded, else on the loop."""

    def __init__(self, keeper: Keeper) -> None:
        self.keeper = keeper
        self.thread = ThreadPoolExecutor(1) if keeper.threaded else None

    async def __call__(self, work: Callable[[], T]) -> T:
        if self.thread is None:
            return work()
        return await asyncio.wrap_future(self.thread.submit(work))

    async def extend(self, *tokens: Token, lease: float) -> dict[Token, Lease]:
        return dict(await self(lambda: self.keeper.extend(tokens, lease)))

    async def release(self, *tokens: Token) -> None:
        await self(lambda: self.keeper.release(tokens))


@asynccontextmanager
async def at_work(consumer: Consumer) -> AsyncIterator[_AtWork]:
    """This consumer's keeper, open."""
    keeper = _AtWork(consumer.keeper())
    await keeper(keeper.keeper.open)
    try:
        yield keeper
    finally:
        await keeper(keeper.keeper.close)
        if keeper.thread is not None:
            keeper.thread.shutdown()


class KeeperContract(Contract):
    """Every case of `drivers.base.Keeper`."""

    @needs(broker="fences")
    async def test_an_extended_lease_does_not_run_out(self, broker: Broker, clock: ManualClock) -> None:
        await broker.publish([out()])
        consumer = await self.consumer(broker)
        [held] = await take(consumer, 1)
        async with at_work(consumer) as keeper:
            for _ in range(10):
                await self.elapse(clock, self.lease * 0.7)
                assert await keeper.extend(held.token, lease=self.lease) == {held.token: Lease.KEPT}
                assert await consumer.reclaim() == 0
        assert await rest(broker, consumer) == []
        await consumer.ack([held])
        await self.lapse(clock, consumer)
        assert await consumer.reclaim() == 0

    @needs(broker="fences")
    async def test_an_extended_lease_runs_from_the_extension_as_long_as_was_asked(
        self, broker: Broker, clock: ManualClock
    ) -> None:
        await broker.publish([out()])
        consumer = await self.consumer(broker)
        [held] = await take(consumer, 1)
        async with at_work(consumer) as keeper:
            await self.elapse(clock, self.lease * 0.5)
            await keeper.extend(held.token, lease=self.lease * 3)
            await self.elapse(clock, self.lease * 2.9)
            assert await consumer.reclaim() == 0
            await self.elapse(clock, self.lease * 0.2)
            assert await consumer.reclaim() == 1

    @needs(broker="fences")
    async def test_only_the_leases_named_are_extended(self, broker: Broker, clock: ManualClock) -> None:
        await broker.publish(outs(2))
        consumer = await self.consumer(broker)
        kept, left = await take(consumer, 2)
        async with at_work(consumer) as keeper:
            assert await keeper.extend(lease=self.lease) == {}
            await self.elapse(clock, self.lease * 0.6)
            await keeper.extend(kept.token, lease=self.lease)
            await self.elapse(clock, self.lease * 0.6)
            assert await consumer.reclaim() == 1
            assert ids(await rest(broker, consumer)) == ids([left])

    @needs(broker="fences")
    async def test_a_lease_that_another_took_over_is_reported_lost(self, broker: Broker, clock: ManualClock) -> None:
        await broker.publish([out()])
        zombie, other = await self.consumer(broker), await self.consumer(broker, worker="worker-2")
        [lost] = await take(zombie, 1)
        async with at_work(zombie) as keeper:
            await self.lapse(clock, zombie)
            await other.reclaim()
            assert await keeper.extend(lost.token, lease=self.lease) == {lost.token: Lease.LOST}
            [held] = await take(other, 1)
            assert await keeper.extend(lost.token, lease=10 * self.lease) == {lost.token: Lease.LOST}
            await self.lapse(clock, other)
            assert await zombie.reclaim() == 1, "the zombie's extension prolonged another worker's lease"
        assert held.token != lost.token

    @needs(broker="fences")
    async def test_what_was_settled_is_reported_lost(self, broker: Broker) -> None:
        await broker.publish(outs(3))
        consumer = await self.consumer(broker)
        acked, released, held = await take(consumer, 3)
        async with at_work(consumer) as keeper:
            await consumer.ack([acked])
            await consumer.release([released])
            verdicts = await keeper.extend(acked.token, released.token, held.token, lease=self.lease)
        assert verdicts == {acked.token: Lease.LOST, released.token: Lease.LOST, held.token: Lease.KEPT}

    @needs(broker="fences")
    async def test_a_thousand_leases_are_extended_at_once(self, broker: Broker, clock: ManualClock) -> None:
        await broker.publish(outs(1000))
        consumer = await self.consumer(broker)
        held = await take(consumer, 1000)
        async with at_work(consumer) as keeper:
            await self.elapse(clock, self.lease * 0.7)
            verdicts = await keeper.extend(*(each.token for each in held), lease=self.lease)
            assert verdicts == {each.token: Lease.KEPT for each in held}
            await self.elapse(clock, self.lease * 0.7)
            assert await consumer.reclaim() == 0

    @needs(broker="fences")
    async def test_what_the_keeper_releases_comes_back_unspent(self, broker: Broker) -> None:
        await broker.publish(outs(2))
        consumer, other = await self.consumer(broker), await self.consumer(broker, worker="worker-2")
        given, kept = await take(consumer, 2)
        async with at_work(consumer) as keeper:
            await keeper.release()
            await keeper.release(given.token)
            await keeper.release(given.token)
        [again] = await rest(broker, other)
        assert again.body == given.body
        assert (again.redeliveries, again.crashes) == (1, 0)
        await consumer.ack([kept])

    @needs(broker="fences")
    async def test_a_keeper_that_comes_late_releases_nothing(self, broker: Broker, clock: ManualClock) -> None:
        await broker.publish([out()])
        zombie, other = await self.consumer(broker), await self.consumer(broker, worker="worker-2")
        [lost] = await take(zombie, 1)
        async with at_work(zombie) as keeper:
            await self.lapse(clock, zombie)
            await other.reclaim()
            await take(other, 1)
            await keeper.release(lost.token)
        assert await rest(broker, other) == []

    @needs(broker="fences")
    async def test_a_threaded_keeper_works_while_the_loop_is_blocked(self, broker: Broker, clock: ManualClock) -> None:
        await broker.publish(outs(2))
        consumer = await self.consumer(broker)
        kept, given = await take(consumer, 2)
        keeper = consumer.keeper()
        if not keeper.threaded:
            does_not_apply("this driver's keeper works on the loop")

        def work() -> dict[Token, Lease]:
            keeper.open()
            clock.advance(self.lease * 0.7)
            verdicts = dict(keeper.extend([kept.token], self.lease))
            keeper.release([given.token])
            keeper.close()
            return verdicts

        with ThreadPoolExecutor(1) as thread:
            # Not awaited: while we wait here, nothing else runs on the loop.
            verdicts = thread.submit(work).result(timeout=5)
        assert verdicts == {kept.token: Lease.KEPT}
        await self.elapse(clock, self.lease * 0.7)
        assert await consumer.reclaim() == 0
        assert ids(await rest(broker, consumer)) == ids([given])
