"""The limits: the least that the same work takes, written by hand without any promise but the disk's."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from .subject import Conditions

_SCHEMA = """
CREATE TABLE jobs (id INTEGER PRIMARY KEY, body BLOB NOT NULL, state INTEGER NOT NULL DEFAULT 0, result BLOB);
CREATE INDEX ready ON jobs (id) WHERE state = 0;
"""
_CALLERS = 100


def sqlite(at: Conditions) -> dict[str, float]:
    """The bare `sqlite3` module with `synchronous=FULL`: insert; then mark as held; then store a result and let go."""
    found: dict[str, float] = {}
    for each in (1, 100):
        with _database(at, f"limit-{each}") as database:
            found[f"limit.sqlite.enqueue.{each}"] = size = _enqueued(database, each, at.seconds(0.7))
            found[f"limit.sqlite.settle.{each}"] = _settled(database, each, at.seconds(0.7))
            assert size
    return found


@contextmanager
def _database(at: Conditions, name: str) -> Iterator[sqlite3.Connection]:
    database = sqlite3.connect(at.folder / f"{name}.db", isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("PRAGMA wal_autocheckpoint=4000")  # as our driver has it: else we would be compared by that
    database.executescript(_SCHEMA)
    yield database
    database.close()


def _enqueued(database: sqlite3.Connection, each: int, seconds: float) -> float:
    made, begun = 0, time.perf_counter()
    while time.perf_counter() < begun + seconds:
        bodies = [(msgspec.json.encode((made + n, "a name", 1.5)),) for n in range(each)]
        database.execute("BEGIN IMMEDIATE")
        database.executemany("INSERT INTO jobs (body) VALUES (?)", bodies)
        database.execute("COMMIT")
        made += each
    return made / (time.perf_counter() - begun)


def _settled(database: sqlite3.Connection, each: int, seconds: float) -> float:
    done, begun = 0, time.perf_counter()
    while time.perf_counter() < begun + seconds:
        database.execute("BEGIN IMMEDIATE")
        rows = database.execute("SELECT id, body FROM jobs WHERE state = 0 ORDER BY id LIMIT ?", (each,)).fetchall()
        database.executemany("UPDATE jobs SET state = 1 WHERE id = ?", [(id,) for id, _ in rows])
        database.execute("COMMIT")
        if not rows:
            break
        results = [(msgspec.json.encode(msgspec.json.decode(body)[2] * 2), id) for id, body in rows]
        database.execute("BEGIN IMMEDIATE")
        database.executemany("UPDATE jobs SET state = 2, result = ? WHERE id = ?", results)
        database.execute("COMMIT")
        done += len(rows)
    return done / (time.perf_counter() - begun)


async def memory(at: Conditions) -> dict[str, float]:
    """What the event loop itself takes: a future for each call, a task for each job."""
    return {
        "limit.memory.enqueue": await _futures(at.seconds(0.7)),
        "limit.memory.tasks": await _tasks(at.seconds(0.7), coded=False),
        "limit.memory.codec": await _tasks(at.seconds(0.7), coded=True),
    }


async def _futures(seconds: float) -> float:
    loop = asyncio.get_running_loop()
    waiting: list[asyncio.Future[None]] = []
    more = asyncio.Event()
    until = time.perf_counter() + seconds
    bodies: list[bytes] = []

    async def caller() -> None:
        while time.perf_counter() < until:
            bodies.append(msgspec.json.encode((1, "a name", 1.5)))
            done: asyncio.Future[None] = loop.create_future()
            waiting.append(done)
            more.set()
            await done

    async def flusher() -> None:
        while True:
            await more.wait()
            more.clear()
            taken = waiting[:]
            waiting.clear()
            for done in taken:
                done.set_result(None)

    begun = time.perf_counter()
    flushing = asyncio.ensure_future(flusher())
    await asyncio.gather(*(caller() for _ in range(_CALLERS)))
    took = time.perf_counter() - begun
    flushing.cancel()
    return len(bodies) / took


async def _tasks(seconds: float, *, coded: bool) -> float:
    loop = asyncio.get_running_loop()
    ledger: list[int] = []
    records: list[bytes] = []
    decode = msgspec.json.Decoder(tuple[int, str, float]).decode
    encode = msgspec.json.Encoder().encode
    body = encode((1, "a name", 1.5))

    async def body_of_a_task(number: int, name: str, price: float) -> float:
        ledger.append(number)
        return price * 2

    async def job() -> float:
        return await body_of_a_task(1, "a name", 1.5)

    async def coded_job() -> float:
        result = await body_of_a_task(*decode(body))
        records.append(encode({"id": len(ledger), "state": "succeeded", "args": [1, "a name", 1.5], "result": result}))
        return result

    begun = time.perf_counter()
    run = coded_job if coded else job
    while time.perf_counter() < begun + seconds:
        await asyncio.wait([loop.create_task(run()) for _ in range(_CALLERS)])
    return len(ledger) / (time.perf_counter() - begun)
