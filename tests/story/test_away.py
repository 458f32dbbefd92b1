"""The broker is away: its file locked by another process, replaced by garbage, gone with its folder."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from aioqueue import AioqueueError, BrokerUnavailable

from .processes import NOISE, Story

LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.read()
"""


@contextmanager
def locked(story: Story) -> Iterator[None]:
    """The file is another process's, which writes and does not come to an end."""
    with subprocess.Popen(
        [sys.executable, "-c", LOCK, str(story.file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stdout.readline() == b"locked\n"
        try:
            yield
        finally:
            process.stdin.close()


def in_one_line(error: BaseException) -> bool:
    return str(error) != "" and "\n" not in str(error)


async def test_enqueue_says_so_after_its_patience_and_works_again_afterwards(story: Story) -> None:
    async with story.queue(patience=1) as queue:
        call = queue.signature("nap", 0)
        await call.enqueue()
        with locked(story):
            began = time.monotonic()
            with pytest.raises(BrokerUnavailable) as raised:
                await call.enqueue()
            assert 0.5 <= time.monotonic() - began <= 1 + NOISE
        assert in_one_line(raised.value)
        assert "patience" in str(raised.value)
        job = await call.enqueue()
        story.worker()
        assert await job.result(timeout=60) == 0


async def test_a_first_call_that_has_to_connect_keeps_to_its_patience_too(story: Story) -> None:
    await story.enqueue("nap", 0)
    with locked(story):
        began = time.monotonic()
        with pytest.raises(BrokerUnavailable):
            await story.queue(patience=1).signature("nap", 0).enqueue()
        assert time.monotonic() - began <= 1 + NOISE


async def test_a_short_absence_is_not_noticed(story: Story) -> None:
    call = story.own.signature("nap", 0)
    await call.enqueue()
    with locked(story):
        enqueueing = asyncio.create_task(call.enqueue())
        _, waiting = await asyncio.wait([enqueueing], timeout=1)
        assert waiting
    job = await enqueueing
    story.worker()
    assert await job.result(timeout=60) == 0


async def test_what_gave_up_leaves_nothing_behind(story: Story) -> None:
    async with story.queue(patience=0.2) as queue:
        call = queue.signature("nap", 0)
        await call.enqueue()
        with locked(story):
            await asyncio.gather(*(call.enqueue() for _ in range(50)), return_exceptions=True)
            threads, files, tasks = threading.active_count(), len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks())
            answers = await asyncio.gather(*(call.enqueue() for _ in range(50)), return_exceptions=True)
            assert {type(each) for each in answers} == {BrokerUnavailable}
            assert threading.active_count() <= threads
            assert len(os.listdir("/proc/self/fd")) <= files
            assert len(asyncio.all_tasks()) <= tasks
        assert [counts.ready for counts in (await queue.connection.broker.counts()).values()] == [1]


async def test_a_worker_waits_for_its_file_and_goes_on(story: Story) -> None:
    worker = story.worker()
    await story.ready(worker)
    jobs = await story.enqueue_all("nap", 0.2, times=20)
    await story.ledger.sees("begin")
    with locked(story):
        await asyncio.sleep(1)  # it is the length of the absence
    for job in jobs:
        assert await job.result(timeout=60) == 0.2
    assert worker.alive
    assert story.ledger.runs() == {job.id: 1 for job in jobs}


async def test_a_file_replaced_by_garbage_is_refused_in_words(story: Story) -> None:
    async with story.queue(patience=1) as queue:
        call = queue.signature("nap", 0)
        before = await call.enqueue()
        kept = story.folder / "kept"
        kept.mkdir()
        for file in story.folder.glob("queue.db*"):
            if file.is_file():
                file.rename(kept / file.name)
        story.file.write_bytes(b"this is no database" * 1000)
        with pytest.raises(AioqueueError, match="no SQLite file") as raised:
            await call.enqueue()
        assert in_one_line(raised.value)
        story.file.unlink()
        for file in kept.iterdir():
            file.rename(story.folder / file.name)
        after = await call.enqueue()
        story.worker()
        assert [await job.result(timeout=60) for job in (before, after)] == [0, 0]


async def test_a_file_that_is_removed_is_made_anew(story: Story) -> None:
    async with story.queue(patience=1) as queue:
        call = queue.signature("nap", 0)
        await call.enqueue()
        for file in story.folder.glob("queue.db*"):
            if file.is_file():
                file.unlink()
        job = await call.enqueue()
        story.worker()
        assert await job.result(timeout=60) == 0


@pytest.mark.parametrize("place", ["a-folder", "a-file/queue.db"])
async def test_a_place_where_no_file_can_be_is_refused_in_words(story: Story, place: str) -> None:
    (story.folder / "a-folder").mkdir()
    (story.folder / "a-file").touch()
    story.url = f"sqlite:///{story.folder / place}"
    with pytest.raises(AioqueueError, match=place.partition("/")[0]) as raised:
        await story.queue(patience=0.2).signature("nap", 0).enqueue()
    assert in_one_line(raised.value)


async def test_a_file_in_a_folder_that_is_gone_is_refused_in_words(story: Story) -> None:
    folder = story.folder / "gone"
    story.url = f"sqlite:///{folder / 'queue.db'}"

    async def enqueue() -> None:
        async with story.queue(patience=0.2) as queue:
            await queue.signature("nap", 0).enqueue()

    with pytest.raises(AioqueueError, match="no folder") as raised:
        await enqueue()
    assert in_one_line(raised.value)
    folder.mkdir()
    await enqueue()
