"""Which record stands, and when two records are of one call."""

from __future__ import annotations

import pytest
from msgspec import Raw

from aioqueue.core.record import Record, replace, same_call, supersedes
from aioqueue.core.state import FINAL, Phase, State

QUEUED = Record(id="a", task="t", state=State.QUEUED)
RUNNING = replace(QUEUED, state=State.RUNNING, phase=Phase.RUNNING, delivery=1)
DONE = replace(RUNNING, state=State.SUCCEEDED, phase=Phase.ENDED)


def test_within_a_turn_a_later_phase_stands() -> None:
    assert supersedes(RUNNING, QUEUED)
    assert supersedes(DONE, RUNNING)
    assert supersedes(DONE, QUEUED)
    assert not supersedes(QUEUED, RUNNING)
    assert not supersedes(RUNNING, DONE)


def test_the_first_end_of_a_turn_stands() -> None:
    assert not supersedes(replace(DONE, state=State.FAILED, delivery=9), DONE)
    assert not supersedes(DONE, DONE)


def test_the_first_record_of_a_job_stands_against_its_like() -> None:
    assert not supersedes(replace(QUEUED, args=Raw(b"[2]")), QUEUED)


def test_a_later_turn_stands_whatever_its_phase() -> None:
    assert supersedes(replace(QUEUED, turn=1), DONE)
    assert not supersedes(DONE, replace(QUEUED, turn=1))


def test_while_it_runs_the_later_deliverys_news_stand() -> None:
    assert supersedes(RUNNING, RUNNING)
    assert supersedes(replace(RUNNING, delivery=2), RUNNING)
    assert not supersedes(RUNNING, replace(RUNNING, delivery=2))


@pytest.mark.parametrize("state", list(State))
def test_a_record_is_final_when_its_state_is(state: State) -> None:
    assert replace(QUEUED, state=state).final is (state in FINAL)


def test_a_call_is_its_task_and_its_arguments_and_nothing_else() -> None:
    call = replace(QUEUED, args=Raw(b"[1]"), kwargs=Raw(b'{"k":2}'))
    assert same_call(call, replace(DONE, args=Raw(b"[1]"), kwargs=Raw(b'{"k":2}'), queue="other", by="me", turn=7))
    assert not same_call(call, replace(call, task="u"))
    assert not same_call(call, replace(call, args=Raw(b"[2]")))
    assert not same_call(call, replace(call, kwargs=Raw(b"{}")))
