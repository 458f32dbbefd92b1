"""A job that kills its worker each time, among good ones: it is set aside, and it alone."""

from __future__ import annotations

import asyncio

import pytest

from aioqueue import JobFailed, State

from .processes import Process, Story


async def keep_alive(story: Story) -> None:
    """Start a worker, and another whenever it dies."""
    while True:
        await story.worker(lease=1).ended(within=600)


async def poison_among(story: Story, good: int, seconds: float, workers: int) -> None:
    first = await story.enqueue_all("nap", seconds, times=good // 10)
    poison = await story.enqueue("die", retries=0)
    jobs = first + await story.enqueue_all("nap", seconds, times=good - len(first))
    async with asyncio.TaskGroup() as group:
        keepers = [group.create_task(keep_alive(story)) for _ in range(workers)]
        with pytest.raises(JobFailed) as failed:
            await poison.result(timeout=120)
        for job in jobs:
            assert await job.result(timeout=300) == seconds
        for keeper in keepers:
            keeper.cancel()
    assert failed.value.ended == "crashes"
    assert (await poison.info()).crashes == 3
    assert [letter.id for letter in await story.dead_letters()] == [poison.id]
    assert story.ledger.runs()[poison.id] == 3
    assert len({each.job for each in story.ledger.notes("end")}) == good
    for job in jobs:
        assert (await job.info()).state is State.SUCCEEDED


async def test_exactly_the_poison_is_set_aside_after_max_crashes(story: Story) -> None:
    await poison_among(story, good=30, seconds=0.3, workers=2)


@pytest.mark.soak
async def test_exactly_the_poison_is_set_aside_at_full_concurrency_among_long_jobs(story: Story) -> None:
    await poison_among(story, good=500, seconds=1, workers=2)


async def test_two_poisons_at_once_take_no_good_job_along(story: Story) -> None:
    poisons = [await story.enqueue("die") for _ in range(2)]
    jobs = await story.enqueue_all("nap", 0.2, times=10)
    async with asyncio.TaskGroup() as group:
        keeper = group.create_task(keep_alive(story))
        for job in jobs:
            assert await job.result(timeout=120) == 0.2
        for poison in poisons:
            with pytest.raises(JobFailed):
                await poison.result(timeout=120)
        keeper.cancel()
    assert sorted(str(letter.id) for letter in await story.dead_letters()) == sorted(each.id for each in poisons)


async def test_processes_started_by_the_command_line_are_started_again(story: Story) -> None:
    supervisor: Process = story.worker("tests.story.tasks:queue", "--processes", "2", lease=1)
    poison = await story.enqueue("die")
    jobs = await story.enqueue_all("nap", 0.2, times=10)
    for job in jobs:
        assert await job.result(timeout=120) == 0.2
    with pytest.raises(JobFailed):
        await poison.result(timeout=120)
    assert supervisor.alive
    assert len({each.pid for each in story.ledger.notes("begin", task="die")}) == 3
