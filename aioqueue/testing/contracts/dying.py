"""A process that dies after each step in turn, and what those who come after it find."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar, cast

import pytest

from aioqueue.commit.safe_order import SafeOrderCommit
from aioqueue.core.codec import decode
from aioqueue.core.outcome import Deferred, Failed, Outcome, Retrying, Succeeded
from aioqueue.core.record import Record
from aioqueue.core.state import Ended, Phase
from aioqueue.drivers.base import Broker, Consumer, Delivery, ResultStore
from aioqueue.testing.clock import START, ManualClock

from .jobs import ids, rest, take
from .pair import Pair, ending, entry, settle, work_off
from .suite import Contract, does_not_apply

T = TypeVar("T")


class Died(BaseException):
    """The process is no more."""


class Fate:
    """When the process dies: `steps` calls begun or answered from now. A call may die before it took effect, or before
    its answer came."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    async def meet(self, call: Callable[[], Awaitable[T]]) -> T:
        self._step()
        answer = await call()
        self._step()
        return answer

    def _step(self) -> None:
        if self.left == 0:
            raise Died
        self.left -= 1


class _Mortal:
    """Another object, some of whose methods may be one's last."""

    def __init__(self, inner: Any, fate: Fate, *steps: str) -> None:
        self._inner, self._fate, self._steps = inner, fate, steps

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        if name not in self._steps:
            return method
        return lambda *args: self._fate.meet(lambda: method(*args))


def mortal_commit(pair: Pair, fate: Fate) -> SafeOrderCommit:
    """The safe-order commit of a process with this fate."""
    broker = cast(Broker, _Mortal(pair.broker, fate, "publish"))
    return SafeOrderCommit(broker, cast(ResultStore, _Mortal(pair.store, fate, "save")))


def mortal_consumer(consumer: Consumer, fate: Fate) -> Consumer:
    """This consumer, of a process with this fate."""
    return cast(Consumer, _Mortal(consumer, fate, "ack", "release", "dead_letter"))


FIRST_AND_SECOND = {
    "success": (Succeeded(b"1"), Succeeded(b"2")),
    "retry": (Retrying(START, "first"), Retrying(START, "second")),
    "deferral": (Deferred(START, "first"), Deferred(START, "second")),
    "failure": (Failed(Ended.PERMANENT, "first"), Failed(Ended.PERMANENT, "second")),
    "a retry, then a success": (Retrying(START, "first"), Succeeded(b"2")),
    "a success, then a retry": (Succeeded(b"1"), Retrying(START, "second")),
}


class Dying(Contract):
    """Save, publish, ack: whoever dies between two steps, those who come after it arrive at the same end."""

    @pytest.mark.parametrize(("first", "second"), FIRST_AND_SECOND.values(), ids=FIRST_AND_SECOND)
    async def test_a_worker_may_die_after_any_step_of_settling(
        self, pair: Pair, clock: ManualClock, first: Outcome, second: Outcome
    ) -> None:
        if pair.atomic:
            does_not_apply("this commit is one step")
        for steps in itertools.count():
            died = not await self.one_life(pair, clock, f"life-{steps}", steps, first)
            await self.afterlife(pair, clock, f"life-{steps}", second)
            if not died:
                break
        assert steps >= 4, "save and ack are two steps at least, with two ends each"

    @pytest.mark.parametrize("steps", range(7))
    async def test_two_workers_may_die_one_after_the_other(self, pair: Pair, clock: ManualClock, steps: int) -> None:
        if pair.atomic:
            does_not_apply("this commit is one step")
        for more in range(7):
            id = f"life-{more}"
            await self.one_life(pair, clock, id, steps, Retrying(START, "first"))
            await self.another_life(pair, clock, more, Retrying(START, "second"))
            await self.afterlife(pair, clock, id, Retrying(START, "third"))

    async def test_a_producer_may_die_after_any_step_of_enqueueing(self, pair: Pair) -> None:
        if pair.atomic:
            does_not_apply("this commit is one step")
        consumer = await self.consumer(pair.broker)
        for steps in itertools.count():
            batch = [entry(f"life-{steps}-{n}") for n in range(3)]
            try:
                await mortal_commit(pair, Fate(steps)).enqueue(batch)
                died = False
            except Died:
                died = True
            records = await pair.store.get([each.record.id for each in batch])
            assert list(await pair.commit.enqueue(batch)) == [each.record for each in batch]
            found = await rest(pair.broker, consumer)
            assert sorted(ids(found)) == [each.record.id for each in batch]
            await consumer.ack(found)
            if not died:
                assert None not in records
                break
        assert steps >= 4

    async def one_life(self, pair: Pair, clock: ManualClock, id: str, steps: int, outcome: Outcome) -> bool:
        """Enqueue a job, run it and settle it. Whether the worker survived that."""
        await pair.commit.enqueue([entry(id)])
        consumer = await self.consumer(pair.broker)
        [held] = await take(consumer, 1)
        try:
            fate = Fate(steps)
            ended = ending(held, outcome, clock.now())
            await settle(mortal_commit(pair, fate), mortal_consumer(consumer, fate), [ended])
        except Died:
            return False
        return True

    async def another_life(self, pair: Pair, clock: ManualClock, steps: int, outcome: Outcome) -> None:
        """Take over what the last worker left, and die of it in turn."""
        consumer = await self.consumer(pair.broker, worker="worker-2")
        held = await self.take_over(pair, clock, consumer)
        first_turns = [each for each in held if decode(each.body).turn == 0]
        await consumer.release([each for each in held if each not in first_turns])
        fate = Fate(steps)
        try:
            await work_off(pair, mortal_commit(pair, fate), mortal_consumer(consumer, fate), first_turns, outcome)
        except Died:
            return

    async def afterlife(self, pair: Pair, clock: ManualClock, id: str, outcome: Outcome) -> None:
        """Whoever comes last finds each thing to do once, and the outcome that was stored first."""
        [before] = await pair.store.get([id])
        consumer = await self.consumer(pair.broker, worker="worker-3")
        held = await self.take_over(pair, clock, consumer)
        first_turns = [each for each in held if decode(each.body).turn == 0]
        next_turns = [each for each in held if decode(each.body).turn == 1]
        assert len(first_turns) <= 1
        await work_off(pair, pair.commit, consumer, first_turns, outcome)
        next_turns += await rest(pair.broker, consumer)
        [stands] = await pair.store.get([id])
        assert stands is not None
        assert stands.phase is Phase.ENDED
        if before is not None and before.phase is Phase.ENDED:
            assert stands == before, "the outcome that was stored first does not stand"
        assert [decode(each.body).turn for each in next_turns] == ([] if stands.final else [1])
        await self.check_dead_letters(pair, stands)
        await consumer.ack(next_turns)
        assert await self.take_over(pair, clock, consumer) == []

    async def take_over(self, pair: Pair, clock: ManualClock, consumer: Consumer) -> Sequence[Delivery]:
        """What is there once the leases of the dead have run out."""
        await self.lapse(clock, consumer)
        await consumer.reclaim()
        return await rest(pair.broker, consumer)

    async def check_dead_letters(self, pair: Pair, stands: Record) -> None:
        """A failed job is a dead letter with the reason that stands, once; any other job is none."""
        if pair.broker.capabilities.inspects:
            reasons = [letter.reason for letter in await pair.broker.dead_letters() if letter.id == stands.id]
            assert reasons == ([stands.reason] if stands.state == "failed" else [])
