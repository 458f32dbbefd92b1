"""Group commit: alone at once, together under load, bounded, and nobody is left waiting."""

from __future__ import annotations

import asyncio

import pytest

from aioqueue.commit.group import GroupCommit


class Writer:
    """Writes when it may, and keeps each batch."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.go = asyncio.Event()
        self.started = asyncio.Semaphore(0)
        self.error: Exception | None = None

    async def write(self, batch: list[int]) -> None:
        self.started.release()
        await self.go.wait()
        if self.error is not None:
            raise self.error
        self.batches.append(batch)


async def test_alone_an_item_leaves_at_once() -> None:
    writer = Writer()
    buffer = GroupCommit(writer.write)
    flusher = asyncio.create_task(buffer.run())
    buffer.add(1)
    await writer.started.acquire()
    writer.go.set()
    await buffer.drained()
    assert writer.batches == [[1]]
    buffer.close()
    await flusher


async def test_what_gathers_during_a_write_leaves_together_in_order() -> None:
    writer = Writer()
    buffer = GroupCommit(writer.write)
    flusher = asyncio.create_task(buffer.run())
    buffer.add(0)
    await writer.started.acquire()
    for n in range(1, 100):
        buffer.add(n)
    writer.go.set()
    await buffer.drained()
    assert writer.batches == [[0], list(range(1, 100))]
    buffer.close()
    await flusher


async def test_no_batch_is_longer_than_allowed() -> None:
    writer = Writer()
    buffer = GroupCommit(writer.write, most=10)
    for n in range(25):
        buffer.add(n)
    writer.go.set()
    buffer.close()
    await buffer.run()
    assert [len(batch) for batch in writer.batches] == [10, 10, 5]


async def test_however_many_wait_for_room_the_buffer_stays_bounded() -> None:
    writer = Writer()
    buffer = GroupCommit(writer.write, most=2)
    flusher = asyncio.create_task(buffer.run())
    added: list[int] = []
    lengths: list[int] = []

    async def put(n: int) -> None:
        await buffer.room()
        buffer.add(n)
        added.append(n)
        lengths.append(len(buffer.rest()))

    puts = [asyncio.create_task(put(n)) for n in range(100)]
    await writer.started.acquire()
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(added) <= 2 * 4 + 2
    writer.go.set()
    await asyncio.gather(*puts)
    await buffer.drained()
    assert max(lengths) <= 2 * 4
    assert sorted(n for batch in writer.batches for n in batch) == list(range(100))
    buffer.close()
    await flusher


async def test_an_item_that_no_write_has_taken_can_be_withdrawn_and_one_that_was_taken_cannot() -> None:
    writer = Writer()
    buffer = GroupCommit(writer.write)
    flusher = asyncio.create_task(buffer.run())
    buffer.add(1)
    await writer.started.acquire()
    buffer.add(2)
    buffer.add(3)
    assert buffer.withdraw(1) is False
    assert buffer.withdraw(2) is True
    assert buffer.withdraw(2) is False
    writer.go.set()
    buffer.close()
    await flusher
    assert writer.batches == [[1], [3]]


async def test_withdrawing_the_only_item_writes_nothing() -> None:
    writer = Writer()
    buffer = GroupCommit(writer.write)
    buffer.add(1)
    buffer.withdraw(1)
    writer.go.set()
    flusher = asyncio.create_task(buffer.run())
    async with asyncio.timeout(1):
        await buffer.drained()
    buffer.close()
    await flusher
    assert writer.batches == []


async def test_closing_writes_what_is_left() -> None:
    writer = Writer()
    buffer = GroupCommit(writer.write)
    flusher = asyncio.create_task(buffer.run())
    buffer.add(1)
    await writer.started.acquire()
    buffer.add(2)
    buffer.close()
    writer.go.set()
    await flusher
    assert writer.batches == [[1], [2]]


async def test_once_it_has_ended_nothing_is_taken_that_nobody_would_write() -> None:
    buffer = GroupCommit(Writer().write)
    buffer.close()
    await buffer.run()
    with pytest.raises(RuntimeError, match="nothing is written"):
        buffer.add(1)


async def test_a_write_that_fails_ends_it_and_says_what_was_left() -> None:
    writer = Writer()
    writer.error = ValueError("disk")
    buffer = GroupCommit(writer.write, most=1)
    buffer.add(1)
    buffer.add(2)
    writer.go.set()
    with pytest.raises(ValueError, match="disk"):
        await buffer.run()
    assert buffer.rest() == [2]
    async with asyncio.timeout(1):
        await buffer.drained()
        await buffer.room()
