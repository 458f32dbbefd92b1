"""Tasks that ignore their end, hang a thread or the whole loop: each ends at its limit, and takes nobody along."""

from __future__ import annotations

import pytest

from aioqueue import ExitCode, JobCancelled, JobFailed, State

from .processes import Story


async def test_a_task_past_its_timeout_is_ended(story: Story) -> None:
    story.worker()
    job = await story.enqueue("nap", 3600, timeout=0.5, retries=0)
    with pytest.raises(JobFailed, match="its timeout") as failed:
        await job.result(timeout=60)
    assert failed.value.ended == "timeout"
    assert [each.more for each in story.ledger.notes("cut")] == ["CancelledError"]


@pytest.mark.parametrize("task", ["stubborn", "hang"])
async def test_a_task_that_ignores_its_end_is_abandoned_and_the_worker_goes_on(story: Story, task: str) -> None:
    worker = story.worker(concurrency=1, threads=1)
    job, after = await story.enqueue(task), await story.enqueue("nap", 0)
    with pytest.raises(JobFailed) as failed:
        await job.result(timeout=60)
    assert failed.value.ended == "timeout"
    assert "is abandoned" in worker.log
    assert await after.result(timeout=60) == 0
    assert worker.alive
    assert story.ledger.runs() == {job.id: 1, after.id: 1}


async def test_a_worker_with_too_many_abandoned_tasks_drains_and_says_so(story: Story) -> None:
    worker = story.worker(max_abandoned=2, threads=2)
    stuck = [await story.enqueue(task) for task in ("hang", "hang", "stubborn")]
    running = await story.enqueue("nap", 7.5)
    assert await worker.ended() == ExitCode.ABANDONED
    assert "more than max_abandoned" in worker.log
    assert await running.result(timeout=0) == 7.5, "what ran was finished"
    for job in stuck:
        assert (await job.info()).how == "timeout"
    assert len(story.ledger.notes("begin")) == 4


async def test_a_loop_blocked_for_good_ends_the_process_and_its_jobs_run_elsewhere(story: Story) -> None:
    worker = story.worker(max_block=2, lease=1, concurrency=3)
    neighbour = await story.enqueue("nap", 3)
    await story.ledger.sees("begin", job=neighbour.id)
    spinning = await story.enqueue("spin")
    assert await worker.ended() == ExitCode.BLOCKED
    assert "while Context.current().redeliveries == 0" in worker.log, "the line that blocks"
    assert story.ledger.runs() == {neighbour.id: 1, spinning.id: 1}
    story.worker(lease=1)
    assert await neighbour.result(timeout=60) == 3
    assert await spinning.result(timeout=60) is None
    assert story.ledger.runs() == {neighbour.id: 2, spinning.id: 2}


async def test_a_blocked_process_gives_back_what_it_had_not_started(story: Story) -> None:
    # One thread, which is taken: the second of these holds a delivery, but has not begun.
    worker = story.worker(max_block=3, threads=1, lease=30)
    await story.enqueue("thread_nap", 3600)
    await story.ledger.sees("begin", task="thread_nap")
    waiting = await story.enqueue("thread_nap", 0)
    nap = await story.enqueue("nap", 0)
    assert await nap.result(timeout=60) == 0
    await story.enqueue("spin")
    assert await worker.ended() == ExitCode.BLOCKED
    story.worker(lease=30)
    assert await waiting.result(timeout=20) == 0, "before its lease of 30 s has run out"
    assert (await waiting.info()).crashes == 0


async def test_a_queued_job_that_is_cancelled_never_runs(story: Story) -> None:
    job, other = await story.enqueue("nap", 0), await story.enqueue("nap", 0)
    assert await story.own.job(job.id).cancel()
    story.worker()
    assert await other.result(timeout=60) == 0
    await story.is_over()
    with pytest.raises(JobCancelled):
        await job.result(timeout=0)
    assert story.ledger.runs() == {other.id: 1}


@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING])
async def test_a_running_job_that_is_cancelled_ends(story: Story, state: State) -> None:
    # For a moment after it has begun it still stands as queued.
    worker = story.worker()
    job = await story.enqueue("nap", 3600)
    await story.ledger.sees("begin", job=job.id)
    await story.stands(job, state)
    assert await story.own.job(job.id).cancel("nobody wants it")
    with pytest.raises(JobCancelled, match="nobody wants it"):
        await job.result(timeout=0)
    await story.ledger.sees("cut", job=job.id)
    await story.is_over()
    assert (await job.info()).state is State.CANCELLED
    assert story.ledger.runs() == {job.id: 1}
    assert worker.alive
