"""The file itself: whose it is, what becomes of it when it is damaged, full or gone, and what outlives a restart."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aioqueue.drivers.base import Entry
from aioqueue.drivers.sqlite.broker import SqliteBroker
from aioqueue.drivers.sqlite.commit import SqliteCommit
from aioqueue.drivers.sqlite.connection import Connection, connect
from aioqueue.drivers.sqlite.database import Database
from aioqueue.drivers.sqlite.location import Location
from aioqueue.drivers.sqlite.store import SqliteStore
from aioqueue.errors import BrokerUnavailable, ConfigurationError, StoreUnavailable
from aioqueue.testing import ManualClock
from aioqueue.testing.contracts.jobs import out, outs, record


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    database = Database(Location(path=path))
    await database.open(BrokerUnavailable)
    yield database
    await database.close()


def entries(n: int) -> list[Entry]:
    return [Entry(message, record(message.id)) for message in outs(n)]


async def test_nobody_else_may_read_it(database: Database, clock: ManualClock, path: Path) -> None:
    await SqliteBroker(database, clock).publish([out()])
    assert {file.name: oct(file.stat().st_mode & 0o777) for file in path.parent.glob("jobs.db*")} == {
        "jobs.db": "0o600", "jobs.db-wal": "0o600", "jobs.db-shm": "0o600",
    }  # fmt: skip


async def test_many_may_create_it_at_once(path: Path, clock: ManualClock) -> None:
    databases = [Database(Location(path=path)) for _ in range(12)]
    await asyncio.gather(*(database.open(BrokerUnavailable) for database in databases))
    await asyncio.gather(*(SqliteBroker(db, clock).publish([out(f"job-{i}")]) for i, db in enumerate(databases)))
    assert (await SqliteBroker(databases[0], clock).counts())["default"].ready == 12
    for database in databases:
        await database.close()


async def test_the_file_of_another_program_is_left_alone(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE message (a)")
    other.close()
    with pytest.raises(ConfigurationError, match="another program"):
        await Database(Location(path=path)).open(BrokerUnavailable)


async def test_tables_of_a_newer_version_are_refused(path: Path) -> None:
    newer = connect(Location(path=path))
    newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(ConfigurationError, match="newer"):
        await Database(Location(path=path)).open(StoreUnavailable)


def test_what_is_no_sqlite_file_is_refused(path: Path) -> None:
    path.write_bytes(b"not a database, but long enough to look at\n" * 100)
    with pytest.raises(ConfigurationError, match="no SQLite file"):
        asyncio.run(Database(Location(path=path)).open(BrokerUnavailable))


async def test_a_full_disk_fails_the_enqueue_whole_and_space_makes_it_work_again(
    database: Database, clock: ManualClock
) -> None:
    commit, broker, store = SqliteCommit(database, clock), SqliteBroker(database, clock), SqliteStore(database, clock)
    await commit.enqueue(entries(3)[:1])

    def fill(connection: Connection) -> None:
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + 4}")

    await database.run(fill, BrokerUnavailable)
    with pytest.raises(BrokerUnavailable, match="disk is full"):
        await commit.enqueue(entries(500)[1:])
    assert (await broker.counts())["default"].ready == 1
    assert await store.get(["job-000000", "job-000001", "job-000499"]) == [record("job-000000"), None, None]
    # A new connection knows of no limit: the disk has space again.
    await commit.enqueue(entries(500))
    assert (await broker.counts())["default"].ready == 500


async def test_a_file_that_was_removed_is_made_again_at_the_next_operation(
    database: Database, clock: ManualClock, path: Path
) -> None:
    broker = SqliteBroker(database, clock)
    await broker.publish([out("lost")])
    assert await broker.peek("default") == [out("lost").body]  # so the connection for reading is open too
    for file in path.parent.glob("jobs.db*"):
        if file.is_file():
            file.unlink()
    await broker.publish([out("kept")])
    assert await broker.peek("default") == [out("kept").body]
    # On disk, and neither in a file that has no name any more, nor swept away by a connection to that one as it closed.
    with sqlite3.connect(path) as other:
        assert other.execute("SELECT id FROM message").fetchall() == [("kept",)]
    other.close()


async def test_a_file_that_others_write_for_longer_than_our_patience_is_unavailable(
    path: Path, clock: ManualClock
) -> None:
    database = Database(Location(path=path, patience=0.05))
    await database.open(BrokerUnavailable)
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(BrokerUnavailable, match="busy"):
            await SqliteBroker(database, clock).publish([out()])
        with pytest.raises(StoreUnavailable, match="busy"):
            await SqliteStore(database, clock).save([record()])
        other.execute("ROLLBACK")
    other.close()
    await SqliteBroker(database, clock).publish([out()])
    await database.close()


async def test_the_restart_of_the_machine_ends_every_lease(path: Path, clock: ManualClock) -> None:
    location = Location(path=path)
    database = Database(location)
    await database.open(BrokerUnavailable)
    await SqliteBroker(database, clock).publish(outs(3))
    consumer = await SqliteBroker(database, clock).consumer(["default"], "worker-1", 1e6)
    assert len(await consumer.receive(10)) == 3
    await consumer.close()
    await database.close()
    connection = connect(location)
    connection.execute("UPDATE meta SET value = 'before' WHERE key = 'boot'")
    connection.close()
    # The monotonic clock starts anew.
    database, clock = Database(location), ManualClock()
    await database.open(BrokerUnavailable)
    consumer = await SqliteBroker(database, clock).consumer(["default"], "worker-2", 1e6)
    assert await consumer.reclaim() == 3
    assert [delivery.crashes for delivery in await consumer.receive(10)] == [1, 1, 1]
    # The same boot again: what is held stays held.
    again = Database(location)
    await again.open(BrokerUnavailable)
    assert await consumer.reclaim() == 0
    for each in (consumer, again, database):
        await each.close()


async def test_a_step_of_the_wall_clock_ends_no_lease(database: Database, clock: ManualClock) -> None:
    await SqliteBroker(database, clock).publish([out()])
    consumer = await SqliteBroker(database, clock).consumer(["default"], "worker-1", 15)
    (delivery,) = await consumer.receive(1)
    clock.step_wall(86_400)
    assert await consumer.reclaim() == 0
    clock.step_wall(-2 * 86_400)
    clock.advance(16)
    assert await consumer.reclaim() == 1
    await consumer.ack([delivery])  # too late: it is not ours
    assert len(await consumer.receive(1)) == 1
    await consumer.close()


async def test_the_first_to_open_connects_and_the_last_to_close_disconnects(path: Path, clock: ManualClock) -> None:
    database = Database(Location(path=path))
    broker, store = SqliteBroker(database, clock), SqliteStore(database, clock)
    await store.open()
    await broker.open()
    await store.close()
    await broker.publish([out()])
    await broker.close()
    with pytest.raises(BrokerUnavailable, match="not open"):
        await broker.publish([out()])
    assert [file.name for file in path.parent.iterdir()] == ["jobs.db"]


async def test_closing_the_file_wakes_whoever_still_waits(path: Path, clock: ManualClock) -> None:
    database = Database(Location(path=path, poll=1e6))
    await database.open(BrokerUnavailable)
    consumer = await SqliteBroker(database, clock).consumer(["default"], "worker-1", 15)
    receiving = asyncio.create_task(consumer.receive(1))
    waiting = asyncio.create_task(SqliteStore(database, clock).wait("job-1"))
    await asyncio.wait([receiving, waiting], timeout=0.1)  # both have looked, and found nothing
    await database.close()
    async with asyncio.timeout(10):
        with pytest.raises(BrokerUnavailable, match="not open"):
            await receiving
        with pytest.raises(StoreUnavailable, match="not open"):
            await waiting
    await consumer.close()
