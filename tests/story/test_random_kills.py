"""kill -9 of workers at random, under a load of jobs of all kinds; the ledger keeps count."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from random import Random

import pytest

from aioqueue import Job, State

from .processes import Process, Story

WORKERS = 3
CONCURRENCY = 10


async def feed(story: Story, random: Random, until: float) -> list[Job[object]]:
    """Enqueue jobs of all kinds until then."""
    jobs: list[Job[object]] = []
    while time.monotonic() < until:
        calls = [
            story.own.signature("flaky", random.choice([0, 0, 0, 1, 2])).options(
                delay=random.choice([0, 0, 0.5, 2]), priority=random.randrange(10), backoff=0.2
            )
            for _ in range(random.randrange(1, 20))
        ]
        calls += [story.own.signature("nap", random.random() / 2) for _ in range(random.randrange(10))]
        jobs += await story.own.enqueue_many(calls)
        await asyncio.sleep(random.random() * 0.5)
    return jobs


def in_flight(story: Story, worker: Process) -> set[tuple[str, int]]:
    """The attempts that a process began and did not end: it may have died before the end of each was stored, and also
    just after the end of those that had ended last."""
    notes = [each for each in story.ledger.notes() if each.pid == worker.pid and each.job]
    dead_since = notes[-1].at if notes else 0.0
    begun = {(each.job, each.attempt) for each in notes if each.what == "begin"}
    long_over = {(each.job, each.attempt) for each in notes if each.what != "begin" and each.at < dead_since - 1}
    return begun - long_over


async def run(story: Story, seconds: float) -> None:
    random = Random(12)
    workers = [new_worker(story) for _ in range(WORKERS)]
    await story.ready(*workers)
    until = time.monotonic() + seconds
    feeding = asyncio.create_task(feed(story, random, until))
    excused: Counter[tuple[str, int]] = Counter()
    kills = 0
    while time.monotonic() < until:
        await asyncio.sleep(random.uniform(0.3, 1.5))
        victim = workers.pop(random.randrange(WORKERS))
        victim.kill()
        kills += 1
        excused.update(in_flight(story, victim))
        workers.append(new_worker(story))
    jobs = await feeding
    for job in jobs:
        await job.result(timeout=120)
    await story.is_over()

    assert kills > seconds / 3
    assert len(jobs) > seconds * 5
    attempts = Counter((each.job, each.attempt) for each in story.ledger.notes("begin"))
    again = {attempt: times for attempt, times in attempts.items() if times > 1 + excused[attempt]}
    assert not again, "more runs of an attempt than kills that it was in the middle of"
    assert {job for job, _ in attempts} == {job.id for job in jobs}
    for job in jobs:
        info = await job.info()
        assert info.state is State.SUCCEEDED
        assert attempts.keys() >= {(job.id, attempt) for attempt in range(1, info.attempt + 1)}
    assert list(await story.dead_letters()) == []


def new_worker(story: Story) -> Process:
    # Kills this random are no poison: a job may well meet more of them than the three it is allowed by default.
    return story.worker(lease=1, concurrency=CONCURRENCY, max_crashes=1000)


async def test_every_job_comes_to_its_end_and_only_what_was_in_flight_runs_again(story: Story) -> None:
    await run(story, 15)


@pytest.mark.soak
async def test_every_job_comes_to_its_end_for_minutes(story: Story) -> None:
    await run(story, 180)
