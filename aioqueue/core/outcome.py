"""How an attempt ended, and the record each ending makes: one named constructor a transition, so that no caller picks
fields. Pure."""

from __future__ import annotations

from msgspec import Raw, Struct
from msgspec.structs import replace

from .message import Message, Unknown
from .record import Error, Progress, Record, queued
from .state import Ended, Phase, State


class Succeeded(Struct, frozen=True, gc=False):
    """It returned; `result` is the encoded value."""

    result: bytes


class Failed(Struct, frozen=True):
    """It failed, and will not be tried again."""

    how: Ended
    reason: str
    error: Error | None = None


class Retrying(Struct, frozen=True):
    """It failed, and is tried again at `due`."""

    due: float
    reason: str
    error: Error | None = None


class Deferred(Struct, frozen=True):
    """Not now, but at `due`; no attempt is spent. `unknown` tallies the times no worker knew its task."""

    due: float
    reason: str
    unknown: Unknown | None = None


class Cancelled(Struct, frozen=True):
    """Somebody asked for its end."""

    reason: str


class Expired(Struct, frozen=True):
    """It could not start in time."""

    reason: str


class Interrupted(Struct, frozen=True):
    """The worker ended it in good order; it goes back unspent, with no record of its own."""

    reason: str


Outcome = Succeeded | Failed | Retrying | Deferred | Cancelled | Expired | Interrupted


class Run(Struct, kw_only=True, gc=False):
    """The facts of one run of a message, as its worker saw them. Lifetimes are in seconds."""

    worker: str
    delivery: int
    crashes: int
    attempts: int | None
    keep_results: float
    keep_failures: float
    started: float | None = None
    progress: Progress | None = None
    last_error: Error | None = None


def running(message: Message, run: Run) -> Record:
    """The record of a job that is being run."""
    return _record(message, run, State.RUNNING, Phase.RUNNING, attempt=message.attempt + 1, error=run.last_error)


def released(message: Message, run: Run) -> Record:
    """The record of a job that was being run and was given back unspent. It supersedes `running` of this delivery."""
    return _record(
        message, run, State.QUEUED, Phase.RUNNING, attempt=message.attempt, started=None, error=run.last_error
    )


def conclude(message: Message, run: Run, outcome: Outcome, now: float) -> Record:
    """The record that this outcome makes. Not for Interrupted, which leaves none."""
    spent = message.attempt + (run.started is not None)
    match outcome:
        case Succeeded(result):
            # Written out, and in two calls: this is the path of nearly every job, and CPython passes up to 15 keywords
            # for 0.5 us, more of them for 4 us, by way of a dict.
            return replace(
                queued(message), state=State.SUCCEEDED, phase=Phase.ENDED, delivery=run.delivery, attempt=spent,
                attempts=run.attempts, crashes=run.crashes, started=run.started, ended=now, error=run.last_error,
                result=Raw(result), progress=run.progress, worker=run.worker, forget=now + run.keep_results,
            )  # fmt: skip
        case Failed(how, reason, error):
            return _ended(message, run, State.FAILED, now, spent, how=how, reason=reason, error=error)
        case Retrying(due, reason, error):
            return _record(
                message, run, State.RETRYING, Phase.ENDED, attempt=spent, due=due, ended=now, reason=reason, error=error
            )
        case Deferred(due, reason, unknown):
            return _record(
                message, run, State.SCHEDULED, Phase.ENDED, attempt=message.attempt, due=due, ended=now, reason=reason,
                error=run.last_error, unknown=unknown,
            )  # fmt: skip
        case Cancelled(reason):
            return _ended(message, run, State.CANCELLED, now, spent, how=Ended.CANCELLED, reason=reason)
        case Expired(reason):
            return _ended(message, run, State.EXPIRED, now, spent, how=Ended.EXPIRED, reason=reason)
        case Interrupted():
            raise ValueError(f"job {message.id}: an interrupted attempt leaves no record")


def _ended(
    message: Message, run: Run, state: State, now: float, attempt: int, *, how: Ended, reason: str,
    error: Error | None = None,
) -> Record:  # fmt: skip
    keep = run.keep_failures if state is State.FAILED else run.keep_results
    return _record(
        message, run, state, Phase.ENDED, attempt=attempt, ended=now, how=how, reason=reason,
        error=error or run.last_error, forget=now + keep,
    )  # fmt: skip


def _record(message: Message, run: Run, state: State, phase: Phase, **fields: object) -> Record:
    known = {
        "due": message.due, "started": run.started, "progress": run.progress, "attempts": run.attempts,
    }  # fmt: skip
    return Record(
        id=message.id, task=message.task, state=state, turn=message.turn, phase=phase, delivery=run.delivery,
        queue=message.queue, priority=message.priority, crashes=run.crashes, enqueued=message.enqueued,
        worker=run.worker, args=message.args, kwargs=message.kwargs, by=message.by, labels=message.labels,
        parent=message.parent, root=message.root, **(known | fields),  # type: ignore[arg-type]
    )  # fmt: skip
