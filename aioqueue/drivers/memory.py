"""The memory driver: the reference, for tests and for work that may die with its process. Read this driver first.

It keeps every promise but durability: messages are encoded, deliveries have tokens, leases run out, what is not settled
comes back. It knows one event loop and one process.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Mapping, Sequence
from math import inf

import msgspec

from ..core.clock import Clock, SystemClock
from ..core.codec import decode_record, encode_record, read_header
from ..core.message import Outgoing
from ..core.record import Record, supersedes
from ..core.state import Phase, State
from ..errors import ConfigurationError
from .base import (
    Applied,
    BrokerCapabilities,
    Consumer,
    DeadLetter,
    Delivery,
    Doomed,
    Driver,
    Entry,
    Lease,
    QueueCounts,
    RecordQuery,
    Standing,
    StoreCapabilities,
    Token,
    Transition,
)


def open_memory(url: str, *, clock: Clock) -> Driver:
    """A broker and a store of this process's own: each call makes new ones. Nothing is shared, nothing is kept."""
    if url != "memory://":
        raise ConfigurationError(f"{url!r}: the memory driver takes no address or options; write memory://")
    store = MemoryStore(clock)
    broker = MemoryBroker(clock, store)
    return Driver(
        label="memory (nothing outlives this process)",
        broker=broker,
        store=store,
        coordination=MemoryCoordination(clock),
        commit=MemoryCommit(broker, store),
    )


class _Held(msgspec.Struct):
    """A message in the broker. `claim` is set while somebody holds it, until `until` on the monotonic clock."""

    seq: int
    out: Outgoing
    published: float
    deliveries: int = 0
    crashes: int = 0
    claim: int | None = None
    until: float = inf


class MemoryBroker:
    """Messages in dicts and heaps."""

    capabilities = BrokerCapabilities(
        durable=False, shared=False, delays=inf, priorities=True, counts_crashes=True, fences=True, inspects=True
    )

    def __init__(self, clock: Clock, store: MemoryStore | None = None) -> None:
        self.clock = clock
        self.store = store
        self.messages: dict[int, _Held] = {}
        self.by_job: dict[str, dict[int, int]] = {}  # id → turn → seq
        self.ready: dict[str, list[tuple[int, int]]] = {}  # queue → heap of (-priority, seq)
        self.scheduled: list[tuple[float, int]] = []  # heap of (due, seq)
        self.held: dict[int, _Held] = {}
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
            self.messages[seq] = held = _Held(seq, out, now)
            self.line_up(held, out.due)
        self.wake()

    def line_up(self, held: _Held, due: float | None) -> None:
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

    def ours(self, token: Token) -> _Held | None:
        assert isinstance(token.message, int)
        held = self.held.get(token.message)
        return held if held is not None and held.claim == token.claim else None

    def remove(self, held: _Held) -> None:
        self.held.pop(held.seq, None)
        del self.messages[held.seq]
        turns = self.by_job[held.out.id]
        del turns[held.out.turn]
        if not turns:
            del self.by_job[held.out.id]

    def bury(self, doomed: Doomed, held: _Held) -> None:
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

    def _hand_over(self, held: _Held, until: float) -> Delivery:
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

    def _record(self, held: _Held) -> Record | None:
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


