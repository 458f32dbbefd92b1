"""The caller's view of a job: its result, what is known of it, and its end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

import msgspec

from .core.clock import Clock
from .core.durations import seconds
from .core.message import Label
from .core.record import Error, Progress, Record, replace
from .core.state import Ended, Phase, State, may_move
from .drivers.base import ResultStore
from .errors import JobCancelled, JobFailed, ResultExpired, ResultTimeout, Unsupported

R = TypeVar("R")


class JobInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a job. Times are aware datetimes in UTC, durations seconds.

    `attempt` is the current or last attempt, from 1, and 0 before the first; `attempts` is how many it may have, once a
    worker has seen it. `waited` is how long the last attempt waited to start, `ran` how long it ran; None: not known,
    or not yet. `how` and `reason` say how it ended, or why it waits. `args` and `kwargs` are as they crossed, in JSON's
    types.
    """

    id: str
    task: str
    state: State
    queue: str
    priority: int
    attempt: int
    attempts: int | None
    crashes: int
    enqueued: datetime
    due: datetime | None
    started: datetime | None
    ended: datetime | None
    waited: float | None
    ran: float | None
    next_run: datetime | None
    how: Ended | None
    reason: str | None
    error: Error | None
    progress: Progress | None
    worker: str | None
    args: list[Any]
    kwargs: dict[str, Any]
    by: str | None
    labels: Mapping[str, Label]
    parent: str | None
    root: str | None


class Job(Generic[R]):
    """A job that was enqueued, by its id; any process that shares the result store can make one with
    `queue.job(id)`."""

    __slots__ = ("_desk", "id")

    def __init__(self, id: str, desk: Desk) -> None:
        self.id = id
        self._desk = desk

    async def result(self, timeout: float | timedelta | None = None) -> R:
        """What the task returned, waiting for it at most `timeout` seconds; None waits for ever.

        Raises ResultTimeout (the job goes on), JobFailed, JobCancelled (also if it expired), ResultExpired, or
        Unsupported if results are switched off.
        """
        limit = None if timeout is None else seconds(timeout, "timeout")
        result: R = await self._desk.result(self.id, limit)
        return result

    async def info(self) -> JobInfo:
        """What is known of the job now. Raises ResultExpired if nothing is (any more)."""
        return describe(await self._desk.record(self.id), self._desk.clock.now())

    async def cancel(self, reason: str = "cancelled by request") -> bool:
        """End the job wherever it stands; whether it is cancelled now. False means that it had already ended.

        Waiting, it will not start, unless a worker has just taken it: then it counts as running. Running, its outcome
        no longer counts from this moment on, and its worker interrupts it within about a second.
        """
        return await self._desk.cancel(self.id, reason)

    def __repr__(self) -> str:
        return f"<Job {self.id}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Job) and other.id == self.id

    def __hash__(self) -> int:
        return hash(self.id)


class Desk:
    """Where jobs are asked after: the result store, and how to read a task's result."""

    def __init__(
        self, clock: Clock, decode: Callable[[str, bytes], Any], opened: Callable[[], Awaitable[ResultStore | None]]
    ) -> None:
        self.clock = clock
        self._decode = decode
        self._opened = opened  # the open store, opened now if need be; None where results are switched off

    async def store(self) -> ResultStore:
        """The store. Raises Unsupported where results are switched off."""
        store = await self._opened()
        if store is None:
            raise Unsupported("this queue keeps no results (results=none), so a job cannot be asked after")
        return store

    async def record(self, id: str) -> Record:
        """The job's record. Raises ResultExpired if there is none."""
        (record,) = await (await self.store()).get([id])
        if record is None:
            raise ResultExpired(f"job {id}: no record; it was never enqueued here, or is no longer kept", job_id=id)
        return record

    async def result(self, id: str, timeout: float | None) -> Any:
        """The job's result; see Job.result."""
        record = await self.record(id)
        if not record.final:
            try:
                async with asyncio.timeout(timeout):
                    record = await (await self.store()).wait(id)
            except TimeoutError as error:
                raise ResultTimeout(
                    f"job {id}: no outcome after {timeout:g} s; it goes on, ask again", job_id=id
                ) from error
        return self._value(record)

    def _value(self, record: Record) -> Any:
        match record.state:
            case State.SUCCEEDED if record.result is not None:
                return self._decode(record.task, bytes(record.result))
            case State.SUCCEEDED:
                raise ResultExpired(f"job {record.id} succeeded, but its value is no longer kept", job_id=record.id)
            case State.FAILED:
                error = record.error or Error("", "")
                what = f"{error.type}: {error.message}" if error.type else record.reason
                raise JobFailed(
                    f"job {record.id} ({record.task}) failed for good ({record.how}): {what}",
                    job_id=record.id,
                    ended=str(record.how),
                    error_type=error.type,
                    error_message=error.message,
                    traceback=error.traceback,
                )
            case _:
                raise JobCancelled(f"job {record.id} ({record.task}) {record.reason}", job_id=record.id)

    async def cancel(self, id: str, reason: str) -> bool:
        """End the job; see Job.cancel."""
        while True:
            record = await self.record(id)
            if not may_move(record.state, State.CANCELLED):
                return record.state is State.CANCELLED
            # A turn that has ended is followed by one already on its way: that is the one to end.
            turn = record.turn + 1 if record.phase == Phase.ENDED else record.turn
            now = self.clock.now()
            ours = replace(
                record,
                state=State.CANCELLED,
                turn=turn,
                phase=Phase.ENDED,
                ended=now,
                how=Ended.CANCELLED,
                reason=reason,
                forget=max(now, record.due or now) + CANCELLED_KEPT,
            )
            (winner,) = await (await self.store()).save([ours])
            if winner == ours:
                return True


# Seconds, from when the job was due: its message is still on its way, and the record must be there to stop it then.
CANCELLED_KEPT = 14 * 86400.0


def describe(record: Record, now: float) -> JobInfo:
    """The record for people."""
    began = record.started
    waiting_since = max(record.enqueued, record.due or 0.0)
    until = began or (record.ended if record.final else now) or now
    # Once an attempt has ended and another is due, how long the ended one had waited is no longer known.
    waited = None if began is not None and waiting_since > began else max(0.0, until - waiting_since)
    return JobInfo(
        id=record.id,
        task=record.task,
        state=record.state,
        queue=record.queue,
        priority=record.priority,
        attempt=record.attempt,
        attempts=record.attempts,
        crashes=record.crashes,
        enqueued=_moment(record.enqueued),
        due=_when(record.due),
        started=_when(began),
        ended=_when(record.ended if record.final else None),
        waited=waited,
        ran=None if began is None else max(0.0, (record.ended or now) - began),
        next_run=_when(None if record.final or record.state is State.RUNNING else record.due),
        how=record.how,
        reason=record.reason,
        error=record.error,
        progress=record.progress,
        worker=record.worker,
        args=msgspec.json.decode(record.args),
        kwargs=msgspec.json.decode(record.kwargs),
        by=record.by,
        labels=record.labels or {},
        parent=record.parent,
        root=record.root,
    )


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _when(at: float | None) -> datetime | None:
    return None if at is None else _moment(at)
