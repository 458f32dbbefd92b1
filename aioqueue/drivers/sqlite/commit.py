"""The commit: a job's record and its messages change together, in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ...core.clock import Clock
from ...core.codec import encode_record
from ...core.record import Record, supersedes
from ...errors import BrokerUnavailable
from ..base import Applied, Consumer, Entry, Standing, Transition
from . import messages, records
from .connection import Connection, Wake
from .database import Database
from .statements import insert

_APPLIED = Standing.APPLIED


class _NotAll(Exception):
    """Something in the batch did not go through, so it is rolled back and done one by one."""


class SqliteCommit:
    """Tries each batch as a whole, which nearly always goes through; if not, one by one."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def enqueue(self, entries: Sequence[Entry]) -> Sequence[Record]:
        """Save the records and publish the messages, all or none, on disk when it returns. The record that stands for
        each: for a job that existed already its own, and nothing was made."""
        if not entries:
            return ()
        try:
            await self._database.run(partial(self._enqueue_all, entries), BrokerUnavailable)
        except _NotAll:
            return await self._database.run(partial(self._enqueue_each, entries), BrokerUnavailable)
        return [entry.record for entry in entries]

    async def apply(self, consumer: Consumer, transitions: Sequence[Transition]) -> Sequence[Applied]:
        """Apply each transition whole or not at all, on disk when it returns."""
        if not transitions:
            return ()
        try:
            await self._database.run(partial(self._apply_all, transitions), BrokerUnavailable)
        except _NotAll:
            return await self._database.run(partial(self._apply_each, transitions), BrokerUnavailable)
        return [Applied(_APPLIED, transition.record) for transition in transitions]

    def _enqueue_all(self, entries: Sequence[Entry], connection: Connection) -> None:
        if insert(connection, "insert_record", records.rows_of([entry.record for entry in entries])) != len(entries):
            raise _NotAll
        self._take(connection, entries)

    def _enqueue_each(self, entries: Sequence[Entry], connection: Connection) -> list[Record]:
        standing: list[Record] = []
        for entry in entries:
            if insert(connection, "insert_record", records.rows_of([entry.record])):
                self._take(connection, [entry])
                standing.append(entry.record)
            else:
                standing.append(records.fetch(connection, [entry.record.id])[entry.record.id])
        return standing

    def _take(self, connection: Connection, entries: Sequence[Entry]) -> None:
        # A job without a record has no later turn in the queue, so the cheaper statement will do.
        rows = messages.rows_of([entry.message for entry in entries], self._clock.now())
        insert(connection, "insert_message", rows)
        records.label(connection, [entry.record for entry in entries])
        connection.wakes |= Wake.MESSAGES

    def _apply_all(self, transitions: Sequence[Transition], connection: Connection) -> None:
        saved = [transition.record for transition in transitions]
        if messages.ack(connection, [transition.delivery.token for transition in transitions]) != len(transitions):
            raise _NotAll
        if insert(connection, "save_record", records.rows_of(saved)) != len(saved):
            raise _NotAll
        self._follow_up(connection, transitions)

    def _apply_each(self, transitions: Sequence[Transition], connection: Connection) -> list[Applied]:
        return [self._apply_one(connection, transition) for transition in transitions]

    def _apply_one(self, connection: Connection, transition: Transition) -> Applied:
        new, token = transition.record, transition.delivery.token
        old = records.fetch(connection, [new.id]).get(new.id)
        if not messages.held(connection, [token]):
            return Applied(Standing.LOST, old)
        if old is None or supersedes(new, old):
            insert(connection, "save_record", records.rows_of([new]))
        elif encode_record(new) != encode_record(old):
            return Applied(Standing.SUPERSEDED, old)
        # Else it was decided from the record that stands: what follows from that is still to be done.
        messages.ack(connection, [token])
        self._follow_up(connection, [transition])
        return Applied(_APPLIED, new)

    def _follow_up(self, connection: Connection, transitions: Sequence[Transition]) -> None:
        now = self._clock.now()
        publish = [message for transition in transitions for message in transition.publish]
        if publish:
            insert(connection, "publish", messages.rows_of(publish, now))
            connection.wakes |= Wake.MESSAGES
        doomed = [transition.dead for transition in transitions if transition.dead is not None]
        if doomed:
            messages.bury(connection, doomed, now)
        if any(transition.record.final for transition in transitions):
            connection.wakes |= Wake.RECORDS
        records.relabel(connection, [transition.record for transition in transitions])
