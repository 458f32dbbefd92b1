"""SIGTERM: what runs is finished; past the grace period, or on a second signal, it is given back; a third exits."""

from __future__ import annotations

from signal import SIGINT, SIGTERM

import pytest

from aioqueue import ExitCode

from .processes import Process, Story


async def draining(worker: Process) -> None:
    """Wait until a worker has heeded its first signal."""
    await worker.says("draining")


@pytest.mark.parametrize("which", [SIGTERM, SIGINT])
async def test_a_worker_under_load_drains_and_nothing_is_lost_or_run_twice(story: Story, which: object) -> None:
    worker = story.worker(concurrency=50)
    jobs = await story.enqueue_all("nap", 0.3, times=400)
    await story.ledger.sees("end", 20)
    worker.signal(which)  # type: ignore[arg-type]
    assert await worker.ended() == ExitCode.DRAINED
    finished = story.ledger.notes("end")
    assert len(story.ledger.notes("begin")) == len(finished) < len(jobs)
    story.worker(concurrency=400)
    for job in jobs:
        assert await job.result(timeout=60) == 0.3
    assert story.ledger.runs() == {job.id: 1 for job in jobs}


async def test_what_does_not_end_within_the_grace_period_is_given_back_unspent(story: Story) -> None:
    worker = story.worker(grace=1, lease=60)
    polite, rude = await story.enqueue("nap", 2.5, retries=0), await story.enqueue("unending", 3600, retries=0)
    await story.ledger.sees("begin", 2)
    worker.signal(SIGTERM)
    assert await worker.ended() == ExitCode.INTERRUPTED
    story.worker()
    assert await polite.result(timeout=60) == 2.5
    assert await rude.result(timeout=60) is None
    for job in (polite, rude):
        second = story.ledger.notes("begin", job=job.id)[1]
        assert (second.attempt, second.redeliveries, second.crashes) == (1, 1, 0)


async def test_a_second_signal_gives_back_what_runs_without_waiting_for_the_grace_period(story: Story) -> None:
    worker = story.worker(grace=3600, lease=3600)
    job = await story.enqueue("nap", 5)
    await story.ledger.sees("begin")
    worker.signal(SIGTERM)
    await draining(worker)
    worker.signal(SIGTERM)
    assert await worker.ended() == ExitCode.INTERRUPTED
    story.worker()
    assert await job.result(timeout=60) == 5
    assert (await job.info()).attempt == 1


async def test_a_third_signal_exits_at_once(story: Story) -> None:
    worker = story.worker(grace=3600, lease=1)
    job = await story.enqueue("unending", 3600)
    await story.ledger.sees("begin")
    worker.signal(SIGTERM)
    await draining(worker)
    worker.signal(SIGINT)
    await story.ledger.sees("ignored")
    worker.signal(SIGTERM)
    assert await worker.ended(within=4) == ExitCode.FORCED, "long before a task that was asked to end is abandoned"
    story.worker(lease=1)
    assert await job.result(timeout=60) is None


async def test_an_idle_worker_ends_at_once(story: Story) -> None:
    worker = story.worker(grace=3600)
    await story.ready(worker)
    worker.signal(SIGTERM)
    assert await worker.ended() == ExitCode.DRAINED
