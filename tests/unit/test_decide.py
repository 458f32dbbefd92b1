"""What follows from a record that stands."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from aioqueue.core.codec import decode, encode
from aioqueue.core.decide import NOTHING, decide
from aioqueue.core.message import VERSION, Message, Unknown
from aioqueue.core.record import Record
from aioqueue.core.state import Phase, State

MESSAGE = Message(v=VERSION, id="a", task="t", enqueued=1.0, turn=2, attempt=1, due=5.0, queue="mail", priority=7)


def ended(state: State, **fields: Any) -> Record:
    usual: dict[str, Any] = {"turn": 2}
    return Record(id="a", task="t", state=state, phase=Phase.ENDED, **(usual | fields))


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.CANCELLED, State.EXPIRED])
def test_nothing_follows_from_these_ends(state: State) -> None:
    assert decide(encode(MESSAGE), MESSAGE, ended(state)) == NOTHING


def test_a_failure_is_set_aside_with_its_reason() -> None:
    follow = decide(encode(MESSAGE), MESSAGE, ended(State.FAILED, reason="failed: no such host"))
    assert (follow.publish, follow.dead) == ((), "failed: no such host")
    assert decide(encode(MESSAGE), MESSAGE, ended(State.FAILED)).dead == "failed"


def test_a_retry_publishes_the_next_turn_with_the_attempt_spent() -> None:
    follow = decide(encode(MESSAGE), MESSAGE, ended(State.RETRYING, due=99.0, attempt=2))
    [out] = follow.publish
    assert (out.id, out.turn, out.due, out.queue, out.priority) == ("a", 3, 99.0, "mail", 7)
    assert decode(out.body) == msgspec.structs.replace(MESSAGE, turn=3, attempt=2, due=99.0)
    assert follow.dead is None


def test_a_deferral_publishes_the_next_turn_with_its_tally_and_spends_no_attempt() -> None:
    record = ended(State.SCHEDULED, due=99.0, attempt=1, unknown=Unknown(3.0, 4))
    [out] = decide(encode(MESSAGE), MESSAGE, record).publish
    assert decode(out.body) == msgspec.structs.replace(MESSAGE, turn=3, due=99.0, unknown=Unknown(3.0, 4))


def test_a_retry_forgets_that_its_task_was_once_unknown() -> None:
    message = msgspec.structs.replace(MESSAGE, unknown=Unknown(3.0, 4))
    [out] = decide(encode(message), message, ended(State.RETRYING, due=99.0, attempt=2)).publish
    assert decode(out.body).unknown is None


@pytest.mark.parametrize("turn", [0, 1, 3, 9])
@pytest.mark.parametrize("state", list(State))
def test_nothing_follows_where_another_turn_stands(turn: int, state: State) -> None:
    assert decide(encode(MESSAGE), MESSAGE, ended(state, turn=turn, due=9.0)) == NOTHING
