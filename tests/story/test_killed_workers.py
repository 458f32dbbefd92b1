"""kill -9, at any moment: what the worker had in its hands runs again."""

from __future__ import annotations

import asyncio

import pytest

from aioqueue import State

from .processes import NOISE, Story


async def kill_in_mid_task(story: Story, lease: float, after: float) -> None:
    """Kill a worker so many seconds after its job has begun, and hold the other one to the promise."""
    workers = {each.pid: each for each in (story.worker(lease=lease), story.worker(lease=lease))}
    await story.ready(*workers.values())
    job = await story.enqueue("nap", 3600)
    (first,) = await story.ledger.sees("begin", job=job.id)
    await asyncio.sleep(after)  # it is how far the job had come
    killed = workers.pop(first.pid).kill()
    second = (await story.ledger.sees("begin", 2, job=job.id, within=lease + 60))[1]
    assert second.pid in workers
    assert second.at - killed <= lease + 1 + NOISE
    assert (second.attempt, second.redeliveries, second.crashes) == (1, 1, 1)


@pytest.mark.parametrize("after", [0, 3])
async def test_a_killed_workers_job_runs_again_within_its_lease_and_a_second(story: Story, after: float) -> None:
    await kill_in_mid_task(story, 2, after)


@pytest.mark.soak
@pytest.mark.parametrize("after", [0, 20])
async def test_a_killed_workers_job_runs_again_in_time_by_default(story: Story, after: float) -> None:
    await kill_in_mid_task(story, story.own.settings.lease, after)


async def test_the_killed_run_is_visible_and_spends_no_attempt(story: Story) -> None:
    first = story.worker(lease=1)
    job = await story.enqueue("nap", 1.5, retries=0)
    await story.ledger.sees("begin", job=job.id)
    first.kill()
    story.worker(lease=1)
    assert await job.result(timeout=60) == 1.5
    info = await job.info()
    assert (info.state, info.attempt, info.crashes) == (State.SUCCEEDED, 1, 1)
    assert story.ledger.runs() == {job.id: 2}


async def test_a_worker_that_starts_later_takes_over_without_any_traffic(story: Story) -> None:
    first = story.worker(lease=1)
    jobs = await story.enqueue_all("nap", 0.5, times=20)
    await story.ledger.sees("begin", 20)
    first.kill()
    story.worker(lease=1)
    for job in jobs:
        assert await job.result(timeout=60) == 0.5
    assert len(story.ledger.notes("end")) == 20


async def test_jobs_enqueued_while_no_worker_runs_are_run_by_the_next_one_in_order(story: Story) -> None:
    jobs = [await story.enqueue("nap", 0.01 * number) for number in range(3)]
    await story.own.close()
    assert [counts.ready for counts in (await story.counts()).values()] == [3]
    story.worker(concurrency=1)
    assert [await job.result(timeout=60) for job in jobs] == [0.0, 0.01, 0.02]
    assert [each.job for each in story.ledger.notes("begin")] == [job.id for job in jobs]


async def test_the_file_outlives_all_processes_with_retries_and_delays(story: Story) -> None:
    delayed = await story.enqueue("nap", 0, delay=3)
    retried = await story.enqueue("flaky", 1, backoff=2.0)
    worker = story.worker(lease=1)
    await story.ledger.sees("cut", job=retried.id)
    worker.kill()
    await story.own.close()
    story.worker(lease=1)
    assert await retried.result(timeout=60) == 2
    assert await delayed.result(timeout=60) == 0
    (began,) = story.ledger.notes("begin", job=delayed.id)
    due = (await delayed.info()).due
    assert due is not None
    assert began.wall >= due.timestamp()
