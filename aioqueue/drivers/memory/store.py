"""The store: records, encoded, in a dict."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from ...core.clock import Clock
from ...core.codec import decode_record, encode_record
from ...core.record import Record, supersedes
from ...core.state import State
from ..base import (
    RecordQuery,
    StoreCapabilities,
)


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
        self.place(record, encode_record(record))
        return record

    def place(self, record: Record, raw: bytes) -> None:
        self.raw[record.id] = (record.turn, record.phase, raw)
        if record.final:
            for waiter in self.waiters.pop(record.id, ()):
                if not waiter.done():
                    waiter.set_result(record)

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
