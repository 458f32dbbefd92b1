"""The states of a job and the table of legal moves between them."""

from __future__ import annotations

from enum import IntEnum, StrEnum


class State(StrEnum):
    """Where a job stands."""

    WAITING = "waiting"  # its predecessors have not finished
    SCHEDULED = "scheduled"  # not due yet
    QUEUED = "queued"
    RUNNING = "running"
    RETRYING = "retrying"  # an attempt failed; the next is due later
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def final(self) -> bool:
        """Whether nothing more will happen to the job by itself."""
        return self in FINAL


FINAL = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED, State.EXPIRED})

_ENDS = {State.SUCCEEDED, State.FAILED, State.CANCELLED}
_UNSTARTED = {State.RUNNING, State.SCHEDULED, State.FAILED, State.CANCELLED, State.EXPIRED}

MOVES: dict[State, frozenset[State]] = {
    State.WAITING: frozenset({State.SCHEDULED, State.QUEUED, State.CANCELLED}),
    State.SCHEDULED: frozenset({State.QUEUED, *_UNSTARTED}),
    State.QUEUED: frozenset(_UNSTARTED),
    # Back to queued: its worker died, or gave it back unspent.
    State.RUNNING: frozenset({State.RETRYING, State.SCHEDULED, State.QUEUED, *_ENDS}),
    # Never expired: it had started in time.
    State.RETRYING: frozenset({State.QUEUED, *_UNSTARTED} - {State.EXPIRED}),
    State.SUCCEEDED: frozenset(),
    # Reopened by a person: the failed job, and with it what its failure had cancelled.
    State.FAILED: frozenset({State.QUEUED}),
    State.CANCELLED: frozenset({State.WAITING}),
    State.EXPIRED: frozenset(),
}


def may_move(old: State, new: State) -> bool:
    """Whether one step may lead from `old` to `new`."""
    return new in MOVES[old]


class Phase(IntEnum):
    """How far a turn of a job has come; within a turn it only grows."""

    PENDING = 0
    RUNNING = 1
    ENDED = 2


class Ended(StrEnum):
    """How a job ended when it did not succeed."""

    PERMANENT = "permanent"
    RETRIES = "retries"
    TIMEOUT = "timeout"
    CRASHES = "crashes"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    INVALID = "invalid"
    UNKNOWN = "unknown"
