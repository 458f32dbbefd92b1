"""Operations that wait together are committed together, and fail alone."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aioqueue.drivers.sqlite.broker import SqliteBroker
from aioqueue.drivers.sqlite.connection import Connection
from aioqueue.drivers.sqlite.database import Database
from aioqueue.drivers.sqlite.location import Location
from aioqueue.drivers.sqlite.statements import insert
from aioqueue.errors import BrokerUnavailable, StoreUnavailable
from aioqueue.testing import ManualClock
from aioqueue.testing.contracts.jobs import outs


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = Database(Location(path=tmp_path / "jobs.db"))
    await database.open(BrokerUnavailable)
    yield database
    await database.close()


class Gate:
    """An operation that holds up the thread until it is let through, so that what follows gathers."""

    def __init__(self) -> None:
        self.entered, self.free = threading.Event(), threading.Event()

    def __call__(self, connection: Connection) -> None:
        self.entered.set()
        assert self.free.wait(10)


def keys(connection: Connection) -> set[str]:
    return {key for (key,) in connection.execute("SELECT key FROM meta WHERE key <> 'boot'")}


async def held_up(database: Database, gate: Gate) -> asyncio.Task[None]:
    task = asyncio.create_task(database.run(gate, BrokerUnavailable))
    await asyncio.to_thread(gate.entered.wait, 10)
    return task


async def test_of_operations_committed_together_one_that_fails_is_rolled_back_alone(database: Database) -> None:
    gate = Gate()
    first = await held_up(database, gate)
    commits: list[int] = []

    def write(key: str, connection: Connection) -> None:
        connection.execute("INSERT INTO meta VALUES (?, '')", (key,))
        commits.append(connection.total_changes)
        if key == "wrong":
            connection.execute("INSERT INTO meta VALUES ('a', '')")

    def job(key: str) -> asyncio.Task[None]:
        return asyncio.create_task(database.run(lambda c: write(key, c), StoreUnavailable))

    jobs = [job(key) for key in ("a", "wrong", "b")]
    await asyncio.sleep(0)  # let them be put
    gate.free.set()
    await first
    results = await asyncio.gather(*jobs, return_exceptions=True)
    assert [type(result) for result in results] == [type(None), StoreUnavailable, type(None)]
    assert await database.read(keys, StoreUnavailable) == {"a", "b"}


async def test_what_was_cancelled_before_its_turn_is_not_carried_out(database: Database) -> None:
    gate = Gate()
    first = await held_up(database, gate)
    job = asyncio.create_task(
        database.run(lambda c: c.execute("INSERT INTO meta VALUES ('a', '')").rowcount, BrokerUnavailable)
    )
    await asyncio.sleep(0)
    job.cancel()
    await asyncio.wait([job])
    gate.free.set()
    await first
    assert await database.read(keys, StoreUnavailable) == set()


async def test_what_was_cancelled_while_it_ran_is_undone(database: Database) -> None:
    gate = Gate()
    undone = asyncio.Event()

    def work(connection: Connection) -> int:
        gate(connection)
        return 7

    def undo(result: int) -> None:
        assert result == 7
        undone.set()

    job = asyncio.create_task(database.run(work, BrokerUnavailable, undo=undo))
    await asyncio.to_thread(gate.entered.wait, 10)
    job.cancel()
    await asyncio.wait([job])
    gate.free.set()
    async with asyncio.timeout(10):
        await undone.wait()


async def test_a_batch_claimed_for_a_receiver_that_was_cancelled_is_given_back(database: Database) -> None:
    clock, gate = ManualClock(), Gate()
    broker = SqliteBroker(database, clock)
    await broker.publish(outs(5))
    one = await broker.consumer(["default"], "worker-1", 15)
    other = await broker.consumer(["default"], "worker-2", 15)
    claim = one._claim  # type: ignore[attr-defined]

    def slow(room: int, connection: Connection) -> object:
        gate(connection)
        return claim(room, connection)

    one._claim = slow  # type: ignore[attr-defined]
    receiving = asyncio.create_task(one.receive(5))
    await asyncio.to_thread(gate.entered.wait, 10)
    receiving.cancel()
    await asyncio.wait([receiving])
    gate.free.set()
    async with asyncio.timeout(10):
        assert len(await other.receive(5)) == 5
    await one.close()
    await other.close()


async def test_several_loops_may_use_it_at_once(database: Database) -> None:
    clock = ManualClock()
    broker = SqliteBroker(database, clock)

    def elsewhere(name: str) -> None:
        async def publish() -> None:
            for message in outs(20, name):
                await broker.publish([message])

        asyncio.run(publish())

    await asyncio.gather(*(asyncio.to_thread(elsewhere, f"thread-{i}") for i in range(4)))
    assert (await broker.counts())["default"].ready == 80


@pytest.mark.parametrize("n", [0, 1, 7, 511, 512, 513, 1300])
async def test_a_batch_of_any_size_is_written_whole_and_in_order(database: Database, n: int) -> None:
    rows = [(None, None, "q", f"{i}", 0.0, 0.0, b"") for i in range(n)]
    assert await database.run(lambda connection: insert(connection, "insert_dead", rows), BrokerUnavailable) == n

    def written(connection: Connection) -> list[tuple[str]]:
        return connection.execute("SELECT reason FROM dead ORDER BY key").fetchall()

    assert await database.read(written, BrokerUnavailable) == [(f"{i}",) for i in range(n)]


async def test_an_idle_receiver_costs_next_to_nothing(tmp_path: Path) -> None:
    database = Database(Location(path=tmp_path / "idle.db", poll=0.01))  # fifty times as eager as usual
    await database.open(BrokerUnavailable)
    consumer = await SqliteBroker(database, ManualClock()).consumer(["default"], "worker-1", 15)
    before = time.process_time()
    receiving = asyncio.create_task(consumer.receive(1))
    await asyncio.wait([receiving], timeout=1.0)
    spent = time.process_time() - before
    assert not receiving.done()
    consumer.stop_receiving()
    assert await receiving == ()
    await consumer.close()
    await database.close()
    assert spent < 0.5
