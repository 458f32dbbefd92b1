"""What several processes that use one server may rely on. The other process is played by a second opening."""

from __future__ import annotations

import asyncio

from msgspec import Raw

from aioqueue.core.state import Phase
from aioqueue.drivers.base import Broker, Consumer, Driver, ResultStore
from aioqueue.testing.clock import ManualClock

from .jobs import ids, out, outs, record, rest, take
from .pair import entry
from .receiving import settle_down
from .suite import Contract, does_not_apply, needs, opened


class SharedBroker(Contract):
    """Processes wake each other, and are fenced from each other."""

    @needs(broker="shared")
    async def test_a_publish_by_another_process_wakes_who_waits(
        self, driver: Driver, broker: Broker, clock: ManualClock
    ) -> None:
        async with opened(await self.open_another(driver, clock)) as other:
            receiving = asyncio.create_task((await self.consumer(broker)).receive(10))
            await settle_down()
            assert other.broker is not None
            await other.broker.publish([out()])
            assert ids(await receiving) == ["job-1"]
            await self.close_consumers()

    @needs(broker="shared")
    async def test_processes_never_get_one_message_both(
        self, driver: Driver, broker: Broker, clock: ManualClock
    ) -> None:
        async with opened(await self.open_another(driver, clock)) as other:
            assert other.broker is not None
            brokers = [broker, other.broker]
            consumers = [await self.consumer(brokers[n % 2], worker=f"worker-{n}") for n in range(4)]
            seen: list[str] = []

            async def work(consumer: Consumer) -> None:
                while some := await consumer.receive(9):
                    seen.extend(ids(some))
                    await consumer.ack(some)
                    if len(seen) >= 400:
                        for each in consumers:
                            each.stop_receiving()

            async with asyncio.TaskGroup() as group:
                for consumer in consumers:
                    group.create_task(work(consumer))
                for n in range(20):
                    await brokers[n % 2].publish(outs(20, f"batch-{n}"))
            assert len(seen) == 400 == len(set(seen))
            await self.close_consumers()

    @needs(broker="shared")
    async def test_a_turn_is_taken_once_whichever_process_publishes_it(
        self, driver: Driver, broker: Broker, clock: ManualClock
    ) -> None:
        async with opened(await self.open_another(driver, clock)) as other:
            assert other.broker is not None
            await asyncio.gather(*(each.publish(outs(20)) for each in [broker, other.broker] * 5))
            assert len(await rest(broker, await self.consumer(broker))) == 20
            await self.close_consumers()

    @needs(broker="shared")
    async def test_what_a_process_held_when_it_died_comes_to_another_and_is_fenced_from_the_first(
        self, driver: Driver, broker: Broker, clock: ManualClock
    ) -> None:
        await broker.publish([out()])
        zombie = await self.consumer(broker)
        lost = await take(zombie, 1)
        async with opened(await self.open_another(driver, clock)) as other:
            assert other.broker is not None
            consumer = await self.consumer(other.broker)
            assert await rest(other.broker, consumer) == []
            await self.lapse(clock, zombie)
            await consumer.reclaim()
            held = await take(consumer, 1)
            await zombie.ack(lost)
            await consumer.release(held)
            assert ids(await rest(other.broker, consumer)) == ["job-1"]
            await self.close_consumers()

    @needs(broker="shared")
    async def test_of_processes_that_enqueue_one_id_at_once_one_makes_the_job(
        self, driver: Driver, broker: Broker, clock: ManualClock
    ) -> None:
        if driver.commit is None:
            does_not_apply("this driver has no commit of its own")
        async with opened(await self.open_another(driver, clock)) as other:
            assert other.commit is not None
            rivals = [entry(args=Raw(b"[%d]" % n)) for n in range(20)]
            commits = [driver.commit, other.commit]
            told = await asyncio.gather(*(commits[n % 2].enqueue([each]) for n, each in enumerate(rivals)))
            assert [winner for [winner] in told] == [told[0][0]] * 20
            assert len(await rest(broker, await self.consumer(broker))) == 1
            await self.close_consumers()


class SharedStore(Contract):
    """Processes see each other's records, and wake each other's waiters."""

    @needs(store="shared")
    async def test_an_end_saved_by_another_process_wakes_who_waits(
        self, driver: Driver, store: ResultStore, clock: ManualClock
    ) -> None:
        async with opened(await self.open_another(driver, clock)) as other:
            assert other.store is not None
            waiting = asyncio.create_task(store.wait("job-1"))
            await settle_down()
            end = record(phase=Phase.ENDED, result=Raw(b"1"))
            await other.store.save([end])
            assert await waiting == end
            assert list(await store.get(["job-1"])) == [end]

    @needs(store="shared")
    async def test_of_ends_saved_by_several_processes_at_once_one_stands_and_all_are_told(
        self, driver: Driver, store: ResultStore, clock: ManualClock
    ) -> None:
        async with opened(await self.open_another(driver, clock)) as other:
            assert other.store is not None
            stores = [store, other.store]
            ends = [record(phase=Phase.ENDED, result=Raw(b"%d" % n)) for n in range(50)]
            told = await asyncio.gather(*(stores[n % 2].save([end]) for n, end in enumerate(ends)))
            assert [winner for [winner] in told] == [told[0][0]] * 50
            assert list(await store.get(["job-1"])) == [told[0][0]]
