"""What receiving promises."""

from __future__ import annotations

import asyncio

from aioqueue.drivers.base import Broker, Consumer, Delivery
from aioqueue.testing.clock import ManualClock

from .jobs import ids, out, outs, rest, take
from .suite import Contract, needs


async def settle_down() -> None:
    """Let other tasks get as far as they can without the outside world."""
    for _ in range(20):
        await asyncio.sleep(0)


class Receiving(Contract):
    """As many as there is room for, best first, each to one consumer; waits, is woken, and ends when told."""

    async def test_receive_gives_at_most_as_many_as_there_is_room_for(self, broker: Broker) -> None:
        await broker.publish(outs(10))
        consumer = await self.consumer(broker)
        found: list[Delivery] = []
        for room in (1, 3, 6):
            some = await consumer.receive(room)
            assert 1 <= len(some) <= room
            found += some
        found += await take(consumer, 10 - len(found))
        assert len(set(ids(found))) == 10

    @needs(broker="priorities")
    async def test_the_highest_priority_comes_first(self, broker: Broker) -> None:
        await broker.publish([out(f"p{p}", priority=p) for p in (4, 0, 9, 5, 1, 8, 2, 7, 3, 6)])
        found = await take(await self.consumer(broker), 10)
        assert ids(found) == [f"p{p}" for p in range(9, -1, -1)]

    @needs(broker="priorities")
    async def test_a_more_urgent_message_overtakes_what_waits(self, broker: Broker) -> None:
        await broker.publish(outs(5))
        consumer = await self.consumer(broker)
        await take(consumer, 1)
        await broker.publish([out("urgent", priority=9)])
        assert ids(await take(consumer, 1)) == ["urgent"]

    @needs(broker="priorities")
    async def test_of_one_priority_the_first_comes_first(self, broker: Broker) -> None:
        await broker.publish(outs(50, "a"))
        await broker.publish(outs(50, "b"))
        found = ids(await take(await self.consumer(broker), 100))
        assert found == [*(f"a-{i:06}" for i in range(50)), *(f"b-{i:06}" for i in range(50))]

    @needs(broker="priorities")
    async def test_a_delayed_message_keeps_its_priority(self, broker: Broker, clock: ManualClock) -> None:
        await broker.publish([out("urgent", priority=9, due=clock.now() + self.moment), out("plain")])
        await self.elapse(clock, self.moment + 1)
        assert ids(await take(await self.consumer(broker), 2)) == ["urgent", "plain"]

    async def test_receive_waits_for_the_first_and_a_publish_wakes_it(self, broker: Broker) -> None:
        consumer = await self.consumer(broker)
        receiving = asyncio.create_task(consumer.receive(10))
        await settle_down()
        assert not receiving.done()
        await broker.publish([out()])
        assert ids(await receiving) == ["job-1"]

    async def test_a_release_wakes_who_waits(self, broker: Broker) -> None:
        one, two = await self.consumer(broker), await self.consumer(broker, worker="worker-2")
        await broker.publish([out()])
        held = await take(one, 1)
        receiving = asyncio.create_task(two.receive(10))
        await settle_down()
        await one.release(held)
        assert ids(await receiving) == ["job-1"]

    async def test_one_that_waits_gets_a_message_when_it_falls_due(self, broker: Broker, clock: ManualClock) -> None:
        # The timer runs on the machine's own clock: as much as it waits passes on the one we turn.
        await broker.publish([out(due=clock.now() + 0.05)])
        receiving = asyncio.create_task((await self.consumer(broker)).receive(10))
        await settle_down()
        clock.advance(0.06)
        assert ids(await receiving) == ["job-1"]

    async def test_a_publish_for_another_queue_does_not_end_the_wait(self, broker: Broker) -> None:
        consumer = await self.consumer(broker, ["a"])
        receiving = asyncio.create_task(consumer.receive(10))
        await settle_down()
        await broker.publish([out("other", queue="b")])
        await settle_down()
        assert not receiving.done()
        await broker.publish([out("mine", queue="a")])
        assert ids(await receiving) == ["mine"]

    async def test_stopping_ends_a_receive_that_waits(self, broker: Broker) -> None:
        consumer = await self.consumer(broker)
        receiving = asyncio.create_task(consumer.receive(10))
        await settle_down()
        consumer.stop_receiving()
        assert list(await receiving) == []

    async def test_after_stopping_receive_returns_at_once_every_time(self, broker: Broker) -> None:
        consumer = await self.consumer(broker)
        consumer.stop_receiving()
        consumer.stop_receiving()
        for _ in range(3):
            assert list(await consumer.receive(10)) == []

    async def test_stopping_one_consumer_leaves_the_others_receiving(self, broker: Broker) -> None:
        one, two = await self.consumer(broker), await self.consumer(broker, worker="worker-2")
        receiving = asyncio.create_task(two.receive(10))
        one.stop_receiving()
        await settle_down()
        assert not receiving.done()
        await broker.publish([out()])
        assert ids(await receiving) == ["job-1"]

    async def test_what_arrives_while_stopping_is_returned_or_left_to_others(
        self, broker: Broker, clock: ManualClock
    ) -> None:
        one, two = await self.consumer(broker), await self.consumer(broker, worker="worker-2")
        await broker.publish(outs(30))
        receiving = asyncio.create_task(one.receive(10))
        await asyncio.sleep(0)
        one.stop_receiving()
        found = ids(await receiving)
        found += ids(await rest(broker, two))
        assert sorted(found) == [f"job-{i:06}" for i in range(30)]

    async def test_what_was_received_before_stopping_can_still_be_settled(self, broker: Broker) -> None:
        one, two = await self.consumer(broker), await self.consumer(broker, worker="worker-2")
        await broker.publish(outs(3))
        first, second, _ = await take(one, 3)
        one.stop_receiving()
        await one.ack([first])
        await one.release([second])
        assert ids(await rest(broker, two)) == ids([second])

    async def test_several_consumers_never_get_one_message_both(self, broker: Broker) -> None:
        consumers = [await self.consumer(broker, worker=f"worker-{n}") for n in range(5)]

        async def work(consumer: Consumer) -> list[str]:
            mine: list[str] = []
            while some := await consumer.receive(7):
                mine += ids(some)
                await consumer.ack(some)
                seen.update(ids(some))
                if len(seen) == 200:
                    for each in consumers:
                        each.stop_receiving()
            return mine

        seen: set[str] = set()
        working = [asyncio.create_task(work(consumer)) for consumer in consumers]
        for start in range(0, 200, 20):
            await broker.publish([out(f"job-{start + i}") for i in range(20)])
        found = [id for mine in await asyncio.gather(*working) for id in mine]
        assert len(found) == 200 == len(set(found))

    async def test_a_consumer_gets_only_from_its_own_queues(self, broker: Broker) -> None:
        await broker.publish([out("a", queue="a"), out("b", queue="b"), out("c", queue="c")])
        consumer = await self.consumer(broker, ["a", "c"])
        found = await take(consumer, 2)
        assert {delivery.queue for delivery in found} == {"a", "c"}
        assert await rest(broker, consumer, "a") == []
        assert ids(await take(await self.consumer(broker, ["b"]), 1)) == ["b"]

    @needs(broker="priorities")
    async def test_the_queue_named_first_is_served_first(self, broker: Broker) -> None:
        await broker.publish([out("second", queue="b", priority=9), out("first", queue="a", priority=0)])
        assert ids(await take(await self.consumer(broker, ["a", "b"]), 2)) == ["first", "second"]

    async def test_queue_names_may_hold_any_printable_characters(self, broker: Broker) -> None:
        queue = "mäil: 'a\"; {b} * %_ 🦆"
        await broker.publish([out(queue=queue)])
        [delivery] = await take(await self.consumer(broker, [queue]), 1)
        assert delivery.queue == queue

    async def test_ten_thousand_messages_are_drained_in_batches_each_once(self, broker: Broker) -> None:
        sent = outs(10_000)
        for start in range(0, len(sent), 1000):
            await broker.publish(sent[start : start + 1000])
        consumer = await self.consumer(broker)
        found: list[bytes] = []
        while len(found) < len(sent):
            await asyncio.sleep(0)
            some = await consumer.receive(500)
            await consumer.ack(some)
            found += [delivery.body for delivery in some]
        assert sorted(found) == sorted(each.body for each in sent)
        assert await rest(broker, consumer) == []
