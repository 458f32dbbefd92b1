"""Whether a message that was received may run now."""

from __future__ import annotations

from random import Random

import pytest

from aioqueue.core.admit import START, START_ALONE, Conclude, Drop, Rules, admit, deferral
from aioqueue.core.message import VERSION, Message, Unknown
from aioqueue.core.outcome import Deferred, Expired, Failed
from aioqueue.core.record import Record
from aioqueue.core.state import Ended, Phase, State

NOW = 1000.0
RULES = Rules(max_crashes=3, unknown_patience=3600.0)


def ask(
    *, turn: int = 0, expires: float | None = None, unknown: Unknown | None = None, record: Record | None = None,
    crashes: int = 0, known: bool = True,
) -> object:  # fmt: skip
    message = Message(v=VERSION, id="a", task="t", enqueued=1.0, turn=turn, expires=expires, unknown=unknown)
    return admit(message, record, crashes, known=known, now=NOW, rules=RULES, random=Random(0))


def there(turn: int, phase: Phase, state: State = State.SUCCEEDED) -> Record:
    return Record(id="a", task="t", state=state, turn=turn, phase=phase)


def test_a_message_without_a_record_starts() -> None:
    assert ask() == START


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.RUNNING])
def test_a_turn_that_has_not_ended_starts_again(phase: Phase) -> None:
    assert ask(record=there(0, phase)) == START


@pytest.mark.parametrize(("turn", "phase"), [(0, Phase.ENDED), (1, Phase.PENDING), (1, Phase.ENDED)])
def test_a_turn_that_ended_or_has_a_later_one_is_dropped(turn: int, phase: Phase) -> None:
    record = there(turn, phase)
    assert ask(record=record) == Drop(record)


def test_the_next_turn_starts_although_the_one_before_ended() -> None:
    assert ask(turn=1, record=there(0, Phase.ENDED, State.RETRYING)) == START


def test_a_cancelled_job_is_dropped() -> None:
    record = there(0, Phase.ENDED, State.CANCELLED)
    assert ask(record=record) == Drop(record)


def test_what_ended_is_dropped_even_if_it_expired_crashed_or_is_unknown() -> None:
    record = there(0, Phase.ENDED)
    assert ask(record=record, expires=NOW - 1, crashes=9, known=False) == Drop(record)


@pytest.mark.parametrize(("expires", "expired"), [(NOW - 5, True), (NOW, True), (NOW + 0.1, False), (None, False)])
def test_a_job_past_its_limit_expires_instead_of_starting(expires: float | None, expired: bool) -> None:
    verdict = ask(expires=expires)
    if expired:
        assert isinstance(verdict, Conclude)
        assert isinstance(verdict.outcome, Expired)
    else:
        assert verdict == START


def test_a_job_whose_worker_died_twice_starts_alone_and_after_three_times_is_set_aside() -> None:
    assert [ask(crashes=n) for n in range(3)] == [START, START, START_ALONE]
    verdict = ask(crashes=3)
    assert isinstance(verdict, Conclude)
    assert isinstance(verdict.outcome, Failed)
    assert verdict.outcome.how is Ended.CRASHES
    assert "died 3 times" in verdict.outcome.reason


def test_an_unknown_task_is_put_off_and_tallied_since_when_and_how_often() -> None:
    verdict = ask(known=False)
    assert isinstance(verdict, Conclude)
    assert isinstance(verdict.outcome, Deferred)
    assert NOW + 0.5 <= verdict.outcome.due <= NOW + 1
    assert verdict.outcome.unknown == Unknown(NOW, 1)
    verdict = ask(known=False, unknown=Unknown(NOW - 100, 4))
    assert isinstance(verdict, Conclude)
    assert isinstance(verdict.outcome, Deferred)
    assert verdict.outcome.unknown == Unknown(NOW - 100, 5)


@pytest.mark.parametrize(("age", "failed"), [(3599.0, False), (3600.0, True), (1e6, True)])
def test_an_unknown_task_is_set_aside_when_patience_is_over_by_age_not_by_count(age: float, failed: bool) -> None:
    verdict = ask(known=False, unknown=Unknown(NOW - age, 10_000))
    assert isinstance(verdict, Conclude)
    assert isinstance(verdict.outcome, Failed) is failed
    if isinstance(verdict.outcome, Failed):
        assert verdict.outcome.how is Ended.UNKNOWN
        assert "'t'" in verdict.outcome.reason


def test_deferrals_double_from_one_second_to_sixty_less_up_to_half_in_jitter() -> None:
    random = Random(0)
    for times, most in [(0, 1), (1, 2), (2, 4), (5, 32), (6, 60), (7, 60), (10**9, 60)]:
        drawn = [deferral(times, random) for _ in range(200)]
        assert most / 2 <= min(drawn) < max(drawn) <= most


def test_a_job_that_has_started_in_time_is_tried_again_past_its_limit() -> None:
    message = Message(v=VERSION, id="a", task="t", enqueued=1.0, turn=1, attempt=1, expires=NOW - 5)
    assert admit(message, None, 0, known=True, now=NOW, rules=RULES, random=Random(0)) == START
