"""The result store: records in a file."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from ...core.clock import Clock
from ...core.record import Record
from ...core.state import State
from ...errors import StoreUnavailable
from ..base import RecordQuery, StoreCapabilities
from . import records as table
from .connection import Connection, Wake
from .database import Database
from .statements import insert
from .waiters import Waiters

_AT_ONCE = 1000  # forgotten in one transaction
_PAUSE = 0.02  # seconds between two such: a long list of what is past its time must keep nobody from the file

_EXPIRED = "SELECT json_group_array(id) FROM (SELECT id FROM record WHERE forget <= ? LIMIT ?)"


class SqliteStore:
    """Records in a file."""

    capabilities = StoreCapabilities(durable=True, shared=True, pushes=True, queries=True)

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._waiters: dict[asyncio.AbstractEventLoop, Waiters] = {}

    async def open(self) -> None:
        await self._database.open(StoreUnavailable)

    async def close(self) -> None:
        await self._database.close()

    async def save(self, records: Sequence[Record]) -> Sequence[Record]:
        """Save each that supersedes what is there, on disk when it returns, and give the record of each that stands."""
        rows = table.rows_of(records)

        def work(connection: Connection) -> Sequence[Record]:
            won = insert(connection, "save_record", rows)
            if any(record.final for record in records):
                connection.wakes |= Wake.RECORDS
            standing = {record.id: record for record in records}
            if won == len(records) == len(standing):
                table.relabel(connection, records)
                return records
            standing = table.fetch(connection, list(standing))
            table.relabel(connection, list(standing.values()))
            return [standing[record.id] for record in records]

        return await self._database.run(work, StoreUnavailable) if records else ()

    async def get(self, ids: Sequence[str]) -> Sequence[Record | None]:
        """The record of each, or None."""
        found = await self._database.read(lambda connection: table.fetch(connection, ids), StoreUnavailable)
        return [found.get(id) for id in ids]

    async def wait(self, id: str) -> Record:
        """The record once it is final; waits for ever, the caller bounds it. Cancelling is safe."""
        loop = asyncio.get_running_loop()
        waiters = self._waiters.get(loop)
        if waiters is None or not waiters.open:
            waiters = self._waiters[loop] = Waiters(self._database)
        return await waiters.wait(id)

    async def delete(self, ids: Sequence[str]) -> None:
        """Drop these records, whatever their state."""
        if ids:
            await self._database.run(lambda connection: table.drop(connection, ids), StoreUnavailable)

    async def forget(self) -> int:
        """Drop the records that are past their lifetime, in transactions of bounded size. How many there were."""
        now, total, dropped = self._clock.now(), 0, _AT_ONCE
        while dropped == _AT_ONCE:
            dropped = await self._database.run(
                lambda connection: _forget(connection, now), StoreUnavailable, durable=False
            )
            total += dropped
            if dropped == _AT_ONCE:
                await asyncio.sleep(_PAUSE)
        return total

    async def records(self, query: RecordQuery, limit: int = 100, after: str = "") -> Sequence[Record]:
        """The records that fit, in the order of their ids."""
        return await self._database.read(
            lambda connection: table.select(connection, query, limit, after), StoreUnavailable
        )

    async def counts(self, query: RecordQuery) -> Mapping[State, int]:
        """How many fit, by state. Reads the whole table, on the connection for reading."""
        return await self._database.read(lambda connection: table.count(connection, query), StoreUnavailable)


def _forget(connection: Connection, now: float) -> int:
    (listed,) = connection.execute(_EXPIRED, (now, _AT_ONCE)).fetchone()
    expired = table.ids_in(listed)
    return table.drop(connection, expired) if expired else 0
