"""The record: what the store knows of a job, and which of two records of one job stands."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Raw, Struct

from .message import EMPTY_ARGS, EMPTY_KWARGS, Label, MaybeRaw, Message, Unknown
from .state import Ended, Phase, State


class Error(Struct, frozen=True, omit_defaults=True):
    """An exception as text. `traceback` is what the worker saw."""

    type: str
    message: str
    traceback: str | None = None


class Progress(Struct, frozen=True, omit_defaults=True):
    """How far a running job says it is."""

    done: float
    total: float | None = None
    note: str | None = None


class Record(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What the store knows of a job. Times are seconds since 1970.

    `attempt` is the current or last attempt, from 1; 0 before the first. `attempts` is how many it may have, None while
    unknown (the worker knows its task's rule). `delivery` orders two runs of one turn. `forget` is when the store may
    drop the record: None while anything is still owed.
    """

    id: str
    task: str
    state: State
    turn: int = 0
    phase: Phase = Phase.PENDING
    delivery: int = 0
    queue: str = "default"
    priority: int = 4
    attempt: int = 0
    attempts: int | None = None
    crashes: int = 0
    enqueued: float = 0.0
    due: float | None = None
    started: float | None = None
    ended: float | None = None
    how: Ended | None = None
    reason: str | None = None
    error: Error | None = None
    result: MaybeRaw = None
    progress: Progress | None = None
    worker: str | None = None
    args: Raw = EMPTY_ARGS
    kwargs: Raw = EMPTY_KWARGS
    by: str | None = None
    labels: Mapping[str, Label] | None = None
    parent: str | None = None
    root: str | None = None
    unknown: Unknown | None = None
    forget: float | None = None

    @property
    def final(self) -> bool:
        """Whether the job has come to its end."""
        return self.state.final


def queued(message: Message) -> Record:
    """The record a job starts with."""
    return Record(  # with 15 keywords, the most that CPython passes without making a dict
        id=message.id,
        task=message.task,
        state=State.QUEUED if message.due is None else State.SCHEDULED,
        turn=message.turn,
        queue=message.queue,
        priority=message.priority,
        attempt=message.attempt,
        enqueued=message.enqueued,
        due=message.due,
        args=message.args,
        kwargs=message.kwargs,
        by=message.by,
        labels=message.labels,
        parent=message.parent,
        root=message.root,
    )


def supersedes(new: Record, old: Record) -> bool:
    """Whether `new` may replace `old`: a later turn, or a later phase of the same turn. Within a turn the first end
    stands; while running, the later delivery's news stand."""
    if new.turn != old.turn:
        return new.turn > old.turn
    if new.phase != old.phase:
        return new.phase > old.phase
    return new.phase is Phase.RUNNING and new.delivery >= old.delivery


def same_call(one: Record, other: Record) -> bool:
    """Whether two records are of one call: the same task with the same arguments."""
    return one.task == other.task and bytes(one.args) == bytes(other.args) and bytes(one.kwargs) == bytes(other.kwargs)


def replace(record: Record, **changes: object) -> Record:
    """The record with these fields changed."""
    return msgspec.structs.replace(record, **changes)
