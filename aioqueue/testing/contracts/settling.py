"""What ack and release promise, and what becomes of a delivery that nobody settled."""

from __future__ import annotations

from aioqueue.drivers.base import Broker, Driver
from aioqueue.testing.clock import ManualClock

from .jobs import bodies, ids, out, outs, raw, rest, take
from .suite import Contract, needs


class Settling(Contract):
    """Done, given back, or lost with its worker; and fences against workers that come late."""

    async def test_an_acked_message_does_not_come_again(self, broker: Broker, clock: ManualClock) -> None:
        await broker.publish(outs(3))
        consumer = await self.consumer(broker)
        await consumer.ack(await take(consumer, 3))
        await self.lapse(clock, consumer)
        assert await consumer.reclaim() == 0
        assert await rest(broker, consumer) == []

    async def test_acking_some_leaves_the_others_held(self, broker: Broker, clock: ManualClock) -> None:
        await broker.publish(outs(4))
        consumer = await self.consumer(broker)
        held = await take(consumer, 4)
        await consumer.ack([held[1], held[3]])
        assert await rest(broker, consumer) == []
        await self.lapse(clock, consumer)
        await consumer.reclaim()
        assert sorted(ids(await rest(broker, consumer))) == sorted(ids([held[0], held[2]]))

    async def test_settling_nothing_and_settling_twice_are_harmless(self, broker: Broker) -> None:
        consumer = await self.consumer(broker)
        await consumer.ack([])
        await consumer.release([])
        await consumer.dead_letter([])
        await broker.publish(outs(2))
        one, two = await take(consumer, 2)
        await consumer.ack([one])
        await consumer.ack([one])
        await consumer.release([one])
        await consumer.ack([two, two])
        assert await rest(broker, consumer) == []

    async def test_a_released_message_comes_again_unspent(self, broker: Broker) -> None:
        await broker.publish([out()])
        consumer = await self.consumer(broker)
        first = await take(consumer, 1)
        await consumer.release(first)
        [again] = await take(consumer, 1)
        assert again.body == first[0].body
        assert (again.redeliveries, again.crashes) == (1, 0)
        assert again.token != first[0].token

    async def test_a_message_may_be_released_many_times(self, broker: Broker) -> None:
        await broker.publish([out()])
        consumer = await self.consumer(broker)
        for n in range(30):
            held = await take(consumer, 1)
            assert (held[0].redeliveries, held[0].crashes) == (n, 0)
            await consumer.release(held)
        assert ids(await take(consumer, 1)) == ["job-1"]

    async def test_a_released_message_may_go_to_another_worker(self, broker: Broker) -> None:
        one, two = await self.consumer(broker), await self.consumer(broker, worker="worker-2")
        await broker.publish([out()])
        await one.release(await take(one, 1))
        assert ids(await take(two, 1)) == ["job-1"]

    async def test_a_message_released_with_a_delay_does_not_come_early(
        self, broker: Broker, clock: ManualClock
    ) -> None:
        await broker.publish([out()])
        consumer = await self.consumer(broker)
        await consumer.release(await take(consumer, 1), self.moment)
        assert await rest(broker, consumer) == []
        await self.elapse(clock, self.moment - 1)
        assert await rest(broker, consumer) == []
        await self.elapse(clock, 2)
        [again] = await take(consumer, 1)
        assert (again.redeliveries, again.crashes) == (1, 0)

    async def test_a_message_waiting_out_its_release_is_not_reclaimed(self, broker: Broker, clock: ManualClock) -> None:
        await broker.publish([out()])
        consumer = await self.consumer(broker)
        await consumer.release(await take(consumer, 1), self.lease * 10)
        await self.lapse(clock, consumer)
        assert await consumer.reclaim() == 0
        assert await rest(broker, consumer) == []

    async def test_a_delivery_neither_acked_nor_released_comes_back(self, broker: Broker, clock: ManualClock) -> None:
        await broker.publish([out()])
        dying, other = await self.consumer(broker), await self.consumer(broker, worker="worker-2")
        [first] = await take(dying, 1)
        await self.lapse(clock, dying)
        await other.reclaim()
        [again] = await take(other, 1)
        assert again.body == first.body
        assert again.redeliveries == 1

    @needs(broker="counts_crashes")
    async def test_a_lease_that_ran_out_counts_as_a_crash_each_time(self, broker: Broker, clock: ManualClock) -> None:
        await broker.publish(outs(2))
        consumer = await self.consumer(broker)
        for n in range(4):
            held = await take(consumer, 2)
            assert [(each.redeliveries, each.crashes) for each in held] == [(n, n), (n, n)]
            await self.lapse(clock, consumer)
            assert await consumer.reclaim() == 2
            assert await consumer.reclaim() == 0

    @needs(broker="counts_crashes")
    async def test_crashes_and_releases_are_counted_apart(self, broker: Broker, clock: ManualClock) -> None:
        await broker.publish([out()])
        consumer = await self.consumer(broker)
        await take(consumer, 1)
        await self.lapse(clock, consumer)
        await consumer.reclaim()
        await consumer.release(await take(consumer, 1))
        [third] = await take(consumer, 1)
        assert (third.redeliveries, third.crashes) == (2, 1)

    @needs(broker="fences")
    async def test_a_lease_is_not_taken_away_before_it_ran_out(self, broker: Broker, clock: ManualClock) -> None:
        await broker.publish([out()])
        consumer = await self.consumer(broker)
        held = await take(consumer, 1)
        await self.elapse(clock, self.lease * 0.9)
        assert await consumer.reclaim() == 0
        assert await rest(broker, consumer) == []
        await consumer.ack(held)
        await self.lapse(clock, consumer)
        assert await consumer.reclaim() == 0

    @needs(broker="fences")
    async def test_the_wall_clock_set_forward_ends_no_lease(self, broker: Broker, clock: ManualClock) -> None:
        await broker.publish([out()])
        consumer = await self.consumer(broker)
        await take(consumer, 1)
        clock.step_wall(7200)
        assert await consumer.reclaim() == 0

    @needs(broker="fences")
    async def test_the_wall_clock_set_back_prolongs_no_lease(self, broker: Broker, clock: ManualClock) -> None:
        await broker.publish([out()])
        consumer = await self.consumer(broker)
        await take(consumer, 1)
        clock.step_wall(-7200)
        await self.lapse(clock, consumer)
        assert await consumer.reclaim() == 1

    @needs(broker="fences")
    async def test_each_lease_runs_from_its_own_delivery(self, broker: Broker, clock: ManualClock) -> None:
        await broker.publish(outs(2))
        consumer = await self.consumer(broker)
        early = await take(consumer, 1)
        await self.elapse(clock, self.lease * 0.6)
        late = await take(consumer, 1)
        await self.elapse(clock, self.lease * 0.6)
        assert await consumer.reclaim() == 1
        assert ids(await rest(broker, consumer)) == ids(early)
        await self.elapse(clock, self.lease * 0.5)
        assert await consumer.reclaim() == 1
        assert ids(await rest(broker, consumer)) == ids(late)

    @needs(broker="fences")
    async def test_a_worker_that_comes_late_can_neither_ack_nor_release_what_waits_again(
        self, broker: Broker, clock: ManualClock
    ) -> None:
        await broker.publish([out()])
        zombie, other = await self.consumer(broker), await self.consumer(broker, worker="worker-2")
        lost = await take(zombie, 1)
        await self.lapse(clock, zombie)
        await other.reclaim()
        await zombie.release(lost, self.moment)
        await zombie.ack(lost)
        assert ids(await rest(broker, other)) == ["job-1"]

    @needs(broker="fences")
    async def test_a_worker_that_comes_late_can_neither_ack_nor_release_what_another_holds(
        self, broker: Broker, clock: ManualClock
    ) -> None:
        await broker.publish([out()])
        zombie, other = await self.consumer(broker), await self.consumer(broker, worker="worker-2")
        lost = await take(zombie, 1)
        await self.lapse(clock, zombie)
        await other.reclaim()
        held = await take(other, 1)
        await zombie.release(lost)
        assert await rest(broker, other) == []
        await zombie.ack(lost)
        await other.release(held)
        assert ids(await rest(broker, other)) == ["job-1"]

    @needs(broker="fences")
    async def test_the_fence_holds_for_a_worker_of_the_same_name(self, broker: Broker, clock: ManualClock) -> None:
        await broker.publish([out()])
        consumer = await self.consumer(broker)
        lost = await take(consumer, 1)
        await self.lapse(clock, consumer)
        await consumer.reclaim()
        held = await take(consumer, 1)
        await consumer.ack(lost)
        await self.lapse(clock, consumer)
        assert await consumer.reclaim() == 1
        again = await take(consumer, 1)
        assert again[0].body == held[0].body

    async def test_an_undecodable_body_comes_through_among_good_ones(self, broker: Broker) -> None:
        strange = [b"", b"\xff\xfe\x00", b"not json", b"[]", b"null", b'{"v":99}', bytes(range(256)), b"[" * 5000]
        await broker.publish([out("before"), *(raw(f"raw-{i}", body) for i, body in enumerate(strange)), out("after")])
        consumer = await self.consumer(broker)
        found = await take(consumer, len(strange) + 2)
        assert sorted(bodies(found)) == sorted([*strange, out("before").body, out("after").body])
        await consumer.ack(found)
        assert await rest(broker, consumer) == []

    async def test_a_body_of_256_kib_comes_through(self, broker: Broker) -> None:
        body = bytes(range(256)) * 1024
        await broker.publish([raw("large", body)])
        assert bodies(await take(await self.consumer(broker), 1)) == [body]

    async def test_what_a_closed_consumer_held_comes_back(self, broker: Broker, clock: ManualClock) -> None:
        await broker.publish(outs(3))
        closing = await self.consumer(broker)
        held = await take(closing, 2)
        await self.close_consumers()
        other = await self.consumer(broker, worker="worker-2")
        await self.lapse(clock, closing)
        await other.reclaim()
        assert len(held) == 2
        assert sorted(ids(await rest(broker, other))) == [f"job-{i:06}" for i in range(3)]

    @needs(broker="durable")
    async def test_what_was_held_when_the_broker_closed_comes_back_after_it_opens(
        self, driver: Driver, broker: Broker, clock: ManualClock
    ) -> None:
        await broker.publish(outs(5))
        consumer = await self.consumer(broker)
        held = await take(consumer, 3)
        await consumer.ack(held[:1])
        await self.close_consumers()
        again = (await self.reopen(driver)).broker
        assert again is not None
        await self.lapse(clock, consumer)
        other = await self.consumer(again, worker="worker-2")
        await other.reclaim()
        assert sorted(ids(await rest(again, other))) == [f"job-{i:06}" for i in range(1, 5)]
