"""The states, which record stands, and the two pure decisions, whatever they are asked."""

from __future__ import annotations

import itertools
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Raw

from aioqueue.core.admit import Conclude, Drop, Rules, Start, admit
from aioqueue.core.codec import decode, decode_record, encode, encode_record, next_turn
from aioqueue.core.decide import decide
from aioqueue.core.message import VERSION, Backoff, Message, Unknown
from aioqueue.core.outcome import (
    Cancelled,
    Deferred,
    Expired,
    Failed,
    Outcome,
    Retrying,
    Run,
    Succeeded,
    conclude,
    running,
)
from aioqueue.core.record import Error, Progress, Record, queued, supersedes
from aioqueue.core.state import FINAL, MOVES, Ended, Phase, State, may_move

NOW = 1_767_225_600.0

# From each state (a row) to each (a column, in the same order): may one step lead there?
TABLE = """
           waiting scheduled queued running retrying succeeded failed cancelled expired
waiting    -       yes       yes    -       -        -         -      yes       -
scheduled  -       yes       yes    yes     -        -         yes    yes       yes
queued     -       yes       -      yes     -        -         yes    yes       yes
running    -       yes       yes    -       yes      yes       yes    yes       -
retrying   -       yes       yes    yes     -        -         yes    yes       -
succeeded  -       -         -      -       -        -         -      -         -
failed     -       -         yes    -       -        -         -      -         -
cancelled  yes     -         -      -       -        -         -      -         -
expired    -       -         -      -       -        -         -      -         -
"""


def _table() -> list[tuple[State, State, bool]]:
    head, *rows = [line.split() for line in TABLE.strip().splitlines()]
    return [
        (State(row[0]), State(new), answer == "yes") for row in rows for new, answer in zip(head, row[1:], strict=True)
    ]


@pytest.mark.parametrize(("old", "new", "legal"), _table())
def test_a_step_is_legal_exactly_where_the_table_says_so(old: State, new: State, legal: bool) -> None:
    assert may_move(old, new) is legal


def test_the_table_knows_every_pair_of_states() -> None:
    assert {(old, new) for old, new, _ in _table()} == set(itertools.product(State, State))
    assert set(MOVES) == set(State)


def test_only_a_person_leads_out_of_a_final_state_and_from_every_other_an_end_can_be_reached() -> None:
    for state in State:
        reachable = {state}
        for _ in State:
            reachable |= {new for old in reachable for new in MOVES[old]}
        assert reachable & FINAL
        assert state.final is (state in FINAL)
    assert {old: MOVES[old] for old in FINAL if MOVES[old]} == {
        State.FAILED: {State.QUEUED},
        State.CANCELLED: {State.WAITING},
    }


# Which record stands

texts = st.text(max_size=20)
numbers = st.floats(0, 4e9, allow_nan=False)
raws = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
).map(lambda value: Raw(msgspec.json.encode(value) if not _huge(value) else b"0"))
labels = st.none() | st.dictionaries(texts, texts | st.integers(-(2**63), 2**63) | st.booleans(), max_size=3)


def _huge(value: Any) -> bool:
    try:
        msgspec.json.encode(value)
    except (msgspec.MsgspecError, OverflowError):
        return True
    return False


