"""One worker's side of the broker, and what renews its leases."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ...core.clock import SystemClock
from ...core.codec import decode_record
from ...core.record import Record
from ...core.state import Phase
from ..base import (
    Delivery,
    Doomed,
    Lease,
    Token,
)
from .held import Held

if TYPE_CHECKING:
    from .broker import MemoryBroker


class MemoryConsumer:
    """One worker's side of the memory broker."""

    def __init__(self, broker: MemoryBroker, queues: tuple[str, ...], lease: float) -> None:
        self.broker = broker
        self.queues = queues
        self.lease = lease
        self.woken = asyncio.Event()
        self.stopped = False

    async def receive(self, room: int) -> Sequence[Delivery]:
        while not self.stopped:
            self.woken.clear()
            self.broker.promote()
            if found := self._claim(room):
                return found
            await self._wait()
        return []

    async def _wait(self) -> None:
        scheduled = self.broker.scheduled
        left = scheduled[0][0] - self.broker.clock.now() if scheduled else None
        try:
            async with asyncio.timeout(left):
                await self.woken.wait()
        except TimeoutError:
            return  # something is due

    def _claim(self, room: int) -> list[Delivery]:
        broker = self.broker
        until = broker.clock.monotonic() + self.lease
        found: list[Delivery] = []
        for queue in self.queues:
            line = broker.ready.get(queue)
            while line and len(found) < room:
                _, seq = heapq.heappop(line)
                held = broker.messages.get(seq)
                if held is not None:
                    found.append(self._hand_over(held, until))
        return found

    def _hand_over(self, held: Held, until: float) -> Delivery:
        held.claim, held.until = next(self.broker.claims), until
        held.deliveries += 1
        self.broker.held[held.seq] = held
        return Delivery(
            token=Token(held.seq, held.claim),
            queue=held.out.queue,
            body=held.out.body,
            redeliveries=held.deliveries - 1,
            crashes=held.crashes,
            published=held.published,
            record=self._record(held),
        )

    def _record(self, held: Held) -> Record | None:
        raw = self.broker.store.raw.get(held.out.id) if self.broker.store else None
        if raw is None:
            return None
        turn, phase = raw[0], raw[1]
        if (turn, phase) < (held.out.turn, Phase.ENDED) and held.out.turn == 0 and held.deliveries == 1:
            return None  # nothing that matters: spare the decoding
        return decode_record(raw[2])

    def stop_receiving(self) -> None:
        self.stopped = True
        self.woken.set()

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            if held := self.broker.ours(delivery.token):
                self.broker.remove(held)

    async def release(self, deliveries: Sequence[Delivery], delay: float = 0.0) -> None:
        self.give_back([delivery.token for delivery in deliveries], delay)

    def give_back(self, tokens: Sequence[Token], delay: float) -> None:
        due = self.broker.clock.now() + delay if delay else None
        for token in tokens:
            if held := self.broker.ours(token):
                self.broker.line_up(held, due)
        self.broker.wake()

    async def dead_letter(self, doomed: Sequence[Doomed]) -> None:
        for each in doomed:
            if held := self.broker.ours(each.delivery.token):
                self.broker.bury(each, held)

    async def reclaim(self) -> int:
        now = self.broker.clock.monotonic()
        lost = [held for held in self.broker.held.values() if held.until < now]
        for held in lost:
            held.crashes += 1
            self.broker.line_up(held, None)
        if lost:
            self.broker.wake()
        return len(lost)

    def keeper(self) -> MemoryKeeper:
        return MemoryKeeper(self)

    async def close(self) -> None:
        self.stop_receiving()
        self.broker.consumers.discard(self)


class MemoryKeeper:
    """Renews leases. It may run on a thread of its own, where real time passes: it only ever sets one attribute."""

    def __init__(self, consumer: MemoryConsumer) -> None:
        self.consumer = consumer
        self.threaded = isinstance(consumer.broker.clock, SystemClock)

    def open(self) -> None:
        return None

    def extend(self, tokens: Sequence[Token], lease: float) -> Mapping[Token, Lease]:
        broker = self.consumer.broker
        until = broker.clock.monotonic() + lease
        found: dict[Token, Lease] = {}
        for token in tokens:
            held = broker.ours(token)
            if held is not None:
                held.until = until
            found[token] = Lease.LOST if held is None else Lease.KEPT
        return found

    def release(self, tokens: Sequence[Token]) -> None:
        # Called when the process is about to end: what this process remembers ends with it.
        self.consumer.give_back(tokens, 0.0)

    def close(self) -> None:
        return None
