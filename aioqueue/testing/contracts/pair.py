"""A broker and a store under one commit, and how a worker settles through it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aioqueue.core.codec import decode, outgoing
from aioqueue.core.decide import decide
from aioqueue.core.outcome import Outcome, Run, conclude
from aioqueue.core.record import Record, queued
from aioqueue.core.state import Phase
from aioqueue.drivers.base import (
    Applied,
    Broker,
    Commit,
    Consumer,
    Delivery,
    Doomed,
    Entry,
    ResultStore,
    Standing,
    Transition,
)

from .jobs import message

KEEP = 86_400.0


@dataclass(frozen=True, slots=True)
class Pair:
    """What a commit case is run on. `atomic`: the commit is one step on one server."""

    broker: Broker
    store: ResultStore
    commit: Commit
    atomic: bool


def entry(id: str = "job-1", **fields: Any) -> Entry:
    """A job to be enqueued."""
    new = message(id, **fields)
    return Entry(outgoing(new), queued(new))


def entries(n: int, **fields: Any) -> list[Entry]:
    """`n` of them."""
    return [entry(f"job-{i:06}", **fields) for i in range(n)]


def ending(delivery: Delivery, outcome: Outcome, now: float, worker: str = "worker-1") -> Transition:
    """The transition of a run that ended like this."""
    run = Run(
        worker=worker, delivery=delivery.redeliveries + 1, crashes=delivery.crashes, attempts=4, keep_results=KEEP,
        keep_failures=KEEP, started=now,
    )  # fmt: skip
    return following(delivery, conclude(decode(delivery.body), run, outcome, now))


def following(delivery: Delivery, winner: Record) -> Transition:
    """The transition that carries out what follows from the record that stands."""
    follow = decide(delivery.body, decode(delivery.body), winner)
    dead = None if follow.dead is None else Doomed(delivery, follow.dead, (winner.forget or 0.0) + KEEP)
    return Transition(delivery=delivery, record=winner, publish=follow.publish, dead=dead)


async def settle(commit: Commit, consumer: Consumer, transitions: Sequence[Transition]) -> list[Applied]:
    """Apply these as a worker does: what another record stands against is decided again from that record."""
    verdicts = list(await commit.apply(consumer, transitions))
    assert len(verdicts) == len(transitions)
    again = []
    for transition, verdict in zip(transitions, verdicts, strict=True):
        if verdict.standing is Standing.SUPERSEDED:
            assert verdict.record is not None, "who is superseded must learn by which record"
            again.append(following(transition.delivery, verdict.record))
    for verdict in await commit.apply(consumer, again):
        assert verdict.standing is not Standing.SUPERSEDED
    return verdicts


async def work_off(pair: Pair, commit: Commit, consumer: Consumer, held: Sequence[Delivery], outcome: Outcome) -> None:
    """Run these to this outcome, but for those whose turn has ended already: what follows is carried out again."""
    records = await pair.store.get([decode(delivery.body).id for delivery in held])
    transitions = []
    for delivery, record in zip(held, records, strict=True):
        turn = decode(delivery.body).turn
        if record is not None and (record.turn, record.phase) >= (turn, Phase.ENDED):
            transitions.append(following(delivery, record))
        else:
            transitions.append(ending(delivery, outcome, 2e9, "worker-2"))
    await settle(commit, consumer, transitions)