class MemoryStore:
    """Records, encoded, in a dict."""

    capabilities = StoreCapabilities(durable=False, shared=False, pushes=True, queries=True)

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.raw: dict[str, tuple[int, int, bytes]] = {}  # id → turn, phase, the record's bytes
        self.waiters: dict[str, set[asyncio.Future[Record]]] = {}

    async def open(self) -> None:
        return None

    async def close(self) -> None:
        return None

    async def save(self, records: Sequence[Record]) -> Sequence[Record]:
        return [self.put(record) for record in records]

    def put(self, record: Record) -> Record:
        there = self.raw.get(record.id)
        if there is not None and (record.turn, record.phase) <= there[:2]:
            old = decode_record(there[2])
            if not supersedes(record, old):
                return old
        self.raw[record.id] = (record.turn, record.phase, encode_record(record))
        if record.final:
            for waiter in self.waiters.pop(record.id, ()):
                if not waiter.done():
                    waiter.set_result(record)
        return record

    def peek(self, id: str) -> Record | None:
        there = self.raw.get(id)
        return None if there is None else decode_record(there[2])

    async def get(self, ids: Sequence[str]) -> Sequence[Record | None]:
        return [self.peek(id) for id in ids]

    async def wait(self, id: str) -> Record:
        record = self.peek(id)
        if record is not None and record.final:
            return record
        waiter: asyncio.Future[Record] = asyncio.get_running_loop().create_future()
        self.waiters.setdefault(id, set()).add(waiter)
        try:
            return await waiter
        finally:
            waiting = self.waiters.get(id)
            if waiting is not None:
                waiting.discard(waiter)
                if not waiting:
                    del self.waiters[id]

    async def delete(self, ids: Sequence[str]) -> None:
        for id in ids:
            self.raw.pop(id, None)

    async def forget(self) -> int:
        now = self.clock.now()
        old = [id for id in self.raw if (until := decode_record(self.raw[id][2]).forget) is not None and until < now]
        await self.delete(old)
        return len(old)

    def _matching(self, query: RecordQuery) -> list[Record]:
        records = (decode_record(raw) for _, (_, _, raw) in sorted(self.raw.items()))
        return [record for record in records if _fits(record, query)]

    async def records(self, query: RecordQuery, limit: int = 100, after: str = "") -> Sequence[Record]:
        return [record for record in self._matching(query) if record.id > after][:limit]

    async def counts(self, query: RecordQuery) -> Mapping[State, int]:
        found: dict[State, int] = {}
        for record in self._matching(query):
            found[record.state] = found.get(record.state, 0) + 1
        return found


def _fits(record: Record, query: RecordQuery) -> bool:
    labels = record.labels or {}
    return (
        (query.states is None or record.state in query.states)
        and (query.task is None or record.task == query.task)
        and (query.queue is None or record.queue == query.queue)
        and (query.parent is None or record.parent == query.parent)
        and all(labels.get(key) == value for key, value in (query.labels or {}).items())
    )


class MemoryCommit:
    """Broker and store change together: nothing runs between the steps."""

    def __init__(self, broker: MemoryBroker, store: MemoryStore) -> None:
        self.broker = broker
        self.store = store

    async def enqueue(self, entries: Sequence[Entry]) -> Sequence[Record]:
        winners: list[Record] = []
        new: list[Outgoing] = []
        for entry in entries:
            there = self.store.peek(entry.record.id)
            if there is None:
                there = self.store.put(entry.record)
                new.append(entry.message)
            winners.append(there)
        self.broker.take(new)
        return winners

    async def apply(self, consumer: Consumer, transitions: Sequence[Transition]) -> Sequence[Applied]:
        return [self._apply(transition) for transition in transitions]

    def _apply(self, transition: Transition) -> Applied:
        record = transition.record
        held = self.broker.ours(transition.delivery.token)
        if held is None:
            return Applied(Standing.LOST, self.store.peek(record.id))
        standing = self.store.put(record)
        if standing is not record and standing != record:
            return Applied(Standing.SUPERSEDED, standing)
        self.broker.take(transition.publish)
        if transition.dead is not None:
            self.broker.bury(transition.dead, held)
        else:
            self.broker.remove(held)
        return Applied(Standing.APPLIED, standing)


class MemoryCoordination:
    """Small shared facts in a dict."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.facts: dict[str, tuple[bytes, float]] = {}
        self.holders: dict[str, dict[str, float]] = {}

    async def get(self, key: str) -> bytes | None:
        value, until = self.facts.get(key, (None, inf))
        if until <= self.clock.now():
            del self.facts[key]
            return None
        return value

    async def put_if_absent(self, key: str, value: bytes, ttl: float) -> bytes:
        there = await self.get(key)
        if there is None:
            self.facts[key] = (value, self.clock.now() + ttl)
        return value if there is None else there

    async def compare_and_set(self, key: str, expected: bytes | None, value: bytes | None, ttl: float) -> bool:
        if await self.get(key) != expected:
            return False
        if value is None:
            self.facts.pop(key, None)
        else:
            self.facts[key] = (value, self.clock.now() + ttl)
        return True

    async def lease(self, key: str, holder: str, limit: int, ttl: float) -> bool:
        now = self.clock.now()
        holders = {name: until for name, until in self.holders.get(key, {}).items() if until > now}
        if holder in holders or len(holders) < limit:
            holders[holder] = now + ttl
        self.holders[key] = holders
        return holder in holders

    async def unlease(self, key: str, holder: str) -> None:
        self.holders.get(key, {}).pop(holder, None)
