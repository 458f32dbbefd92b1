"""An oracle to run beside any broker, and everything that may befall the two."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from aioqueue.core.message import Outgoing
from aioqueue.drivers.base import Broker, Consumer, Delivery, Doomed, Driver, Lease, QueueCounts, Token
from aioqueue.testing import ManualClock
from aioqueue.testing.contracts.jobs import out

T = TypeVar("T")

LEASE = 15.5  # no sum of the steps below: whether a lease that ends this very moment has ended is nobody's business
DELAYS = st.sampled_from([0.25, 5.25, 40.25])
STEPS = st.sampled_from([1.0, 6.0, 16.0, 50.0])
QUEUES = ("a", "b")


class Is(Enum):
    """Where a message is, of which there is always exactly one answer."""

    WAITING = 1
    HELD = 2
    DONE = 3
    DEAD = 4


@dataclass
class Item:
    """What the oracle knows of a message."""

    out: Outgoing
    place: int  # in the order of publishing
    is_: Is = Is.WAITING
    due: float = 0.0
    until: float = 0.0
    holder: int = 0
    delivery: Delivery | None = None
    deliveries: int = 0
    crashes: int = 0


class BrokerModel(RuleBasedStateMachine):
    """The oracle beside the broker. Two workers receive from both queues, each in another order."""

    def make(self, clock: ManualClock) -> Driver:
        raise NotImplementedError

    @initialize()
    def open(self) -> None:
        self.clock = ManualClock()
        self.runner = asyncio.Runner()
        self.items: list[Item] = []
        self.zombies: list[tuple[int, Delivery]] = []  # deliveries that are no longer anybody's
        self.numbers = itertools.count()
        driver = self.make(self.clock)
        assert driver.broker is not None
        self.broker: Broker = driver.broker
        self.run(self.broker.open())
        self.orders = (QUEUES, QUEUES[::-1])
        self.consumers: list[Consumer] = [
            self.run(self.broker.consumer(queues, f"worker-{n}", LEASE)) for n, queues in enumerate(self.orders)
        ]

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        async def bounded() -> T:
            async with asyncio.timeout(10):
                return await work

        return self.runner.run(bounded())

    def teardown(self) -> None:
        if not hasattr(self, "runner"):
            return
        try:
            self.check_that_all_can_still_be_had()
        finally:
            for consumer in self.consumers:
                self.run(consumer.close())
            self.run(self.broker.close())
            self.runner.close()

    # What the oracle knows

    def having(self, is_: Is, queue: str | None = None) -> list[Item]:
        return [item for item in self.items if item.is_ is is_ and queue in (None, item.out.queue)]

    def ready(self, queue: str | None = None) -> list[Item]:
        return [item for item in self.having(Is.WAITING, queue) if item.due <= self.clock.now()]

    def take_in(self, new: Outgoing) -> None:
        alive = [item.out.turn for item in self.items if item.out.id == new.id and item.is_ in (Is.WAITING, Is.HELD)]
        if all(turn < new.turn for turn in alive):
            self.items.append(Item(new, next(self.numbers), due=new.due or 0.0))

    def let_go(self, item: Item, is_: Is) -> None:
        assert item.delivery is not None
        self.zombies.append((item.holder, item.delivery))
        item.is_, item.delivery = is_, None

    # What may happen

    @rule(
        queue=st.sampled_from(QUEUES),
        priorities=st.lists(st.integers(0, 9), min_size=1, max_size=5),
        delay=st.none() | DELAYS,
    )
    def publish(self, queue: str, priorities: list[int], delay: float | None) -> None:
        due = None if delay is None else self.clock.now() + delay
        batch = [out(f"job-{next(self.numbers)}", queue=queue, priority=p, due=due) for p in priorities]
        self.run(self.broker.publish(batch))
        for new in batch:
            self.take_in(new)

    @precondition(lambda self: self.having(Is.WAITING) or self.having(Is.HELD))
    @rule(data=st.data())
    def publish_again_what_is_there(self, data: st.DataObject) -> None:
        again = data.draw(st.lists(st.sampled_from(self.having(Is.WAITING) + self.having(Is.HELD)), min_size=1))
        self.run(self.broker.publish([item.out for item in again]))

    @precondition(lambda self: self.ready())
    @rule(who=st.integers(0, 1), room=st.integers(1, 8))
    def receive(self, who: int, room: int) -> None:
        expected = sorted(self.ready(), key=lambda item: (self.orders[who].index(item.out.queue), -item.out.priority))
        found = self.run(self.consumers[who].receive(room))
        assert 1 <= len(found) <= room
        got = [self.got(who, delivery) for delivery in found]
        assert [(item.out.queue, item.out.priority) for item in got] == [
            (item.out.queue, item.out.priority) for item in expected[: len(got)]
        ]
        fresh = [item for item in got if item.deliveries == 1 and item.out.due is None]
        for one, two in itertools.pairwise(fresh):
            same = (one.out.queue, one.out.priority) == (two.out.queue, two.out.priority)
            assert not same or one.place < two.place, "of one priority the first did not come first"

    def got(self, who: int, delivery: Delivery) -> Item:
        [item] = [item for item in self.ready() if item.out.body == delivery.body]
        assert (delivery.redeliveries, delivery.crashes) == (item.deliveries, item.crashes)
        assert delivery.queue == item.out.queue
        item.deliveries += 1
        item.is_, item.holder, item.delivery = Is.HELD, who, delivery
        item.until = self.clock.monotonic() + LEASE
        return item

    def some_held(self, data: st.DataObject) -> tuple[int, list[Item]]:
        held = self.having(Is.HELD)
        who = data.draw(st.sampled_from(sorted({item.holder for item in held})))
        mine = [item for item in held if item.holder == who]
        return who, data.draw(st.lists(st.sampled_from(mine), min_size=1, unique_by=id))

    @precondition(lambda self: self.having(Is.HELD))
    @rule(data=st.data())
    def ack(self, data: st.DataObject) -> None:
        who, items = self.some_held(data)
        self.run(self.consumers[who].ack(_deliveries(items)))
        for item in items:
            self.let_go(item, Is.DONE)

    @precondition(lambda self: self.having(Is.HELD))
    @rule(data=st.data(), delay=st.just(0.0) | DELAYS)
    def release(self, data: st.DataObject, delay: float) -> None:
        who, items = self.some_held(data)
        self.run(self.consumers[who].release(_deliveries(items), delay))
        for item in items:
            self.let_go(item, Is.WAITING)
            item.due = self.clock.now() + delay

    @precondition(lambda self: self.having(Is.HELD))
    @rule(data=st.data(), delay=st.none() | DELAYS, times=st.integers(1, 2))
    def retry(self, data: st.DataObject, delay: float | None, times: int) -> None:
        who, items = self.some_held(data)
        due = None if delay is None else self.clock.now() + delay
        new = [
            out(item.out.id, turn=item.out.turn + 1, queue=item.out.queue, priority=item.out.priority, due=due)
            for item in items
        ]
        for _ in range(times):
            self.run(self.broker.publish(new))
            for each in new:
                self.take_in(each)
        self.run(self.consumers[who].ack(_deliveries(items)))
        for item in items:
            self.let_go(item, Is.DONE)

    @precondition(lambda self: self.having(Is.HELD))
    @rule(data=st.data())
    def dead_letter(self, data: st.DataObject) -> None:
        who, items = self.some_held(data)
        doomed = [Doomed(delivery, "no", self.clock.now() + 1e9) for delivery in _deliveries(items)]
        self.run(self.consumers[who].dead_letter(doomed))
        for item in items:
            self.let_go(item, Is.DEAD)

    @precondition(lambda self: self.having(Is.HELD))
    @rule(data=st.data())
    def extend(self, data: st.DataObject) -> None:
        who, items = self.some_held(data)
        tokens = [delivery.token for delivery in _deliveries(items)]
        lost = [delivery.token for holder, delivery in self.zombies if holder == who][-3:]
        verdicts = self.keep(who, tokens + lost)
        assert verdicts == dict.fromkeys(tokens, Lease.KEPT) | dict.fromkeys(lost, Lease.LOST)
        for item in items:
            item.until = self.clock.monotonic() + LEASE

    def keep(self, who: int, tokens: list[Token]) -> dict[Token, Lease]:
        def work() -> dict[Token, Lease]:
            keeper = self.consumers[who].keeper()
            keeper.open()
            try:
                return dict(keeper.extend(tokens, LEASE))
            finally:
                keeper.close()

        if not self.consumers[who].keeper().threaded:
            return work()
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(work).result(10)

    @precondition(lambda self: self.zombies)
    @rule(data=st.data())
    def come_late(self, data: st.DataObject) -> None:
        who, lost = data.draw(st.sampled_from(self.zombies))
        consumer = self.consumers[who]
        match data.draw(st.sampled_from(["ack", "release", "dead_letter"])):
            case "ack":
                self.run(consumer.ack([lost]))
            case "release":
                self.run(consumer.release([lost]))
            case _:
                self.run(consumer.dead_letter([Doomed(lost, "late", 1e12)]))

    @rule(seconds=STEPS, who=st.integers(0, 1))
    def turn_the_clock_and_reclaim(self, seconds: float, who: int) -> None:
        self.clock.advance(seconds)
        lost = [item for item in self.having(Is.HELD) if item.until < self.clock.monotonic()]
        assert self.run(self.consumers[who].reclaim()) == len(lost)
        for item in lost:
            self.let_go(item, Is.WAITING)
            item.crashes += 1
            item.due = 0.0

    @precondition(lambda self: self.having(Is.WAITING))
    @rule(queue=st.sampled_from(QUEUES))
    def purge(self, queue: str) -> None:
        waiting = self.having(Is.WAITING, queue)
        assert self.run(self.broker.purge(queue)) == len(waiting)
        for item in waiting:
            item.is_ = Is.DONE

    @precondition(lambda self: self.having(Is.DEAD))
    @rule(data=st.data(), retry=st.booleans())
    def retry_or_discard_what_is_dead(self, data: st.DataObject, retry: bool) -> None:
        letter = data.draw(st.sampled_from(list(self.run(self.broker.dead_letters()))))
        item = next(item for item in self.having(Is.DEAD) if item.out.body == letter.body)
        item.is_ = Is.DONE
        if not retry:
            assert self.run(self.broker.discard_dead([letter.key])) == 1
            return
        new = out(item.out.id, turn=item.out.turn + 1, queue=item.out.queue)
        assert self.run(self.broker.retry_dead({letter.key: new})) == 1
        self.take_in(new)

    # What must always be so

    @invariant()
    def each_message_is_in_one_place(self) -> None:
        counts = self.run(self.broker.counts())
        for queue in QUEUES:
            ready = len(self.ready(queue))
            assert counts.get(queue, QueueCounts()) == QueueCounts(
                ready=ready,
                scheduled=len(self.having(Is.WAITING, queue)) - ready,
                held=len(self.having(Is.HELD, queue)),
                dead=len(self.having(Is.DEAD, queue)),
            )

    @invariant()
    def the_line_is_as_the_oracle_has_it(self) -> None:
        for queue in QUEUES:
            line = list(self.run(self.broker.peek(queue, 1000)))
            assert Counter(line) == Counter(item.out.body for item in self.ready(queue))
            urgency = {item.out.body: item.out.priority for item in self.ready(queue)}
            assert [urgency[body] for body in line] == sorted(urgency.values(), reverse=True)

    @invariant()
    def the_dead_are_as_the_oracle_has_them(self) -> None:
        letters = self.run(self.broker.dead_letters(1000))
        assert Counter(each.body for each in letters) == Counter(item.out.body for item in self.having(Is.DEAD))

    def check_that_all_can_still_be_had(self) -> None:
        self.turn_the_clock_and_reclaim(1000.0, 0)
        while self.ready():
            self.receive(0, 8)
        assert self.having(Is.WAITING) == []


def _deliveries(items: list[Item]) -> list[Delivery]:
    return [item.delivery for item in items if item.delivery is not None]
