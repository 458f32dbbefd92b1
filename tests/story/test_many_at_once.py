"""Many at one moment: jobs that are due, producers with one id, and processes that wait for one another."""

from __future__ import annotations

import asyncio
import fcntl
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from aioqueue import DuplicateJob

from .processes import Story


async def test_a_thousand_jobs_due_at_one_moment_run_once_each_and_none_early(story: Story) -> None:
    workers = [story.worker() for _ in range(2)]
    await story.ready(*workers)
    eta = datetime.now(UTC) + timedelta(seconds=3)
    jobs = await story.enqueue_all("nap", 0.01, times=1000, eta=eta)
    assert datetime.now(UTC) < eta, "this machine took too long to enqueue for the story to be told"
    others = []
    while datetime.now(UTC) < eta:  # the workers have no rest, and look at what is due time and again
        others.append(await story.enqueue("which", 0))
        await asyncio.sleep(0.02)
    for job in [*others, *jobs]:
        await job.result(timeout=60)
    assert min(each.wall for each in story.ledger.notes("begin", task="nap")) >= eta.timestamp()
    assert story.ledger.runs() == {job.id: 1 for job in [*others, *jobs]}


async def test_a_job_that_is_due_runs_without_any_traffic_to_wake_its_worker(story: Story) -> None:
    await story.ready(story.worker())
    late, soon = await story.enqueue("nap", 0, delay=2.5), await story.enqueue("nap", 0, delay=0.5)
    for job in (soon, late):
        assert await job.result(timeout=60) == 0
        (began,) = story.ledger.notes("begin", job=job.id)
        due = (await job.info()).due
        assert due is not None
        assert began.wall >= due.timestamp()


@contextmanager
def gate(story: Story) -> Iterator[None]:
    """Holds up the producers of `produce.py` until it is left."""
    with (story.folder / "gate").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


async def same_id_from(story: Story, processes: int) -> None:
    worker = story.worker()
    with gate(story):
        producers = [
            story.python("-m", "tests.story.produce", "the-one", "0.2", name="producer") for _ in range(processes)
        ]
        await story.ledger.sees("at the gate", processes, within=120)
    for producer in producers:
        assert await producer.ended() == 0
    assert [each.more for each in story.ledger.notes("enqueued")] == ["the-one"] * processes
    assert await story.own.job("the-one").result(timeout=60) == 0.2
    assert story.ledger.runs() == {"the-one": 1}
    assert worker.alive
    with pytest.raises(DuplicateJob):
        await story.enqueue("nap", 0.3, id="the-one")
    assert (await story.enqueue("nap", 0.2, id="the-one")).id == "the-one", "while its record is kept"
    await story.is_over()
    assert story.ledger.runs() == {"the-one": 1}


async def test_one_id_from_many_processes_at_once_is_one_job(story: Story) -> None:
    await same_id_from(story, 12)


@pytest.mark.soak
async def test_one_id_from_a_hundred_processes_at_once_is_one_job(story: Story) -> None:
    await same_id_from(story, 100)


async def test_processes_that_await_each_others_results_are_woken(story: Story) -> None:
    # Each on a queue of its own; between two processes nothing but the file.
    here, there = (
        story.worker("tests.story.tasks:queue", "--queue", "here"),
        story.worker("tests.story.tasks:queue", "--queue", "there"),
    )
    await story.ready(here, there)
    took = []
    for _ in range(15):
        began = time.monotonic()
        first = await story.enqueue("nap", 0.05, queue="here")
        second = await story.enqueue("ask", first.id, queue="there")
        third = await story.enqueue("ask", second.id, queue="here")
        assert await third.result(timeout=60) == "it was it was 0.05"
        took.append(time.monotonic() - began)
    # By looking every half second alone, each of six steps would take a quarter of a second on average.
    assert statistics.median(took) < 0.75


async def test_an_idle_worker_in_another_process_is_woken_by_an_enqueue(story: Story) -> None:
    await story.ready(story.worker())
    took = []
    for _ in range(15):
        await asyncio.sleep(0.02)  # let it fall asleep
        began = time.monotonic()
        await (await story.enqueue("nap", 0)).result(timeout=60)
        took.append(time.monotonic() - began)
    assert statistics.median(took) < 0.35
