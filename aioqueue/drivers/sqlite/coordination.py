"""Small shared facts, each with an expiry."""

from __future__ import annotations

import sqlite3
from functools import partial

from ...core.clock import Clock
from ...errors import BrokerUnavailable
from .connection import Connection
from .database import Database

_GET = "SELECT value FROM fact WHERE key = ? AND until > ?"
_PUT = "INSERT OR REPLACE INTO fact (key, value, until) VALUES (?, ?, ?)"
_HOLD = "INSERT OR REPLACE INTO holder (key, holder, until) VALUES (?, ?, ?)"


class SqliteCoordination:
    """Facts and holders in the file. Facts outlive the machine's restart, and so expire by the wall clock; leases do
    not, and run by the monotonic one, which nobody sets."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def put_if_absent(self, key: str, value: bytes, ttl: float) -> bytes:
        """The value that stands: ours if there was none."""
        now = self._clock.now()

        def work(connection: Connection) -> bytes:
            standing = _get(connection, key, now)
            if standing is not None:
                return standing
            connection.execute(_PUT, (key, value, now + ttl))
            return value

        return await self._database.run(work, BrokerUnavailable)

    async def compare_and_set(self, key: str, expected: bytes | None, value: bytes | None, ttl: float) -> bool:
        """Replace `expected` by `value` (None: absent). Whether it was so."""
        now = self._clock.now()

        def work(connection: Connection) -> bool:
            if _get(connection, key, now) != expected:
                return False
            if value is None:
                connection.execute("DELETE FROM fact WHERE key = ?", (key,))
            else:
                connection.execute(_PUT, (key, value, now + ttl))
            return True

        return await self._database.run(work, BrokerUnavailable)

    async def get(self, key: str) -> bytes | None:
        """The value, if there is one that has not expired."""
        now = self._clock.now()
        return await self._database.read(lambda connection: _get(connection, key, now), BrokerUnavailable)

    async def lease(self, key: str, holder: str, limit: int, ttl: float) -> bool:
        """Whether `holder` is, or now becomes, one of at most `limit` holders of `key` for `ttl` seconds."""
        now = self._clock.monotonic()

        def work(connection: Connection) -> bool:
            connection.execute("DELETE FROM holder WHERE key = ? AND until <= ?", (key, now))
            holders = {name for (name,) in connection.execute("SELECT holder FROM holder WHERE key = ?", (key,))}
            if holder not in holders and len(holders) >= limit:
                return False
            connection.execute(_HOLD, (key, holder, now + ttl))
            return True

        return await self._database.run(work, BrokerUnavailable)

    async def unlease(self, key: str, holder: str) -> None:
        """Hold it no longer."""
        statement = "DELETE FROM holder WHERE key = ? AND holder = ?"
        await self._database.run(partial(_execute, statement, (key, holder)), BrokerUnavailable)


def _get(connection: sqlite3.Connection, key: str, now: float) -> bytes | None:
    found = connection.execute(_GET, (key, now)).fetchone()
    return None if found is None else bytes(found[0])


def _execute(statement: str, parameters: tuple[str, ...], connection: Connection) -> None:
    connection.execute(statement, parameters)
