"""Several processes on one file: who gets what, who is woken, and what is left by one that is killed."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import resource
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

import pytest

from aioqueue.core.clock import SystemClock
from aioqueue.core.codec import decode
from aioqueue.core.state import Phase
from aioqueue.drivers.base import Driver, Entry, Standing, Transition
from aioqueue.drivers.sqlite import drive
from aioqueue.drivers.sqlite.location import Location
from aioqueue.errors import BrokerUnavailable
from aioqueue.testing.contracts import opened
from aioqueue.testing.contracts.jobs import out, record

PROCESSES = 8
JOBS = 2000
NEVER = 1e6  # seconds between looks: only a wake-up can be what ends a wait

_spawn = multiprocessing.get_context("spawn")


class Child:
    """A process that runs `main(path, pipe)`."""

    def __init__(self, main: Callable[[Path, Pipe], None], path: Path) -> None:
        self.pipe, theirs = _spawn.Pipe()
        self.process = _spawn.Process(target=main, args=(path, theirs), daemon=True)
        self.process.start()
        theirs.close()

    async def says(self) -> Any:
        """Its next word."""
        return await asyncio.to_thread(self._receive)

    def _receive(self) -> Any:
        assert self.pipe.poll(60), "the other process says nothing"
        return self.pipe.recv()

    async def ended(self) -> int | None:
        await asyncio.to_thread(self.process.join, 60)
        return self.process.exitcode


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jobs.db"


@pytest.fixture
async def driver(path: Path) -> AsyncIterator[Driver]:
    async with opened(drive(Location(path=path, poll=NEVER), clock=SystemClock())) as driver:
        yield driver


def entry(id: str) -> Entry:
    return Entry(out(id), record(id))


def work_until_told(path: Path, pipe: Pipe) -> None:
    """Take and finish jobs, a few at a time, and in the end say which."""

    async def main() -> None:
        async with opened(drive(Location(path=path), clock=SystemClock())) as driver:
            assert driver.broker is not None
            assert driver.commit is not None
            consumer = await driver.broker.consumer(["default"], str(os.getpid()), 60)
            pipe.send("ready")
            asyncio.get_running_loop().add_reader(pipe.fileno(), consumer.stop_receiving)
            done: list[str] = []
            while deliveries := await consumer.receive(7):
                found = [decode(delivery.body).id for delivery in deliveries]
                ends = [
                    Transition(delivery=delivery, record=record(id, phase=Phase.ENDED))
                    for delivery, id in zip(deliveries, found, strict=True)
                ]
                applied = await driver.commit.apply(consumer, ends)
                assert all(one.standing is Standing.APPLIED for one in applied)
                done += found
            asyncio.get_running_loop().remove_reader(pipe.fileno())
            await consumer.close()
            pipe.send(done)

    asyncio.run(main())


async def test_eight_processes_do_each_job_once_and_never_find_the_file_busy(driver: Driver, path: Path) -> None:
    assert driver.commit is not None
    assert driver.store is not None
    children = [Child(work_until_told, path) for _ in range(PROCESSES)]
    for child in children:
        assert await child.says() == "ready"
    ids = [f"job-{i:06}" for i in range(JOBS)]
    for at in range(0, JOBS, 100):
        await driver.commit.enqueue([entry(id) for id in ids[at : at + 100]])
    for id in ids:
        await driver.store.wait(id)
    for child in children:
        child.pipe.send("stop")
    done: Counter[str] = Counter()
    for child in children:
        done.update(await child.says())
    assert done == Counter(ids)
    assert [await child.ended() for child in children] == [0] * PROCESSES


def wait_for_one(path: Path, pipe: Pipe) -> None:
    """Wait for a message without ever looking by oneself, and then for a record likewise."""

    async def main() -> None:
        async with opened(drive(Location(path=path, poll=NEVER), clock=SystemClock())) as driver:
            assert driver.broker is not None
            assert driver.store is not None
            consumer = await driver.broker.consumer(["default"], "other", 60)
            receiving = asyncio.create_task(consumer.receive(1))
            waiting = asyncio.create_task(driver.store.wait("job-2"))
            await asyncio.wait([receiving, waiting], timeout=0.2)  # both have looked, and found nothing
            pipe.send("waiting")
            pipe.send([decode(delivery.body).id for delivery in await receiving])
            pipe.send((await waiting).id)
            await consumer.close()

    asyncio.run(main())


async def test_a_commit_wakes_other_processes_that_never_look_by_themselves(driver: Driver, path: Path) -> None:
    assert driver.broker is not None
    assert driver.store is not None
    child = Child(wait_for_one, path)
    assert await child.says() == "waiting"
    await driver.broker.publish([out("job-1")])
    assert await child.says() == ["job-1"]
    await driver.store.save([record("job-2", phase=Phase.ENDED)])
    assert await child.says() == "job-2"
    assert await child.ended() == 0
    assert os.listdir(path.with_name("jobs.db-wake")) == []


async def test_a_receiver_is_woken_from_however_deep_a_folder(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["a-folder-with-a-rather-long-name"] * 6)
    os.makedirs(deep)
    location = Location(path=deep / "jobs.db", poll=NEVER)
    async with (
        opened(drive(location, clock=SystemClock())) as one,
        opened(drive(location, clock=SystemClock())) as other,
    ):
        assert one.broker is not None
        assert other.broker is not None
        consumer = await one.broker.consumer(["default"], "worker-1", 60)
        receiving = asyncio.create_task(consumer.receive(1))
        await asyncio.wait([receiving], timeout=0.1)
        await other.broker.publish([out()])
        async with asyncio.timeout(10):
            assert len(await receiving) == 1
        await consumer.close()


async def test_without_wake_ups_a_receiver_looks_by_itself(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aioqueue.drivers.sqlite.wake._Folder.hang", lambda *args: None)
    location = Location(path=path, poll=0.02)
    async with (
        opened(drive(location, clock=SystemClock())) as one,
        opened(drive(location, clock=SystemClock())) as other,
    ):
        assert one.broker is not None
        assert other.broker is not None
        consumer = await one.broker.consumer(["default"], "worker-1", 60)
        receiving = asyncio.create_task(consumer.receive(1))
        await asyncio.wait([receiving], timeout=0.1)
        await other.broker.publish([out()])
        async with asyncio.timeout(10):
            assert len(await receiving) == 1
        await consumer.close()


def hold_for_ever(path: Path, pipe: Pipe) -> None:
    """Take a job, and hold it under a short lease."""

    async def main() -> None:
        async with opened(drive(Location(path=path), clock=SystemClock())) as driver:
            assert driver.broker is not None
            consumer = await driver.broker.consumer(["default"], "doomed", 0.3)
            pipe.send(len(await consumer.receive(10)))
            await asyncio.Event().wait()

    asyncio.run(main())


async def test_what_a_killed_process_held_comes_back_and_its_socket_goes(driver: Driver, path: Path) -> None:
    assert driver.broker is not None
    await driver.broker.publish([out("job-1"), out("job-2")])
    child = Child(hold_for_ever, path)
    assert await child.says() == 2
    assert child.process.pid is not None
    os.kill(child.process.pid, signal.SIGKILL)
    assert await child.ended() == -signal.SIGKILL
    consumer = await driver.broker.consumer(["default"], "worker-1", 60)
    receiving = asyncio.create_task(consumer.receive(10))
    reclaimed = 0
    async with asyncio.timeout(30):
        while not reclaimed:
            reclaimed = await consumer.reclaim()
        deliveries = await receiving
    assert reclaimed == 2
    assert [(d.crashes, d.redeliveries) for d in deliveries] == [(1, 1), (1, 1)]
    sockets = os.listdir(path.with_name("jobs.db-wake"))
    assert [name.split("-")[1] for name in sockets] == [str(os.getpid())]
    await consumer.close()


def die_while_enqueueing(path: Path, pipe: Pipe) -> None:
    """Enqueue for ever, and say of each batch that it is safe."""

    async def main() -> None:
        async with opened(drive(Location(path=path), clock=SystemClock())) as driver:
            assert driver.commit is not None
            for batch in range(1_000_000):
                await driver.commit.enqueue([entry(f"job-{batch:06}-{i}") for i in range(20)])
                pipe.send(batch)

    asyncio.run(main())


async def test_what_was_enqueued_before_a_kill_is_there_and_each_batch_whole(driver: Driver, path: Path) -> None:
    assert driver.broker is not None
    assert driver.store is not None
    child = Child(die_while_enqueueing, path)
    safe = -1
    while safe < 20:
        safe = await child.says()
    assert child.process.pid is not None
    os.kill(child.process.pid, signal.SIGKILL)
    await child.ended()
    while child.pipe.poll():
        try:
            safe = child.pipe.recv()
        except EOFError:
            break
    ready = (await driver.broker.counts())["default"].ready
    assert ready % 20 == 0
    assert ready // 20 in (safe + 1, safe + 2)  # the last one may have been committed, its answer not sent
    assert None not in await driver.store.get([f"job-{safe:06}-{i}" for i in range(20)])


def fail_to_grow(path: Path, pipe: Pipe) -> None:
    """Enqueue while the system lets no file grow, and again when it does."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    async def main() -> None:
        async with opened(drive(Location(path=path), clock=SystemClock())) as driver:
            assert driver.broker is not None
            assert driver.commit is not None
            await driver.commit.enqueue([entry("first")])
            limit = os.stat(f"{path}-wal").st_size + 20_000
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            entries = [entry(f"job-{i}") for i in range(500)]
            try:
                await driver.commit.enqueue(entries)
            except BrokerUnavailable:
                pipe.send((await driver.broker.counts())["default"].ready)
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            await driver.commit.enqueue(entries)
            pipe.send((await driver.broker.counts())["default"].ready)

    asyncio.run(main())


async def test_a_write_that_the_system_fails_half_way_leaves_nothing_behind(path: Path) -> None:
    child = Child(fail_to_grow, path)
    assert await child.says() == 1
    assert await child.says() == 501
    assert await child.ended() == 0
