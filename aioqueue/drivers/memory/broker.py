"""The broker: messages in dicts and heaps."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Mapping, Sequence
from math import inf

from ...core.clock import Clock
from ...core.codec import read_header
from ...core.message import Outgoing
from ..base import (
    BrokerCapabilities,
    DeadLetter,
    Doomed,
    QueueCounts,
    Token,
)
from .consumer import MemoryConsumer
from .held import Held
from .store import MemoryStore


class MemoryBroker:
    """Messages in dicts and heaps."""

    capabilities = BrokerCapabilities(
        durable=False, shared=False, delays=inf, priorities=True, counts_crashes=True, fences=True, inspects=True
    )

    def __init__(self, clock: Clock, store: MemoryStore | None = None) -> None:
        self.clock = clock
        self.store = store
        self.messages: dict[int, Held] = {}
        self.by_job: dict[str, dict[int, int]] = {}  # id → turn → seq
        self.ready: dict[str, list[tuple[int, int]]] = {}  # queue → heap of (-priority, seq)
        self.scheduled: list[tuple[float, int]] = []  # heap of (due, seq)
        self.held: dict[int, Held] = {}
        self.dead: dict[int, tuple[DeadLetter, float]] = {}
        self.seqs = itertools.count(1)
        self.claims = itertools.count(1)
        self.dead_keys = itertools.count(1)
        self.consumers: set[MemoryConsumer] = set()

    async def open(self) -> None:
        return None

    async def close(self) -> None:
        for consumer in self.consumers:
            consumer.stop_receiving()

    async def forget(self) -> int:
        now = self.clock.now()
        return await self.discard_dead([key for key, (_, until) in self.dead.items() if until < now])

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        self.take(messages)

    def take(self, messages: Sequence[Outgoing]) -> None:
        now = self.clock.now()
        for out in messages:
            turns = self.by_job.setdefault(out.id, {})
            if any(turn >= out.turn for turn in turns):
                continue
            seq = next(self.seqs)
            turns[out.turn] = seq
            self.messages[seq] = held = Held(seq, out, now)
            self.line_up(held, out.due)
        self.wake()

    def line_up(self, held: Held, due: float | None) -> None:
        held.claim, held.until = None, inf
        self.held.pop(held.seq, None)
        if due is not None and due > self.clock.now():
            heapq.heappush(self.scheduled, (due, held.seq))
        else:
            heapq.heappush(self.ready.setdefault(held.out.queue, []), (-held.out.priority, held.seq))

    def promote(self) -> None:
        now = self.clock.now()
        while self.scheduled and self.scheduled[0][0] <= now:
            _, seq = heapq.heappop(self.scheduled)
            if seq in self.messages:
                self.line_up(self.messages[seq], None)

    def wake(self) -> None:
        for consumer in self.consumers:
            consumer.woken.set()

    def ours(self, token: Token) -> Held | None:
        assert isinstance(token.message, int)
        held = self.held.get(token.message)
        return held if held is not None and held.claim == token.claim else None

    def remove(self, held: Held) -> None:
        self.held.pop(held.seq, None)
        del self.messages[held.seq]
        turns = self.by_job[held.out.id]
        del turns[held.out.turn]
        if not turns:
            del self.by_job[held.out.id]

    def bury(self, doomed: Doomed, held: Held) -> None:
        key = next(self.dead_keys)
        header = read_header(held.out.body)
        letter = DeadLetter(
            key=key,
            id=header.id if header and isinstance(header.id, str) else None,
            task=header.task if header and isinstance(header.task, str) else None,
            queue=held.out.queue,
            reason=doomed.reason,
            died=self.clock.now(),
            body=held.out.body,
        )
        self.dead[key] = (letter, doomed.forget)
        self.remove(held)

    async def consumer(self, queues: Sequence[str], worker: str, lease: float) -> MemoryConsumer:
        consumer = MemoryConsumer(self, tuple(queues), lease)
        self.consumers.add(consumer)
        return consumer

    async def counts(self) -> Mapping[str, QueueCounts]:
        self.promote()
        scheduled = {seq for _, seq in self.scheduled}
        found: dict[str, list[int]] = {}
        for held in self.messages.values():
            place = 2 if held.claim is not None else 1 if held.seq in scheduled else 0
            found.setdefault(held.out.queue, [0, 0, 0, 0])[place] += 1
        for letter, _ in self.dead.values():
            found.setdefault(letter.queue, [0, 0, 0, 0])[3] += 1
        return {
            queue: QueueCounts(ready=ready, scheduled=later, held=held_, dead=dead)
            for queue, (ready, later, held_, dead) in sorted(found.items())
        }

    async def peek(self, queue: str, limit: int = 20) -> Sequence[bytes]:
        self.promote()
        line = heapq.nsmallest(limit, (entry for entry in self.ready.get(queue, ()) if entry[1] in self.messages))
        return [self.messages[seq].out.body for _, seq in line]

    async def dead_letters(self, limit: int = 100, after: int = 0) -> Sequence[DeadLetter]:
        return [letter for key, (letter, _) in self.dead.items() if key > after][:limit]

    async def discard_dead(self, keys: Sequence[int]) -> int:
        return sum(self.dead.pop(key, None) is not None for key in keys)

    async def retry_dead(self, replacements: Mapping[int, Outgoing]) -> int:
        there = [out for key, out in replacements.items() if self.dead.pop(key, None) is not None]
        self.take(there)
        return len(there)

    async def purge(self, queue: str) -> int:
        waiting = [held for held in self.messages.values() if held.out.queue == queue and held.claim is None]
        for held in waiting:
            self.remove(held)
        self.ready.pop(queue, None)
        self.scheduled = [entry for entry in self.scheduled if entry[1] in self.messages]
        heapq.heapify(self.scheduled)
        return len(waiting)
