"""What publishing promises."""

from __future__ import annotations

from aioqueue.drivers.base import Broker, Driver
from aioqueue.testing.clock import ManualClock

from .jobs import bodies, due_at, ids, out, outs, raw, rest, take
from .suite import Contract, needs


class Publishing(Contract):
    """Durable, all or none, each turn of a job once, held back until it is due."""

    async def test_what_is_published_arrives_unchanged(self, broker: Broker, clock: ManualClock) -> None:
        sent = out(queue="default", labels={"who": "é🦆"}, by="user:7")
        await broker.publish([sent])
        [delivery] = await take(await self.consumer(broker), 1)
        assert delivery.body == sent.body
        assert (delivery.queue, delivery.redeliveries, delivery.crashes) == ("default", 0, 0)
        assert delivery.record is None
        if delivery.published is not None:
            assert abs(delivery.published - clock.now()) < 60

    async def test_publishing_nothing_does_nothing(self, broker: Broker) -> None:
        await broker.publish([])
        assert await rest(broker, await self.consumer(broker)) == []

    async def test_a_batch_is_taken_whole(self, broker: Broker) -> None:
        await broker.publish(outs(500))
        assert sorted(ids(await take(await self.consumer(broker), 500))) == [f"job-{i:06}" for i in range(500)]

    async def test_a_batch_with_one_bad_message_is_taken_whole_or_refused_whole(self, broker: Broker) -> None:
        batch = [out("good"), raw("a lone surrogate, \ud800, which UTF-8 has no bytes for", b"bad"), out("also-good")]
        try:
            await broker.publish(batch)
        except Exception:
            expected: set[bytes] = set()
        else:
            expected = {each.body for each in batch}
        assert set(bodies(await rest(broker, await self.consumer(broker)))) == expected

    async def test_a_publish_repeated_because_its_answer_was_lost_makes_nothing_twice(self, broker: Broker) -> None:
        batch = outs(5)
        await broker.publish(batch)
        await broker.publish(batch)
        await broker.publish([*batch[3:], out("new")])
        found = await rest(broker, await self.consumer(broker))
        assert sorted(ids(found)) == sorted([*(f"job-{i:06}" for i in range(5)), "new"])

    async def test_the_same_turn_twice_in_one_batch_is_taken_once(self, broker: Broker) -> None:
        await broker.publish([out(), out("other"), out()])
        assert sorted(ids(await rest(broker, await self.consumer(broker)))) == ["job-1", "other"]

    async def test_a_turn_that_somebody_holds_is_not_taken_twice(self, broker: Broker) -> None:
        await broker.publish([out()])
        consumer = await self.consumer(broker)
        held = await take(consumer, 1)
        await broker.publish([out()])
        assert await rest(broker, consumer) == []
        await consumer.ack(held)
        assert await rest(broker, consumer) == []

    async def test_a_scheduled_turn_is_not_taken_twice(self, broker: Broker, clock: ManualClock) -> None:
        later = out(due=clock.now() + self.moment)
        await broker.publish([later])
        await broker.publish([later])
        await self.elapse(clock, self.moment + 1)
        assert ids(await rest(broker, await self.consumer(broker))) == ["job-1"]

    async def test_the_next_turn_is_taken_while_this_one_is_held(self, broker: Broker) -> None:
        await broker.publish([out(turn=0)])
        consumer = await self.consumer(broker)
        first = await take(consumer, 1)
        await broker.publish([out(turn=1)])
        await consumer.ack(first)
        assert bodies(await rest(broker, consumer)) == [out(turn=1).body]

    async def test_a_later_turn_keeps_an_older_one_out(self, broker: Broker) -> None:
        await broker.publish([out(turn=1)])
        await broker.publish([out(turn=0)])
        assert bodies(await rest(broker, await self.consumer(broker))) == [out(turn=1).body]

    async def test_a_delayed_message_does_not_come_early(self, broker: Broker, clock: ManualClock) -> None:
        consumer = await self.consumer(broker)
        await broker.publish([out(due=clock.now() + self.moment)])
        assert await rest(broker, consumer) == []
        await self.elapse(clock, self.moment - 1)
        assert await rest(broker, consumer) == []
        await self.elapse(clock, 2)
        assert ids(await take(consumer, 1)) == ["job-1"]

    async def test_a_short_delay_is_a_delay_too(self, broker: Broker, clock: ManualClock) -> None:
        consumer = await self.consumer(broker)
        await broker.publish([out(due=clock.now() + 1.5)])
        assert await rest(broker, consumer) == []
        await self.elapse(clock, 2)
        assert ids(await take(consumer, 1)) == ["job-1"]

    async def test_a_message_due_in_the_past_comes_at_once(self, broker: Broker, clock: ManualClock) -> None:
        await broker.publish([out(due=clock.now() - 3600)])
        assert ids(await take(await self.consumer(broker), 1)) == ["job-1"]

    async def test_many_due_at_one_moment_all_come_and_none_twice(self, broker: Broker, clock: ManualClock) -> None:
        due = clock.now() + self.moment
        await broker.publish(due_at([due] * 2500))
        await self.elapse(clock, self.moment + 1)
        found = ids(await rest(broker, await self.consumer(broker)))
        assert sorted(found) == [f"due-{i:06}" for i in range(2500)]

    async def test_each_comes_when_its_own_time_has_come(self, broker: Broker, clock: ManualClock) -> None:
        start, consumer = clock.now(), await self.consumer(broker)
        await broker.publish(due_at([start + self.moment * n for n in (3, 1, 2)]))
        arrived = []
        for _ in range(3):
            await self.elapse(clock, self.moment + 0.5)
            arrived += ids(found := await rest(broker, consumer))
            await consumer.ack(found)
        assert arrived == ["due-000001", "due-000002", "due-000000"]

    async def test_one_that_comes_due_earlier_than_what_was_there_is_not_held_up(
        self, broker: Broker, clock: ManualClock
    ) -> None:
        consumer = await self.consumer(broker)
        await broker.publish([out("late", due=clock.now() + 100 * self.moment)])
        await broker.publish([out("soon", due=clock.now() + self.moment)])
        await self.elapse(clock, self.moment + 1)
        assert ids(await rest(broker, consumer)) == ["soon"]

    @needs(broker="durable")
    async def test_what_was_published_is_there_after_a_restart(self, driver: Driver, broker: Broker) -> None:
        await broker.publish(outs(20))
        again = (await self.reopen(driver)).broker
        assert again is not None
        assert sorted(ids(await take(await self.consumer(again), 20))) == [f"job-{i:06}" for i in range(20)]

    @needs(broker="durable")
    async def test_what_was_delayed_is_there_after_a_restart_and_not_early(
        self, driver: Driver, broker: Broker, clock: ManualClock
    ) -> None:
        await broker.publish([out(due=clock.now() + self.moment)])
        again = (await self.reopen(driver)).broker
        assert again is not None
        consumer = await self.consumer(again)
        assert await rest(again, consumer) == []
        await self.elapse(clock, self.moment + 1)
        assert ids(await take(consumer, 1)) == ["job-1"]
