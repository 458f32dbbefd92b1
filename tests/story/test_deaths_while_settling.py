"""kill -9 between the end of a task and the end of its job, at each step in turn: nothing is lost, what was stored is
not run again, and what follows happens once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from signal import SIGKILL

import pytest

from aioqueue import JobFailed, State
from aioqueue.core.state import Phase

from .processes import Story

VARIABLE = "STORY_DIES"  # of failpoints.py, which only a worker may import
ATOMIC = ("before apply", "before COMMIT", "after COMMIT", "after apply")
SAFE_ORDER = ("before save", "after save", "before publish", "after publish", "before ack", "after ack")


@pytest.mark.parametrize("step", ATOMIC)
async def test_nothing_is_lost_or_done_twice_in_one_file(story: Story, step: str) -> None:
    unstored = ("before apply", "before COMMIT")
    parts = {kind: story.part(kind) for kind in ("success", "retry", "failure")}
    await asyncio.gather(*(one_life(part, kind, step, step not in unstored) for kind, part in parts.items()))


@pytest.mark.parametrize("step", SAFE_ORDER)
async def test_nothing_is_lost_or_done_twice_in_two_files(story: Story, step: str) -> None:
    # A success publishes nothing, and neither does a failure.
    kinds: Sequence[str] = ("retry",) if "publish" in step else ("success", "retry", "failure")
    parts = {kind: story.part(kind, results="another") for kind in kinds}
    await asyncio.gather(*(one_life(part, kind, step, step != "before save") for kind, part in parts.items()))


async def one_life(story: Story, kind: str, step: str, stored: bool) -> None:
    """A job of this kind, whose first worker dies at this step, and what its next worker makes of it."""
    task, args = {"success": ("flaky", [0]), "retry": ("flaky", [1]), "failure": ("fail", [])}[kind]
    job = await story.enqueue(task, *args)
    mortal = story.worker("tests.story.failpoints:queue", variables={VARIABLE: step}, lease=1)
    assert await mortal.ended() == -SIGKILL
    (record,) = await (await story.own.open()).store.get([job.id])  # type: ignore[union-attr]
    assert record is not None
    assert (record.phase is Phase.ENDED) is stored

    story.worker(lease=1)
    if kind == "failure":
        with pytest.raises(JobFailed, match="for good"):
            await job.result(timeout=60)
    else:
        assert await job.result(timeout=60) == (2 if kind == "retry" else 1)
    await story.is_over()
    first, second = (sum(each.attempt == turn for each in story.ledger.notes("begin")) for turn in (1, 2))
    assert first == (1 if stored else 2), "a stored outcome is not run again, one that was not is"
    assert second == (kind == "retry"), "what follows happens once"
    assert (await job.info()).state is (State.FAILED if kind == "failure" else State.SUCCEEDED)
    assert [letter.id for letter in await story.dead_letters()] == ([job.id] if kind == "failure" else [])
