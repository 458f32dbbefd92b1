"""The commit: broker and store change together."""

from __future__ import annotations

from collections.abc import Sequence

from ...core.codec import encode_record
from ...core.message import Outgoing
from ...core.record import Record
from ..base import (
    Applied,
    Consumer,
    Entry,
    Standing,
    Transition,
)
from .broker import MemoryBroker
from .store import MemoryStore


class MemoryCommit:
    """Broker and store change together: nothing runs between the steps."""

    def __init__(self, broker: MemoryBroker, store: MemoryStore) -> None:
        self.broker = broker
        self.store = store

    async def enqueue(self, entries: Sequence[Entry]) -> Sequence[Record]:
        encoded = [encode_record(entry.record) for entry in entries]  # first, for it may fail: then nothing is made
        winners: list[Record] = []
        new: list[Outgoing] = []
        for entry, raw in zip(entries, encoded, strict=True):
            there = self.store.peek(entry.record.id)
            if there is None:
                there = entry.record
                self.store.place(there, raw)
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