def some(**given: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Any of these fields, each there or not."""
    return st.fixed_dictionaries({}, optional=given)


names = texts.filter(bool)
messages = st.builds(
    lambda fields: Message(**{"v": VERSION, "id": "job-1", "task": "t", "enqueued": NOW} | fields),
    some(
        id=names, task=names, enqueued=numbers, args=raws, kwargs=raws, turn=st.integers(0, 9),
        attempt=st.integers(0, 9), queue=texts, priority=st.integers(0, 9), due=st.none() | numbers,
        expires=st.none() | numbers, retries=st.none() | st.integers(0, 99),
        backoff=st.none() | st.builds(Backoff, texts, numbers, numbers, st.booleans()),
        timeout=st.none() | numbers | st.just(UNSET), keep_results=st.none() | numbers,
        keep_failures=st.none() | numbers, by=st.none() | texts, labels=labels,
        headers=st.none() | st.dictionaries(texts, texts, max_size=3), parent=st.none() | texts, root=st.none() | texts,
        unknown=st.none() | st.builds(Unknown, numbers, st.integers(0, 99)), then=st.none() | raws,
        key=st.none() | texts, unique=st.none() | raws, limits=st.none() | raws,
    ),
)  # fmt: skip
errors = st.none() | st.builds(Error, texts, texts, st.none() | texts)
records = st.builds(
    lambda fields: Record(**{"id": "job-1", "task": "t", "state": State.QUEUED} | fields),
    some(
        id=texts, task=texts, state=st.sampled_from(State), turn=st.integers(0, 3), phase=st.sampled_from(Phase),
        delivery=st.integers(0, 3), queue=texts, priority=st.integers(0, 9), attempt=st.integers(0, 9),
        attempts=st.none() | st.integers(0, 9), crashes=st.integers(0, 9), enqueued=numbers, due=st.none() | numbers,
        started=st.none() | numbers, ended=st.none() | numbers, how=st.none() | st.sampled_from(Ended),
        reason=st.none() | texts, error=errors, result=st.none() | raws,
        progress=st.none() | st.builds(Progress, numbers, st.none() | numbers, st.none() | texts),
        worker=st.none() | texts, args=raws, kwargs=raws, by=st.none() | texts, labels=labels,
        parent=st.none() | texts, root=st.none() | texts,
        unknown=st.none() | st.builds(Unknown, numbers, st.integers(0, 99)), forget=st.none() | numbers,
    ),
)  # fmt: skip
STEPS = [
    Record(id="j", task="t", state=State.QUEUED, turn=turn, phase=phase, delivery=delivery)
    for turn, phase, delivery in itertools.product(range(3), Phase, range(3))
]


@pytest.mark.parametrize("old", STEPS, ids=lambda r: f"{r.turn}-{r.phase.name}-{r.delivery}")
def test_of_two_records_that_differ_in_turn_or_phase_exactly_the_newer_supersedes(old: Record) -> None:
    for new in STEPS:
        if (new.turn, new.phase) != (old.turn, old.phase):
            assert supersedes(new, old) is ((new.turn, new.phase) > (old.turn, old.phase))
            assert supersedes(new, old) is not supersedes(old, new)


@pytest.mark.parametrize("old", STEPS, ids=lambda r: f"{r.turn}-{r.phase.name}-{r.delivery}")
def test_of_one_turn_and_phase_only_news_of_a_running_job_supersede_and_never_from_an_older_delivery(
    old: Record,
) -> None:
    for new in STEPS:
        if (new.turn, new.phase) == (old.turn, old.phase):
            assert supersedes(new, old) is (new.phase is Phase.RUNNING and new.delivery >= old.delivery)


def test_superseding_is_transitive() -> None:
    for one, two, three in itertools.product(STEPS, repeat=3):
        if supersedes(one, two) and supersedes(two, three):
            assert supersedes(one, three)


@given(st.lists(records, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_in_whatever_order_records_arrive_one_as_new_as_any_stands(arriving: list[Record], random: Random) -> None:
    shuffled = random.sample(arriving, len(arriving))
    standing = shuffled[0]
    for new in shuffled[1:]:
        standing = new if supersedes(new, standing) else standing
    assert (standing.turn, standing.phase) == max((each.turn, each.phase) for each in arriving)


# Bytes


@given(messages)
def test_a_message_comes_back_from_its_bytes_as_it_was(message: Message) -> None:
    assert decode(encode(message)) == message


@given(records)
def test_a_record_comes_back_from_its_bytes_as_it_was(record: Record) -> None:
    assert decode_record(encode_record(record)) == record


unknown_fields = st.dictionaries(texts.filter(lambda name: name not in Message.__struct_fields__), raws, max_size=3)


@given(messages, unknown_fields)
def test_the_next_turn_carries_on_fields_that_this_program_does_not_know(
    message: Message, fields: dict[str, Raw]
) -> None:
    body = msgspec.json.encode(msgspec.json.decode(encode(message), type=dict[str, Raw]) | fields)
    message = decode(body)
    for _ in range(2):
        after = next_turn(body, message, due=NOW, attempt=message.attempt + 1)
        carried = msgspec.json.decode(after.body, type=dict[str, Raw])
        assert {name: carried[name] for name in fields} == fields
        body, before, message = after.body, message, decode(after.body)
        assert message == msgspec.structs.replace(before, turn=before.turn + 1, due=NOW, attempt=before.attempt + 1)
        assert (after.id, after.turn, after.due) == (message.id, message.turn, NOW)


# The decisions

reasons = texts
outcomes: st.SearchStrategy[Outcome] = st.one_of(
    st.builds(Succeeded, raws.map(bytes)),
    st.builds(Failed, st.sampled_from(Ended), reasons, errors),
    st.builds(Retrying, numbers, reasons, errors),
    st.builds(Deferred, numbers, reasons, st.none() | st.builds(Unknown, numbers, st.integers(0, 9))),
    st.builds(Cancelled, reasons),
    st.builds(Expired, reasons),
)
runs = st.builds(
    Run, worker=texts, delivery=st.integers(1, 9), crashes=st.integers(0, 9), attempts=st.none() | st.integers(1, 9),
    keep_results=numbers, keep_failures=numbers, started=st.none() | numbers, last_error=errors,
)  # fmt: skip


@given(messages, runs, outcomes)
def test_what_follows_from_the_stored_record_is_what_followed_from_the_run(
    message: Message, run: Run, outcome: Outcome
) -> None:
    body = encode(message)
    ended = conclude(message, run, outcome, NOW)
    first = decide(body, message, ended)
    assert decide(body, message, ended) == first
    assert decide(body, decode(body), decode_record(encode_record(ended))) == first


@given(messages, runs, outcomes)
def test_a_turn_that_ended_leaves_a_final_record_or_exactly_one_next_turn(
    message: Message, run: Run, outcome: Outcome
) -> None:
    ended = conclude(message, run, outcome, NOW)
    follow = decide(encode(message), message, ended)
    assert ended.phase is Phase.ENDED
    assert (ended.forget is not None) is ended.final, "what is owed must not expire, what is finished must"
    assert [(out.id, out.turn) for out in follow.publish] == ([] if ended.final else [(message.id, message.turn + 1)])
    assert (follow.dead is not None) is (ended.state is State.FAILED)


@given(messages, runs, outcomes)
def test_each_record_of_a_turn_supersedes_the_one_before_by_a_legal_step(
    message: Message, run: Run, outcome: Outcome
) -> None:
    first, second, third = queued(message), running(message, run), conclude(message, run, outcome, NOW)
    assert supersedes(second, first)
    assert supersedes(third, second)
    assert supersedes(third, first)
    assert may_move(first.state, second.state)
    for out in decide(encode(message), message, third).publish:
        assert supersedes(queued(decode(out.body)), third)


@given(messages, records)
def test_nothing_follows_from_a_record_of_another_turn(message: Message, record: Record) -> None:
    if record.turn != message.turn:
        follow = decide(encode(message), message, record)
        assert (follow.publish, follow.dead) == ((), None)


@given(
    messages, st.none() | records, st.integers(0, 9), st.booleans(), numbers, st.integers(1, 5), numbers,
    st.randoms(use_true_random=False),
)  # fmt: skip
def test_admission_never_runs_what_ended_expired_crashed_too_often_or_is_unknown(
    message: Message, record: Record | None, crashes: int, known: bool, now: float, most: int, patience: float,
    random: Random,
) -> None:  # fmt: skip
    rules = Rules(max_crashes=most, unknown_patience=patience)
    verdict = admit(message, record, crashes, known=known, now=now, rules=rules, random=random)
    over = record is not None and (record.turn, record.phase) >= (message.turn, Phase.ENDED)
    expired = message.expires is not None and message.attempt == 0 and now >= message.expires
    match verdict:
        case Drop(standing):
            assert over
            assert standing is record
        case Start(suspect):
            assert not over
            assert not expired
            assert crashes < most
            assert known
            assert suspect is (crashes >= 2)
        case Conclude(outcome):
            assert not over
            assert isinstance(outcome, Expired) is expired
            if isinstance(outcome, Deferred):
                assert now + 0.5 <= outcome.due <= now + 60
                assert outcome.unknown is not None
    assert isinstance(verdict, Drop) is over
