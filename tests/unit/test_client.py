"""The client: calls made together leave together, and each caller gets its own answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from aioqueue import AioQueue, BrokerUnavailable, Job
from aioqueue.core.codec import decode
from aioqueue.drivers.base import Entry
from aioqueue.errors import NotEncodable
from aioqueue.testing import ManualClock


class Gate:
    """The queue's commit, which lets a batch through when told to."""

    def __init__(self, queue: AioQueue) -> None:
        commit: Any = queue.connection.commit
        self._enqueue = commit.enqueue
        commit.enqueue = self.enqueue
        self.batches: list[int] = []
        self.go = asyncio.Event()
        self.arrived = asyncio.Semaphore(0)
        self.poison: str | None = None

    async def enqueue(self, entries: Sequence[Entry]) -> Any:
        self.batches.append(len(entries))
        self.arrived.release()
        await self.go.wait()
        if any(entry.record.id == self.poison for entry in entries):
            raise ValueError("this one cannot be stored")
        return await self._enqueue(entries)


async def test_calls_made_during_a_write_leave_together() -> None:
    async with AioQueue("memory://") as queue:
        gate = Gate(queue)
        first = asyncio.create_task(queue.signature("work", 0).enqueue())
        await gate.arrived.acquire()
        others = [asyncio.create_task(queue.signature("work", n).enqueue()) for n in range(1, 51)]
        await asyncio.sleep(0)
        gate.go.set()
        jobs = [await call for call in (first, *others)]
        assert gate.batches == [1, 50]
        assert len({job.id for job in jobs}) == 51


async def test_one_call_that_cannot_be_stored_fails_its_caller_only() -> None:
    async with AioQueue("memory://") as queue:
        gate = Gate(queue)
        gate.poison = "bad"
        calls = [asyncio.create_task(queue.signature("work").options(id=id).enqueue()) for id in ("a", "bad", "b")]
        gate.go.set()
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(each) for each in outcomes] == [Job, ValueError, Job]


async def test_a_cancelled_caller_leaves_the_others_and_the_write_alone() -> None:
    async with AioQueue("memory://") as queue:
        gate = Gate(queue)
        first = asyncio.create_task(queue.signature("work").options(id="a").enqueue())
        await gate.arrived.acquire()
        second = asyncio.create_task(queue.signature("work").options(id="b").enqueue())
        third = asyncio.create_task(queue.signature("work").options(id="c").enqueue())
        await asyncio.sleep(0)
        first.cancel()
        second.cancel()
        await asyncio.wait({first, second})
        assert first.cancelled()
        assert second.cancelled()
        gate.go.set()
        assert (await third).id == "c"
        waiting = [decode(body).id for body in await queue.connection.broker.peek("default")]
        assert waiting == ["a", "c"], "what was on its way is enqueued, what was not is withdrawn"


async def test_closing_sends_what_is_on_its_way() -> None:
    queue = await AioQueue("memory://").__aenter__()
    broker = queue.connection.broker
    gate = Gate(queue)
    calls = [asyncio.create_task(queue.signature("work", n).enqueue()) for n in range(10)]
    await gate.arrived.acquire()
    gate.go.set()
    await queue.close()
    assert len([await call for call in calls]) == 10
    assert (await broker.counts())["default"].ready == 10


async def test_a_close_that_is_cut_short_leaves_nobody_waiting() -> None:
    queue = await AioQueue("memory://").__aenter__()
    gate = Gate(queue)
    first = asyncio.create_task(queue.signature("work", 1).enqueue())
    await gate.arrived.acquire()
    second = asyncio.create_task(queue.signature("work", 2).enqueue())
    await asyncio.sleep(0)
    closing = asyncio.create_task(queue.close())
    await asyncio.sleep(0)
    closing.cancel()
    for call in (first, second):
        with pytest.raises(BrokerUnavailable, match="closed"):
            async with asyncio.timeout(5):
                await call
    await asyncio.wait({closing})


async def test_a_call_that_waits_for_room_while_the_queue_is_closed_is_enqueued_all_the_same() -> None:
    queue = await AioQueue("memory://").__aenter__()
    gate = Gate(queue)
    count = 4 * 1000 + 1000 + 50
    calls = [asyncio.create_task(queue.signature("work").enqueue()) for _ in range(count)]
    await gate.arrived.acquire()
    await asyncio.sleep(0)
    gate.go.set()
    await queue.close()
    async with asyncio.timeout(20):
        assert len({(await call).id for call in calls}) == count
    await queue.close()


async def test_text_in_an_option_that_has_no_bytes_is_refused() -> None:
    async with AioQueue("memory://") as queue:
        with pytest.raises(NotEncodable, match="option"):
            await queue.signature("work").options(labels={"a": "\ud800"}).enqueue()


async def test_ids_are_made_in_the_order_of_the_calls_with_the_clock() -> None:
    clock = ManualClock()
    async with AioQueue("memory://", clock=clock) as queue:
        ids = []
        for _ in range(5):
            ids.append((await queue.signature("work").enqueue()).id)
            clock.advance(0.01)
        assert ids == sorted(ids)
        assert {len(id) for id in ids} == {32}
