"""What committing the end of a turn promises."""

from __future__ import annotations

import asyncio

from msgspec import Raw

from aioqueue.core.codec import decode
from aioqueue.core.message import Unknown
from aioqueue.core.outcome import Cancelled, Deferred, Expired, Failed, Outcome, Retrying, Succeeded
from aioqueue.core.record import Record
from aioqueue.core.state import Ended, Phase, State
from aioqueue.drivers.base import Consumer, Delivery, Lease, Standing
from aioqueue.testing.clock import ManualClock

from .jobs import ids, record, rest, take
from .keeper import at_work
from .pair import Pair, ending, entries, entry, following, settle
from .receiving import settle_down
from .suite import Contract, does_not_apply

DONE = Succeeded(b'{"a":1.0}')
FAILED = Failed(Ended.RETRIES, "failed: no such host")


class Applying(Contract):
    """Outcome, follow-ups and ack of each transition, together or not at all; one outcome stands."""

    async def running(self, pair: Pair, id: str = "job-1") -> tuple[Consumer, Delivery]:
        """A job that a worker has just been given."""
        await pair.commit.enqueue([entry(id)])
        consumer = await self.consumer(pair.broker)
        [held] = await take(consumer, 1)
        return consumer, held

    async def is_settled(self, pair: Pair, consumer: Consumer, clock: ManualClock) -> None:
        """Nothing is there to be taken, and nothing is held."""
        assert await rest(pair.broker, consumer) == []
        await self.lapse(clock, consumer)
        await consumer.reclaim()
        assert await rest(pair.broker, consumer) == []

    async def test_applying_nothing_does_nothing(self, pair: Pair) -> None:
        assert list(await pair.commit.apply(await self.consumer(pair.broker), [])) == []

    async def test_success_is_stored_and_its_message_forgotten(self, pair: Pair, clock: ManualClock) -> None:
        consumer, held = await self.running(pair)
        done = ending(held, DONE, clock.now())
        [verdict] = await pair.commit.apply(consumer, [done])
        assert verdict.standing is Standing.APPLIED
        assert list(await pair.store.get(["job-1"])) == [done.record]
        await self.is_settled(pair, consumer, clock)

    async def test_an_outcome_wakes_who_waits_for_it(self, pair: Pair, clock: ManualClock) -> None:
        consumer, held = await self.running(pair)
        waiting = asyncio.create_task(pair.store.wait("job-1"))
        await settle_down()
        done = ending(held, DONE, clock.now())
        await pair.commit.apply(consumer, [done])
        assert await waiting == done.record

    async def test_a_retry_publishes_the_next_turn_and_forgets_this_one(self, pair: Pair, clock: ManualClock) -> None:
        consumer, held = await self.running(pair)
        again = ending(held, Retrying(clock.now() + self.moment, "failed: try again"), clock.now())
        [verdict] = await pair.commit.apply(consumer, [again])
        assert verdict.standing is Standing.APPLIED
        assert list(await pair.store.get(["job-1"])) == [again.record]
        assert await rest(pair.broker, consumer) == []
        await self.elapse(clock, self.moment + 1)
        [next_] = await rest(pair.broker, consumer)
        turn = decode(next_.body)
        assert (turn.turn, turn.attempt, next_.redeliveries, next_.crashes) == (1, 1, 0, 0)
        await consumer.ack([next_])
        await self.is_settled(pair, consumer, clock)

    async def test_a_retry_due_at_once_wakes_a_worker_that_waits(self, pair: Pair, clock: ManualClock) -> None:
        consumer, held = await self.running(pair)
        receiving = asyncio.create_task(consumer.receive(10))
        await settle_down()
        await pair.commit.apply(consumer, [ending(held, Retrying(clock.now(), "again"), clock.now())])
        assert [decode(each.body).turn for each in await receiving] == [1]

    async def test_a_deferral_publishes_the_next_turn_and_spends_no_attempt(
        self, pair: Pair, clock: ManualClock
    ) -> None:
        consumer, held = await self.running(pair)
        later = Deferred(clock.now(), "put off", Unknown(clock.now(), 1))
        await pair.commit.apply(consumer, [ending(held, later, clock.now())])
        [next_] = await rest(pair.broker, consumer)
        turn = decode(next_.body)
        assert (turn.turn, turn.attempt, turn.unknown) == (1, 0, Unknown(clock.now(), 1))

    async def test_a_failure_is_set_aside_with_its_reason(self, pair: Pair, clock: ManualClock) -> None:
        if not pair.broker.capabilities.inspects:
            does_not_apply("this broker does not declare `inspects`")
        consumer, held = await self.running(pair)
        await pair.commit.apply(consumer, [ending(held, FAILED, clock.now())])
        [letter] = await pair.broker.dead_letters()
        assert (letter.id, letter.reason, letter.body) == ("job-1", FAILED.reason, held.body)
        [stands] = await pair.store.get(["job-1"])
        assert stands is not None
        assert stands.state is State.FAILED
        await self.is_settled(pair, consumer, clock)

    async def test_cancelled_and_expired_jobs_are_forgotten_like_successes(
        self, pair: Pair, clock: ManualClock
    ) -> None:
        consumer, held = await self.running(pair)
        await pair.commit.apply(consumer, [ending(held, Cancelled("asked for"), clock.now())])
        consumer, other = await self.running(pair, "job-2")
        await pair.commit.apply(consumer, [ending(other, Expired("too late"), clock.now())])
        records = await pair.store.get(["job-1", "job-2"])
        assert [each.state for each in records if each] == [State.CANCELLED, State.EXPIRED]
        await self.is_settled(pair, consumer, clock)

    async def test_where_the_job_was_cancelled_meanwhile_nothing_changes_until_it_is_decided_from_that_record(
        self, pair: Pair, clock: ManualClock
    ) -> None:
        consumer, held = await self.running(pair)
        cancelled = record(phase=Phase.ENDED, state=State.CANCELLED, how=Ended.CANCELLED, reason="asked for")
        await pair.store.save([cancelled])
        late = ending(held, Retrying(clock.now(), "again"), clock.now())
        [verdict] = await pair.commit.apply(consumer, [late])
        assert (verdict.standing, verdict.record) == (Standing.SUPERSEDED, cancelled)
        assert list(await pair.store.get(["job-1"])) == [cancelled]
        assert await rest(pair.broker, consumer) == [], "the follow-up of a superseded outcome was published"
        async with at_work(consumer) as keeper:
            assert await keeper.extend(held.token, lease=self.lease) == {held.token: Lease.KEPT}
        [verdict] = await pair.commit.apply(consumer, [following(held, cancelled)])
        assert verdict.standing is Standing.APPLIED
        assert list(await pair.store.get(["job-1"])) == [cancelled]
        await self.is_settled(pair, consumer, clock)

    async def test_an_outcome_that_differs_in_nothing_but_its_result_is_superseded_too(
        self, pair: Pair, clock: ManualClock
    ) -> None:
        consumer, held = await self.running(pair)
        first = ending(held, Succeeded(b"1"), clock.now())
        await pair.store.save([first.record])
        [verdict] = await pair.commit.apply(consumer, [ending(held, Succeeded(b"2"), clock.now())])
        assert (verdict.standing, verdict.record) == (Standing.SUPERSEDED, first.record)

    async def test_an_apply_repeated_because_its_answer_was_lost_is_harmless(
        self, pair: Pair, clock: ManualClock
    ) -> None:
        outcomes: dict[str, Outcome] = {
            "done": DONE, "again": Retrying(clock.now(), "again"), "later": Deferred(clock.now(), "put off"),
            "failed": FAILED,
        }  # fmt: skip
        await pair.commit.enqueue([entry(id) for id in outcomes])
        consumer = await self.consumer(pair.broker)
        held = await take(consumer, len(outcomes))
        first = [ending(each, outcomes[decode(each.body).id], clock.now()) for each in held]
        for _ in range(3):
            await pair.commit.apply(consumer, first)
        assert list(await pair.store.get(ids(held))) == [each.record for each in first]
        next_ = await rest(pair.broker, consumer)
        assert sorted(ids(next_)) == ["again", "later"]
        await pair.commit.apply(consumer, first)
        assert await rest(pair.broker, consumer) == [], "a turn that is held was published again"
        if pair.broker.capabilities.inspects:
            assert [letter.id for letter in await pair.broker.dead_letters()] == ["failed"]

    async def test_the_same_transition_twice_in_one_batch_is_applied_once(self, pair: Pair, clock: ManualClock) -> None:
        await pair.commit.enqueue([entry("again"), entry("failed")])
        consumer = await self.consumer(pair.broker)
        outcomes: dict[str, Outcome] = {"again": Retrying(clock.now(), "again"), "failed": FAILED}
        once = [ending(each, outcomes[ids([each])[0]], clock.now()) for each in await take(consumer, 2)]
        verdicts = await pair.commit.apply(consumer, [*once, *once])
        assert [verdict.standing for verdict in verdicts[:2]] == [Standing.APPLIED] * 2
        assert Standing.SUPERSEDED not in {verdict.standing for verdict in verdicts}
        assert [decode(each.body).turn for each in await rest(pair.broker, consumer)] == [1]
        if pair.broker.capabilities.inspects:
            assert [letter.id for letter in await pair.broker.dead_letters()] == ["failed"]

    async def test_two_turns_of_one_job_may_be_settled_in_one_batch(self, pair: Pair, clock: ManualClock) -> None:
        # As after a worker that died once it had published the next turn.
        consumer, first = await self.running(pair)
        again = ending(first, Retrying(clock.now(), "again"), clock.now())
        await pair.store.save([again.record])
        await pair.broker.publish(again.publish)
        [second] = await take(consumer, 1)
        done = ending(second, DONE, clock.now())
        await settle(pair.commit, consumer, [following(first, again.record), done])
        assert list(await pair.store.get(["job-1"])) == [done.record]
        await self.is_settled(pair, consumer, clock)

    async def test_a_worker_that_comes_after_another_finished_changes_nothing(
        self, pair: Pair, clock: ManualClock
    ) -> None:
        zombie, lost = await self.running(pair)
        other = await self.consumer(pair.broker, worker="worker-2")
        await self.lapse(clock, zombie)
        await other.reclaim()
        [held] = await take(other, 1)
        done = ending(held, DONE, clock.now(), "worker-2")
        await pair.commit.apply(other, [done])
        late = ending(lost, Retrying(clock.now(), "again"), clock.now())
        [verdict] = await settle(pair.commit, zombie, [late])
        assert verdict.standing is not Standing.APPLIED
        assert list(await pair.store.get(["job-1"])) == [done.record]
        await self.is_settled(pair, other, clock)

    async def test_a_delivery_brings_the_record_of_a_turn_that_may_have_ended(
        self, pair: Pair, clock: ManualClock
    ) -> None:
        if not pair.atomic:
            does_not_apply("the broker's server has no records at hand")
        await pair.commit.enqueue([entry("cancelled"), entry("released"), entry("again")])
        cancelled = record("cancelled", phase=Phase.ENDED, state=State.CANCELLED)
        await pair.store.save([cancelled])
        consumer = await self.consumer(pair.broker)
        held = {ids([each])[0]: each for each in await take(consumer, 3)}
        assert held["cancelled"].record == cancelled
        again = ending(held["again"], Retrying(clock.now(), "again"), clock.now())
        await pair.commit.apply(consumer, [again])
        await consumer.release([held["released"]])
        held = {ids([each])[0]: each for each in await take(consumer, 2)}
        assert held["released"].record == entry("released").record
        assert held["again"].record == again.record

    async def test_of_a_worker_that_lost_its_lease_and_the_one_that_has_it_one_outcome_stands(
        self, pair: Pair, clock: ManualClock
    ) -> None:
        zombie, lost = await self.running(pair)
        other = await self.consumer(pair.broker, worker="worker-2")
        await self.lapse(clock, zombie)
        await other.reclaim()
        [held] = await take(other, 1)
        late = ending(lost, Retrying(clock.now(), "again"), clock.now())
        done = ending(held, DONE, clock.now(), "worker-2")
        [first] = await settle(pair.commit, zombie, [late])
        if pair.atomic:
            assert first.standing is Standing.LOST
        await settle(pair.commit, other, [done])
        [stands] = await pair.store.get(["job-1"])
        next_ = await rest(pair.broker, other)
        if stands == done.record:
            assert next_ == []
        else:
            assert stands == late.record
            assert [decode(each.body).turn for each in next_] == [1]
        await other.ack(next_)
        await self.is_settled(pair, other, clock)

    async def test_a_batch_applies_what_it_can_whatever_became_of_the_rest(
        self, pair: Pair, clock: ManualClock
    ) -> None:
        await pair.commit.enqueue(entries(100))
        consumer, other = await self.consumer(pair.broker), await self.consumer(pair.broker, worker="worker-2")
        held = sorted(await take(consumer, 100), key=lambda each: ids([each]))
        cancelled, lost = held[0::4], held[1::4]
        async with at_work(consumer) as keeper:
            await self.elapse(clock, self.lease * 0.7)
            await keeper.extend(*(each.token for each in held if each not in lost), lease=self.lease)
            await self.elapse(clock, self.lease * 0.7)
        await other.reclaim()
        taken = await take(other, len(lost))
        await pair.commit.apply(other, [ending(each, Succeeded(b"2"), clock.now(), "worker-2") for each in taken])
        await pair.store.save([record(id, phase=Phase.ENDED, state=State.CANCELLED) for id in ids(cancelled)])

        verdicts = await settle(pair.commit, consumer, [ending(each, Succeeded(b"1"), clock.now()) for each in held])
        stands = await pair.store.get(ids(held))
        assert [verdict.standing for verdict in verdicts[0::4]] == [Standing.SUPERSEDED] * 25
        assert Standing.APPLIED not in {verdict.standing for verdict in verdicts[1::4]}
        assert [verdict.standing for verdict in verdicts[2::4] + verdicts[3::4]] == [Standing.APPLIED] * 50
        assert {_state(each) for each in stands[0::4]} == {State.CANCELLED}
        assert [each.result for each in stands[1::4] if each] == [Raw(b"2")] * 25
        assert [each.result for each in [*stands[2::4], *stands[3::4]] if each] == [Raw(b"1")] * 50
        await self.is_settled(pair, other, clock)


def _state(record: Record | None) -> State | None:
    return None if record is None else record.state
