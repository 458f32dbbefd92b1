"""The broker: taking messages, and looking at them. What a worker does with them is in consumer.py."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial

from ...core.clock import Clock
from ...core.message import Outgoing
from ...errors import BrokerUnavailable
from ..base import BrokerCapabilities, Consumer, DeadLetter, QueueCounts
from .connection import Connection, Wake
from .consumer import SqliteConsumer
from .database import Database
from .messages import rows_of
from .statements import as_json, insert, sql

_AT_ONCE = 1000  # in one transaction: others want the file too
_PAUSE = 0.02  # seconds between two such, where there is no hurry

# What is due counts as ready, though it is only made so when somebody next receives.
_COUNTS = {
    "ready": "SELECT queue, count(*) FROM message WHERE state = 0 GROUP BY queue",
    "due": "SELECT queue, count(*) FROM message WHERE state = 1 AND due <= :now GROUP BY queue",
    "scheduled": "SELECT queue, count(*) FROM message WHERE state = 1 AND due > :now GROUP BY queue",
    "held": "SELECT queue, count(*) FROM message WHERE state = 2 GROUP BY queue",
    "dead": "SELECT queue, count(*) FROM dead GROUP BY queue",
}


class SqliteBroker:
    """Messages in a file."""

    capabilities = BrokerCapabilities(
        durable=True, shared=True, delays=float("inf"), priorities=True, counts_crashes=True, fences=True, inspects=True
    )

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def open(self) -> None:
        await self._database.open(BrokerUnavailable)

    async def close(self) -> None:
        await self._database.close()

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        """Take these, all or none, on disk when it returns. One that is here already with its turn or a later one is
        not taken."""
        rows = rows_of(messages, self._clock.now())

        def work(connection: Connection) -> None:
            insert(connection, "publish", rows)
            connection.wakes |= Wake.MESSAGES

        if rows:
            await self._database.run(work, BrokerUnavailable)

    async def consumer(self, queues: Sequence[str], worker: str, lease: float) -> Consumer:
        """A worker's side. The first queue goes first whatever waits in the others; within a queue the best priority,
        then the oldest."""
        return SqliteConsumer(self._database, self._clock, tuple(dict.fromkeys(queues)), worker, lease)

    async def forget(self) -> int:
        """Drop dead letters past their lifetime, and expired facts. How many dead letters there were."""
        now, up, total, dropped = self._clock.now(), self._clock.monotonic(), 0, _AT_ONCE
        while dropped == _AT_ONCE:
            dropped = await self._database.run(
                lambda connection: _forget(connection, now, up), BrokerUnavailable, durable=False
            )
            total += dropped
            if dropped == _AT_ONCE:
                await asyncio.sleep(_PAUSE)
        return total

    async def counts(self) -> Mapping[str, QueueCounts]:
        """How many messages each queue holds; those that hold none are left out."""
        now = self._clock.now()

        def work(connection: Connection) -> dict[str, Counter[str]]:
            found: dict[str, Counter[str]] = {}
            for what, statement in _COUNTS.items():
                for queue, number in connection.execute(statement, {"now": now}):
                    found.setdefault(queue, Counter())[what] = number
            return found

        counted = await self._database.read(work, BrokerUnavailable)
        return {
            queue: QueueCounts(ready=n["ready"] + n["due"], scheduled=n["scheduled"], held=n["held"], dead=n["dead"])
            for queue, n in counted.items()
        }

    async def peek(self, queue: str, limit: int = 20) -> Sequence[bytes]:
        """The bodies of the messages next in line, without taking them."""
        given = {"now": self._clock.now(), "queue": queue, "limit": limit}

        def work(connection: Connection) -> list[bytes]:
            return [body for (body,) in connection.execute(sql("peek"), given)]

        return await self._database.read(work, BrokerUnavailable)

    async def dead_letters(self, limit: int = 100, after: int = 0) -> Sequence[DeadLetter]:
        """Dead letters with a key above `after`, oldest first."""

        def work(connection: Connection) -> list[DeadLetter]:
            page = "SELECT key, id, task, queue, reason, died, body FROM dead WHERE key > ? ORDER BY key LIMIT ?"
            return [
                DeadLetter(key=key, id=id, task=task, queue=queue, reason=reason, died=died, body=body)
                for key, id, task, queue, reason, died, body in connection.execute(page, (after, limit))
            ]

        return await self._database.read(work, BrokerUnavailable)

    async def discard_dead(self, keys: Sequence[int]) -> int:
        """Drop these dead letters. How many were still there."""
        return await self._database.run(lambda connection: _discard(connection, keys), BrokerUnavailable)

    async def retry_dead(self, replacements: Mapping[int, Outgoing]) -> int:
        """Replace each dead letter by a message, at once. How many were still there."""
        now = self._clock.now()

        def work(connection: Connection) -> int:
            found = [message for key, message in replacements.items() if _discard(connection, [key])]
            insert(connection, "publish", rows_of(found, now))
            connection.wakes |= Wake.MESSAGES
            return len(found)

        return await self._database.run(work, BrokerUnavailable)

    async def purge(self, queue: str) -> int:
        """Drop what is ready or scheduled in the queue, in transactions of bounded size; what is held goes on. How many
        there were."""

        total = 0
        for state in ("state = 0", "state = 1"):
            few = f"SELECT seq FROM message WHERE {state} AND queue = ? LIMIT ?"
            work = partial(_delete, f"DELETE FROM message WHERE seq IN ({few})", (queue, _AT_ONCE))
            dropped = _AT_ONCE
            while dropped == _AT_ONCE:
                dropped = await self._database.run(work, BrokerUnavailable)
                total += dropped
        return total


def _forget(connection: sqlite3.Connection, now: float, monotonic: float) -> int:
    connection.execute("DELETE FROM fact WHERE until <= ?", (now,))
    connection.execute("DELETE FROM holder WHERE until <= ?", (monotonic,))
    few = "DELETE FROM dead WHERE key IN (SELECT key FROM dead WHERE forget <= ? LIMIT ?)"
    return _delete(few, (now, _AT_ONCE), connection)


def _delete(statement: str, parameters: tuple[object, ...], connection: sqlite3.Connection) -> int:
    return connection.execute(statement, parameters).rowcount


def _discard(connection: sqlite3.Connection, keys: Sequence[int]) -> int:
    listed = (as_json(keys),)
    return connection.execute("DELETE FROM dead WHERE key IN (SELECT value FROM json_each(?))", listed).rowcount
