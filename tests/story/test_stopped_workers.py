"""A worker that stands still for longer than its lease, or whose event loop does: the first may be overtaken, the
second not, and in either case one outcome stands."""

from __future__ import annotations

from signal import SIGCONT, SIGSTOP

import pytest

from .processes import Story


@pytest.mark.parametrize("results", ["same", "another"])
async def test_a_stopped_worker_is_overtaken_and_its_late_outcome_dropped(story: Story, results: str) -> None:
    part = story.part("part", results)
    first = part.worker(lease=1)
    job = await part.enqueue("which", 0.5)
    await part.ledger.sees("begin", job=job.id)
    first.signal(SIGSTOP)
    second = part.worker(lease=1)
    assert await job.result(timeout=60) == second.pid
    stands = await job.info()
    first.signal(SIGCONT)
    await first.says("dropped")
    assert await job.info() == stands
    # It is as good as new.
    second.kill()
    another = await part.enqueue("which", 0)
    assert await another.result(timeout=60) == first.pid
    assert part.ledger.runs() == {job.id: 2, another.id: 1}


async def test_a_stopped_worker_that_wakes_up_first_is_ended_and_the_new_run_stands(story: Story) -> None:
    first = story.worker(lease=1)
    job = await story.enqueue("which", 4)
    await story.ledger.sees("begin", job=job.id)
    first.signal(SIGSTOP)
    second = story.worker(lease=1)
    await story.ledger.sees("begin", 2, job=job.id)
    first.signal(SIGCONT)
    await first.says("its lease was lost")
    assert await job.result(timeout=60) == second.pid
    assert [each.pid for each in story.ledger.notes("cut", job=job.id)] == [first.pid]
    assert [each.pid for each in story.ledger.notes("end", job=job.id)] == [second.pid]


async def test_a_task_that_blocks_the_loop_keeps_its_job_and_is_shown_in_the_log(story: Story) -> None:
    first = story.worker(lease=1)
    blocking, waiting = await story.enqueue("block", 4), await story.enqueue("nap", 0.1)
    await story.ledger.sees("begin", 2)
    second = story.worker(lease=1)
    await story.ready(second)
    assert await blocking.result(timeout=60) == 4
    assert await waiting.result(timeout=60) == 0.1
    assert story.ledger.runs() == {blocking.id: 1, waiting.id: 1}
    assert "the event loop has been blocked for" in first.log
    assert "time.sleep(seconds)" in first.log, "the line that blocks"


async def test_what_waits_behind_a_blocked_loop_is_not_run_elsewhere_either(story: Story) -> None:
    first = story.worker(lease=1, concurrency=4)
    jobs = [await story.enqueue("block", 1.5) for _ in range(2)] + await story.enqueue_all("nap", 0.1, times=2)
    await story.ledger.sees("begin")
    await story.ready(story.worker(lease=1))
    for job in jobs:
        await job.result(timeout=60)
    assert story.ledger.runs() == {job.id: 1 for job in jobs}
    assert first.alive
