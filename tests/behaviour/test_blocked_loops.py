"""A task that blocks the event loop keeps its job, is reported, and past a limit ends its process."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aioqueue import AioQueue, Context, ExitCode
from aioqueue.core.events import LoopBlocked

from .world import Ledger, MakeQueue, at_work


async def test_a_blocked_worker_keeps_its_job_although_another_would_take_it(
    shared: MakeQueue, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    queue = shared(lease=1)
    runs, blocked = Ledger(), list[LoopBlocked]()
    queue.on(LoopBlocked)(blocked.append)

    @queue.task
    async def stand_in_the_way(context: Context) -> None:
        await runs.note(context.redeliveries)
        time.sleep(2.6)  # noqa: ASYNC251

    command = [sys.executable, "-c", RECLAIM, f"{tmp_path}/jobs.db"]
    reclaimer = subprocess.Popen(command, stdout=subprocess.PIPE)  # noqa: ASYNC220
    assert reclaimer.stdout is not None
    assert reclaimer.stdout.readline() == b"ready\n"
    async with queue, at_work(queue):
        job = await stand_in_the_way.enqueue()
        await job.result(timeout=20)
        while not blocked:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    out, _ = await asyncio.to_thread(reclaimer.communicate, timeout=20)
    assert out == b"0 reclaimed\n"
    assert runs.entries == [0]
    assert "stand_in_the_way" in blocked[0].stack
    assert "has been blocked for" in caplog.text


RECLAIM = """
import asyncio, sys, time
from aioqueue import AioQueue

async def main():
    async with AioQueue("sqlite:///" + sys.argv[1], lease=1) as queue:
        consumer = await queue.connection.broker.consumer(["default"], "other", 1)
        print("ready", flush=True)
        until, reclaimed = time.monotonic() + 4, 0
        while time.monotonic() < until:
            reclaimed += await consumer.reclaim()
            await asyncio.sleep(0.1)
        print(reclaimed, "reclaimed", flush=True)
        await consumer.close()

asyncio.run(main())
"""

STUCK = """
import asyncio, logging, sys
from aioqueue import AioQueue

logging.basicConfig()
queue = AioQueue("sqlite:///" + sys.argv[1], max_block=1, threads=1, lease=60)

@queue.task
async def spin():
    while True:
        pass

asyncio.run(queue.worker().run())
"""


async def test_a_worker_blocked_for_too_long_ends_with_its_own_exit_code(tmp_path: Path) -> None:
    queue = AioQueue(f"sqlite:///{tmp_path}/jobs.db", lease=1)

    @queue.task
    async def spin(context: Context) -> int:
        return context.redeliveries

    async with queue:
        job = await spin.enqueue()
        ended = await asyncio.to_thread(
            subprocess.run, [sys.executable, "-c", STUCK, f"{tmp_path}/jobs.db"], capture_output=True, timeout=50
        )
        assert ended.returncode == ExitCode.BLOCKED
        assert b"longer than max_block" in ended.stderr
        assert b"in spin" in ended.stderr
        assert (await queue.connection.broker.counts())["default"].held == 1
        assert await job.cancel() is True
