"""The record that each ending makes."""

from __future__ import annotations

import pytest
from msgspec import Raw

from aioqueue.core.message import VERSION, Message, Unknown
from aioqueue.core.outcome import (
    Cancelled,
    Deferred,
    Expired,
    Failed,
    Interrupted,
    Outcome,
    Retrying,
    Run,
    Succeeded,
    conclude,
    running,
)
from aioqueue.core.record import Error, Progress, Record, queued, replace
from aioqueue.core.state import Ended, Phase, State

MESSAGE = Message(
    v=VERSION, id="a", task="t", enqueued=1.0, turn=2, attempt=1, due=5.0, queue="mail", priority=7, args=Raw(b"[1]"),
    kwargs=Raw(b'{"k":1}'), by="me", labels={"n": 1}, parent="p", root="r",
)  # fmt: skip
ERROR = Error("ValueError", "no", "Traceback")
LAST = Error("OSError", "before")
RUN = Run(
    worker="w", delivery=3, crashes=1, attempts=4, keep_results=100.0, keep_failures=1000.0, started=50.0,
    progress=Progress(1, 2), last_error=LAST,
)  # fmt: skip
NOW = 60.0
COMMON = Record(
    id="a", task="t", state=State.RUNNING, turn=2, delivery=3, queue="mail", priority=7, attempts=4, crashes=1,
    enqueued=1.0, due=5.0, started=50.0, progress=Progress(1, 2), worker="w", args=Raw(b"[1]"), kwargs=Raw(b'{"k":1}'),
    by="me", labels={"n": 1}, parent="p", root="r",
)  # fmt: skip


def test_a_job_starts_queued_or_scheduled_with_all_that_its_message_says() -> None:
    start = replace(COMMON, state=State.SCHEDULED, delivery=0, attempts=None, crashes=0, started=None, progress=None,
                    worker=None, attempt=1)  # fmt: skip
    assert queued(MESSAGE) == start
    assert queued(Message(v=VERSION, id="a", task="t", enqueued=1.0)).state is State.QUEUED


def test_a_running_record_counts_the_attempt_that_runs() -> None:
    assert running(MESSAGE, RUN) == replace(COMMON, phase=Phase.RUNNING, attempt=2, error=LAST)


ENDS: list[tuple[Outcome, Record]] = [
    (Succeeded(b"7"), replace(COMMON, state=State.SUCCEEDED, attempt=2, ended=NOW, error=LAST, result=Raw(b"7"),
                              forget=NOW + 100)),
    (Failed(Ended.RETRIES, "why", ERROR), replace(COMMON, state=State.FAILED, attempt=2, ended=NOW, how=Ended.RETRIES,
                                                  reason="why", error=ERROR, forget=NOW + 1000)),
    (Failed(Ended.CRASHES, "why"), replace(COMMON, state=State.FAILED, attempt=2, ended=NOW, how=Ended.CRASHES,
                                           reason="why", error=LAST, forget=NOW + 1000)),
    (Retrying(99.0, "why", ERROR), replace(COMMON, state=State.RETRYING, attempt=2, ended=NOW, reason="why", due=99.0,
                                           error=ERROR)),
    (Deferred(99.0, "why", Unknown(1.0, 2)), replace(COMMON, state=State.SCHEDULED, attempt=1, reason="why", due=99.0,
                                                     ended=NOW, error=LAST, unknown=Unknown(1.0, 2))),
    (Cancelled("why"), replace(COMMON, state=State.CANCELLED, attempt=2, ended=NOW, how=Ended.CANCELLED, reason="why",
                               error=LAST, forget=NOW + 100)),
    (Expired("why"), replace(COMMON, state=State.EXPIRED, attempt=2, ended=NOW, how=Ended.EXPIRED, reason="why",
                             error=LAST, forget=NOW + 100)),
]  # fmt: skip


@pytest.mark.parametrize(("outcome", "record"), ENDS, ids=lambda each: type(each).__name__)
def test_each_outcome_makes_its_record(outcome: Outcome, record: Record) -> None:
    assert conclude(MESSAGE, RUN, outcome, NOW) == replace(record, phase=Phase.ENDED)


@pytest.mark.parametrize("outcome", [Failed(Ended.UNKNOWN, "why"), Expired("why"), Cancelled("why"), Succeeded(b"1")])
def test_an_attempt_that_never_started_is_not_counted(outcome: Outcome) -> None:
    run = Run(worker="w", delivery=1, crashes=0, attempts=None, keep_results=1.0, keep_failures=1.0)
    record = conclude(MESSAGE, run, outcome, NOW)
    assert (record.attempt, record.started, record.attempts) == (1, None, None)


def test_an_interrupted_attempt_leaves_no_record() -> None:
    with pytest.raises(ValueError, match="job a"):
        conclude(MESSAGE, RUN, Interrupted("drain"), NOW)
