"""What setting aside promises, and what may be seen of a broker."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from aioqueue.drivers.base import Broker, Consumer, Delivery, Doomed, Driver, QueueCounts
from aioqueue.testing.clock import ManualClock

from .jobs import bodies, ids, out, outs, raw, rest, take
from .suite import Contract, needs

ODD_IDS = {
    "surrogate": rb"\ud800",
    "nul": rb"\u0000",
    "pair": rb"\ud83e\udd86",
    "duck": b"\xf0\x9f\xa6\x86",
    "long": b"x" * 100_000,
}


async def bury(
    consumer: Consumer, held: Sequence[Delivery], forget: float, reason: str = "failed: no such host"
) -> None:
    """Set these aside."""
    await consumer.dead_letter([Doomed(delivery, reason, forget) for delivery in held])


async def counted(broker: Broker, queue: str = "default") -> QueueCounts:
    """What the broker says is in the queue."""
    return (await broker.counts()).get(queue, QueueCounts())


class DeadLetters(Contract):
    """Raw bytes and a reason, kept for a person who retries or discards them."""

    async def test_a_dead_letter_is_not_delivered_again(self, broker: Broker, clock: ManualClock) -> None:
        await broker.publish([out()])
        consumer = await self.consumer(broker)
        await bury(consumer, await take(consumer, 1), clock.now() + 1e6)
        await self.lapse(clock, consumer)
        assert await consumer.reclaim() == 0
        assert await rest(broker, consumer) == []

    @needs(broker="inspects")
    async def test_a_dead_letter_says_what_it_was_and_why_it_died(self, broker: Broker, clock: ManualClock) -> None:
        sent = out("job-é", queue="mail", priority=7)
        await broker.publish([sent])
        consumer = await self.consumer(broker, ["mail"])
        await bury(consumer, await take(consumer, 1), clock.now() + 1e6, "failed: 'é'\n\"twice\"")
        [letter] = await broker.dead_letters()
        assert (letter.id, letter.task, letter.queue) == ("job-é", "contract.task", "mail")
        assert letter.reason == "failed: 'é'\n\"twice\""
        assert letter.body == sent.body
        assert abs(letter.died - clock.now()) < 60

    @needs(broker="inspects")
    async def test_a_dead_letter_keeps_bytes_that_are_no_message(self, broker: Broker, clock: ManualClock) -> None:
        strange = [b"", b"\xff\xfe\x00", b"not json", b"[1]", b'{"v":"x","id":7}', bytes(range(256)), b"[" * 5000]
        await broker.publish([raw(f"raw-{i}", body) for i, body in enumerate(strange)])
        consumer = await self.consumer(broker)
        await bury(consumer, await take(consumer, len(strange)), clock.now() + 1e6, "invalid")
        letters = await broker.dead_letters()
        assert sorted(letter.body for letter in letters) == sorted(strange)
        assert {(letter.id, letter.task) for letter in letters} == {(None, None)}

    @needs(broker="inspects")
    @pytest.mark.parametrize("id", ODD_IDS.values(), ids=ODD_IDS)
    async def test_a_message_with_an_odd_id_can_be_set_aside(
        self, broker: Broker, clock: ManualClock, id: bytes
    ) -> None:
        body = b'{"v":1,"id":"' + id + b'","task":"' + id + b'"}'
        await broker.publish([raw("odd", body)])
        consumer = await self.consumer(broker)
        await bury(consumer, await take(consumer, 1), clock.now() + 1e6, "invalid")
        [letter] = await broker.dead_letters()
        assert letter.body == body
        assert await rest(broker, consumer) == []

    @needs(broker="inspects")
    async def test_dead_letters_are_listed_oldest_first_a_page_at_a_time(
        self, broker: Broker, clock: ManualClock
    ) -> None:
        consumer, n = await self.consumer(broker), 25
        for each in outs(n):
            await broker.publish([each])
            await bury(consumer, await take(consumer, 1), clock.now() + 1e6)
            await self.elapse(clock, 0.01)
        found, after = [], 0
        while page := await broker.dead_letters(limit=10, after=after):
            await asyncio.sleep(0)
            assert len(page) <= 10
            found += [letter.id for letter in page]
            after = page[-1].key
        assert found == [f"job-{i:06}" for i in range(n)]

    @needs(broker="inspects")
    async def test_discarding_drops_only_the_dead_letters_named(self, broker: Broker, clock: ManualClock) -> None:
        await broker.publish(outs(3))
        consumer = await self.consumer(broker)
        await bury(consumer, await take(consumer, 3), clock.now() + 1e6)
        one, two, three = await broker.dead_letters()
        assert await broker.discard_dead([one.key, three.key, 999_999_999]) == 2
        assert await broker.discard_dead([one.key]) == 0
        assert [letter.key for letter in await broker.dead_letters()] == [two.key]

    @needs(broker="inspects")
    async def test_a_retried_dead_letter_is_a_message_again(self, broker: Broker, clock: ManualClock) -> None:
        await broker.publish(outs(2))
        consumer = await self.consumer(broker)
        await bury(consumer, await take(consumer, 2), clock.now() + 1e6)
        one, two = await broker.dead_letters()
        assert one.id is not None
        again = out(one.id, turn=1)
        assert await broker.retry_dead({one.key: again, 999_999_999: out("gone", turn=1)}) == 1
        assert [letter.key for letter in await broker.dead_letters()] == [two.key]
        [delivery] = await rest(broker, consumer)
        assert (delivery.body, delivery.crashes, delivery.redeliveries) == (again.body, 0, 0)

    @needs(broker="inspects")
    async def test_a_dead_letter_retried_twice_makes_one_message(self, broker: Broker, clock: ManualClock) -> None:
        await broker.publish([out()])
        consumer = await self.consumer(broker)
        await bury(consumer, await take(consumer, 1), clock.now() + 1e6)
        [letter] = await broker.dead_letters()
        assert await broker.retry_dead({letter.key: out(turn=1)}) == 1
        assert await broker.retry_dead({letter.key: out(turn=1)}) == 0
        assert len(await rest(broker, consumer)) == 1

    @needs(broker="inspects")
    async def test_a_dead_letter_is_forgotten_after_its_time_and_not_before(
        self, broker: Broker, clock: ManualClock
    ) -> None:
        await broker.publish(outs(2))
        consumer = await self.consumer(broker)
        soon, late = await take(consumer, 2)
        await bury(consumer, [soon], clock.now() + self.moment)
        await bury(consumer, [late], clock.now() + 10 * self.moment)
        await self.elapse(clock, self.moment - 1)
        await broker.forget()
        assert len(await broker.dead_letters()) == 2
        await self.elapse(clock, 2)
        await broker.forget()
        assert [letter.id for letter in await broker.dead_letters()] == ids([late])

    @needs(broker="inspects")
    async def test_a_worker_that_comes_late_cannot_set_anything_aside(self, broker: Broker, clock: ManualClock) -> None:
        await broker.publish([out()])
        zombie, other = await self.consumer(broker), await self.consumer(broker, worker="worker-2")
        lost = await take(zombie, 1)
        await self.lapse(clock, zombie)
        await other.reclaim()
        await bury(zombie, lost, clock.now() + 1e6)
        held = await take(other, 1)
        await bury(zombie, lost, clock.now() + 1e6)
        assert await broker.dead_letters() == []
        await other.release(held)
        assert ids(await rest(broker, other)) == ["job-1"]

    @needs(broker="inspects")
    async def test_a_message_set_aside_twice_is_one_dead_letter(self, broker: Broker, clock: ManualClock) -> None:
        await broker.publish([out()])
        consumer = await self.consumer(broker)
        held = await take(consumer, 1)
        await bury(consumer, [*held, *held], clock.now() + 1e6)
        await bury(consumer, held, clock.now() + 1e6)
        assert len(await broker.dead_letters()) == 1

    @needs(broker="durable")
    async def test_a_dead_letter_is_there_after_a_restart(
        self, driver: Driver, broker: Broker, clock: ManualClock
    ) -> None:
        await broker.publish([raw("raw", b"\xff\x00")])
        consumer = await self.consumer(broker)
        await bury(consumer, await take(consumer, 1), clock.now() + 1e6)
        await self.close_consumers()
        again = (await self.reopen(driver)).broker
        assert again is not None
        assert [letter.body for letter in await again.dead_letters()] == [b"\xff\x00"]


class Inspecting(Contract):
    """Counts, a look at the line, and purging."""

    @needs(broker="inspects")
    async def test_counts_tell_what_waits_is_scheduled_is_held_and_is_dead(
        self, broker: Broker, clock: ManualClock
    ) -> None:
        assert await counted(broker) == QueueCounts()
        await broker.publish([*outs(10), *outs(3, "later", due=clock.now() + self.moment), out("other", queue="mail")])
        assert await counted(broker) == QueueCounts(ready=10, scheduled=3)
        assert await counted(broker, "mail") == QueueCounts(ready=1)
        consumer = await self.consumer(broker)
        held = await take(consumer, 6)
        assert await counted(broker) == QueueCounts(ready=4, scheduled=3, held=6)
        await consumer.ack(held[:1])
        await bury(consumer, held[1:3], clock.now() + 1e6)
        await consumer.release(held[3:4])
        await consumer.release(held[4:5], self.moment)
        assert await counted(broker) == QueueCounts(ready=5, scheduled=4, held=1, dead=2)
        await self.elapse(clock, self.moment + 1)
        assert await counted(broker) == QueueCounts(ready=9, held=1, dead=2)
        await consumer.reclaim()
        assert await counted(broker) == QueueCounts(ready=10, dead=2)

    @needs(broker="inspects")
    async def test_peek_shows_who_is_next_and_takes_nothing(self, broker: Broker, clock: ManualClock) -> None:
        await broker.publish([*outs(5), out("urgent", priority=9), out("later", due=clock.now() + self.moment)])
        seen = list(await broker.peek("default", 3))
        assert seen == [out("urgent", priority=9).body, *(each.body for each in outs(2))]
        assert await broker.peek("default", 3) == seen
        assert list(await broker.peek("nowhere")) == []
        consumer = await self.consumer(broker)
        assert bodies(await take(consumer, 3)) == seen
        assert bodies(await take(consumer, 3)) == [each.body for each in outs(5)[2:]]
        assert list(await broker.peek("default")) == []

    @needs(broker="inspects")
    async def test_purging_drops_what_waits_and_leaves_what_is_held(self, broker: Broker, clock: ManualClock) -> None:
        await broker.publish([*outs(5), *outs(2, "later", due=clock.now() + self.moment), out("other", queue="mail")])
        consumer = await self.consumer(broker)
        held = await take(consumer, 1)
        assert await broker.purge("default") == 6
        assert await broker.purge("nowhere") == 0
        assert await counted(broker) == QueueCounts(held=1)
        assert await counted(broker, "mail") == QueueCounts(ready=1)
        await self.elapse(clock, self.moment + 1)
        await consumer.reclaim()
        assert ids(await rest(broker, consumer)) == ids(held)

    @needs(broker="inspects")
    async def test_what_was_purged_may_be_published_again(self, broker: Broker) -> None:
        await broker.publish([out()])
        await broker.purge("default")
        await broker.publish([out()])
        assert ids(await rest(broker, await self.consumer(broker))) == ["job-1"]
