"""The caller's view of a job, from each record it may have."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from aioqueue import AioQueue, JobCancelled, JobFailed, ResultExpired, ResultTimeout, State
from aioqueue.core.record import Error, Record, replace
from aioqueue.core.state import Ended, Phase
from aioqueue.job import describe
from aioqueue.testing import ManualClock

RECORD = Record(id="j", task="work", state=State.QUEUED, enqueued=100.0)


async def asked(record: Record | None, **settings: Any) -> Any:
    """The result of the job with this record."""
    async with AioQueue("memory://", clock=ManualClock()) as queue:
        store = queue.connection.store
        assert store is not None
        if record is not None:
            await store.save([record])
        return await queue.job("j").result(timeout=0.01)


async def test_a_value_that_is_no_longer_kept_is_said_to_be_so() -> None:
    with pytest.raises(ResultExpired, match="no longer kept"):
        await asked(replace(RECORD, state=State.SUCCEEDED, phase=Phase.ENDED, result=None))


async def test_a_job_nobody_knows_is_said_to_be_unknown() -> None:
    with pytest.raises(ResultExpired, match="never enqueued here, or is no longer kept") as caught:
        await asked(None)
    assert caught.value.job_id == "j"


async def test_a_job_without_an_outcome_is_a_timeout() -> None:
    with pytest.raises(ResultTimeout, match="no outcome after"):
        await asked(RECORD)


async def test_a_failure_says_how_and_with_which_error() -> None:
    record = replace(
        RECORD, state=State.FAILED, phase=Phase.ENDED, how=Ended.TIMEOUT, error=Error("TimeoutError", "too long", "tb")
    )
    with pytest.raises(JobFailed, match="TimeoutError: too long") as caught:
        await asked(record)
    error = caught.value
    assert (error.job_id, error.ended, error.error_type, error.error_message, error.traceback) == (
        "j", "timeout", "TimeoutError", "too long", "tb",
    )  # fmt: skip


async def test_a_failure_without_an_error_says_its_reason() -> None:
    with pytest.raises(JobFailed, match="its worker died"):
        await asked(replace(RECORD, state=State.FAILED, phase=Phase.ENDED, how=Ended.CRASHES, reason="its worker died"))


@pytest.mark.parametrize("state", [State.CANCELLED, State.EXPIRED])
async def test_what_was_cancelled_or_expired_has_no_result(state: State) -> None:
    with pytest.raises(JobCancelled, match="because"):
        await asked(replace(RECORD, state=state, phase=Phase.ENDED, reason="because"))


def test_jobs_are_equal_by_their_id() -> None:
    queue = AioQueue("memory://")
    assert queue.job("a") == AioQueue("memory://").job("a")
    assert len({queue.job("a"), queue.job("a"), queue.job("b")}) == 2
    assert queue.job("a") != "a"
    assert repr(queue.job("a")) == "<Job a>"


def test_times_are_aware_and_durations_in_seconds() -> None:
    record = replace(RECORD, state=State.SUCCEEDED, phase=Phase.ENDED, started=103.0, ended=110.0, attempt=1)
    info = describe(record, now=500.0)
    assert (info.enqueued, info.started, info.ended) == (
        datetime.fromtimestamp(100, UTC), datetime.fromtimestamp(103, UTC), datetime.fromtimestamp(110, UTC),
    )  # fmt: skip
    assert (info.waited, info.ran, info.next_run) == (3.0, 7.0, None)


def test_what_was_cancelled_before_it_started_waited_until_then() -> None:
    info = describe(replace(RECORD, state=State.CANCELLED, phase=Phase.ENDED, ended=130.0), now=500.0)
    assert (info.waited, info.ran) == (30.0, None)


def test_a_clock_that_was_set_back_makes_no_negative_durations() -> None:
    info = describe(replace(RECORD, state=State.RUNNING, phase=Phase.RUNNING, started=90.0), now=80.0)
    assert info.ran == 0.0
