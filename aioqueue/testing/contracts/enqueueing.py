"""What committing new jobs promises."""

from __future__ import annotations

import asyncio

from msgspec import Raw

from aioqueue.core.outcome import Succeeded
from aioqueue.core.record import queued, replace
from aioqueue.core.state import State
from aioqueue.drivers.base import Entry
from aioqueue.testing.clock import ManualClock

from .jobs import bodies, ids, message, raw, rest, take
from .pair import Pair, ending, entries, entry
from .suite import Contract, does_not_apply


class Enqueueing(Contract):
    """A record and a message each, all or none, one job an id."""

    async def test_enqueueing_makes_a_record_and_a_message(self, pair: Pair) -> None:
        new = entry(labels={"import": 42}, by="user:7")
        assert list(await pair.commit.enqueue([new])) == [new.record]
        assert list(await pair.store.get(["job-1"])) == [new.record]
        assert bodies(await rest(pair.broker, await self.consumer(pair.broker))) == [new.message.body]

    async def test_enqueueing_nothing_does_nothing(self, pair: Pair) -> None:
        assert list(await pair.commit.enqueue([])) == []

    async def test_a_batch_makes_each_of_its_jobs(self, pair: Pair) -> None:
        new = entries(500)
        assert list(await pair.commit.enqueue(new)) == [each.record for each in new]
        assert list(await pair.store.get([each.record.id for each in new])) == [each.record for each in new]
        found = bodies(await take(await self.consumer(pair.broker), 500))
        assert sorted(found) == sorted(each.message.body for each in new)

    async def test_a_batch_with_one_bad_job_makes_all_of_its_jobs_or_none(self, pair: Pair) -> None:
        good, bad = entry("good"), entry("bad")
        # What UTF-8 has no bytes for: some drivers carry it, some cannot.
        bad = Entry(raw("bad \ud800", b"bad"), replace(bad.record, id="bad \ud800", by="\ud800"))
        consumer = await self.consumer(pair.broker)
        try:
            await pair.commit.enqueue([good, bad])
        except Exception:
            assert await rest(pair.broker, consumer) == []
            await pair.commit.enqueue([good])
            assert bodies(await rest(pair.broker, consumer)) == [good.message.body]
        else:
            assert sorted(bodies(await rest(pair.broker, consumer))) == sorted([good.message.body, b"bad"])

    async def test_a_job_for_later_has_its_record_now_and_its_message_then(
        self, pair: Pair, clock: ManualClock
    ) -> None:
        later = entry(due=clock.now() + self.moment)
        await pair.commit.enqueue([later])
        [record] = await pair.store.get(["job-1"])
        assert record is not None
        assert record.state is State.SCHEDULED
        consumer = await self.consumer(pair.broker)
        assert await rest(pair.broker, consumer) == []
        await self.elapse(clock, self.moment + 1)
        assert ids(await take(consumer, 1)) == ["job-1"]

    async def test_enqueueing_wakes_a_worker_that_waits(self, pair: Pair) -> None:
        receiving = asyncio.create_task((await self.consumer(pair.broker)).receive(10))
        await asyncio.sleep(0)
        await pair.commit.enqueue([entry()])
        assert ids(await receiving) == ["job-1"]

    async def test_an_enqueue_repeated_because_its_answer_was_lost_makes_nothing_twice(self, pair: Pair) -> None:
        batch = entries(20)
        await pair.commit.enqueue(batch[:10])
        for _ in range(2):
            assert list(await pair.commit.enqueue(batch)) == [each.record for each in batch]
        found = bodies(await rest(pair.broker, await self.consumer(pair.broker)))
        assert sorted(found) == sorted(each.message.body for each in batch)

    async def test_the_same_id_again_gives_the_first_job_and_makes_nothing(self, pair: Pair) -> None:
        first, second = entry(args=Raw(b"[1]")), entry(args=Raw(b"[2]"))
        await pair.commit.enqueue([first])
        assert list(await pair.commit.enqueue([second, entry("new")])) == [first.record, entry("new").record]
        found = bodies(await rest(pair.broker, await self.consumer(pair.broker)))
        assert sorted(found) == sorted([first.message.body, entry("new").message.body])

    async def test_the_same_id_while_the_job_is_held_makes_nothing(self, pair: Pair) -> None:
        await pair.commit.enqueue([entry()])
        consumer = await self.consumer(pair.broker)
        held = await take(consumer, 1)
        await pair.commit.enqueue([entry()])
        assert await rest(pair.broker, consumer) == []
        await consumer.ack(held)
        assert await rest(pair.broker, consumer) == []

    async def test_the_same_id_after_the_job_ended_gives_its_outcome_and_makes_nothing(
        self, pair: Pair, clock: ManualClock
    ) -> None:
        await pair.commit.enqueue([entry()])
        consumer = await self.consumer(pair.broker)
        [held] = await take(consumer, 1)
        done = ending(held, Succeeded(b"1"), clock.now())
        await pair.commit.apply(consumer, [done])
        assert list(await pair.commit.enqueue([entry()])) == [done.record]
        assert await rest(pair.broker, consumer) == []

    async def test_the_same_id_after_its_record_was_deleted_makes_no_second_message(self, pair: Pair) -> None:
        await pair.commit.enqueue([entry()])
        await pair.store.delete(["job-1"])
        await pair.commit.enqueue([entry()])
        assert ids(await rest(pair.broker, await self.consumer(pair.broker))) == ["job-1"]

    async def test_the_same_id_twice_in_one_batch_makes_one_job(self, pair: Pair) -> None:
        first, second = entry(args=Raw(b"[1]")), entry(args=Raw(b"[2]"))
        winners = await pair.commit.enqueue([first, entry("other"), first, second])
        assert list(winners) == [first.record, entry("other").record, first.record, first.record]
        found = bodies(await rest(pair.broker, await self.consumer(pair.broker)))
        assert sorted(found) == sorted([first.message.body, entry("other").message.body])

    async def test_of_fifty_who_enqueue_one_id_at_once_one_makes_the_job_and_all_are_told(self, pair: Pair) -> None:
        rivals = [entry(args=Raw(b"[%d]" % n)) for n in range(50)]
        winners = [winner for [winner] in await asyncio.gather(*(pair.commit.enqueue([each]) for each in rivals))]
        assert winners == [winners[0]] * 50
        [body] = bodies(await rest(pair.broker, await self.consumer(pair.broker)))
        assert body == next(each.message.body for each in rivals if each.record == winners[0])

    async def test_a_record_whose_producer_died_before_publishing_is_healed_by_the_repeated_enqueue(
        self, pair: Pair
    ) -> None:
        if pair.atomic:
            does_not_apply("record and message are made in one step")
        lost = entry()
        await pair.store.save([lost.record])
        assert list(await pair.commit.enqueue([lost])) == [lost.record]
        assert bodies(await rest(pair.broker, await self.consumer(pair.broker))) == [lost.message.body]

    async def test_another_call_under_the_id_of_a_record_without_a_message_is_not_published(self, pair: Pair) -> None:
        if pair.atomic:
            does_not_apply("record and message are made in one step")
        lost, other = queued(message(args=Raw(b"[1]"))), entry(args=Raw(b"[2]"))
        await pair.store.save([lost])
        assert list(await pair.commit.enqueue([other])) == [lost]
        assert await rest(pair.broker, await self.consumer(pair.broker)) == []
