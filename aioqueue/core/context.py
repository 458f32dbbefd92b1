"""The context of the job that is running: what a task may ask about itself, and tell."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

from .message import Label, Message
from .record import Progress

_current: ContextVar[Context] = ContextVar("aioqueue_job")


class Context:
    """Given to a task whose first parameter is annotated `Context`, and to any code the task calls by
    `Context.current()`. Reading and reporting are safe from a task's thread as well."""

    __slots__ = ("_cancelled", "_message", "_report", "attempts", "crashes", "redeliveries", "state", "worker")

    def __init__(
        self,
        message: Message,
        *,
        worker: str,
        attempts: int | None,
        redeliveries: int,
        crashes: int,
        state: Any,
        report: Callable[[Progress], None],
        cancelled: Callable[[], bool],
    ) -> None:
        self._message = message
        self._report = report
        self._cancelled = cancelled
        self.worker = worker
        self.attempts = attempts
        self.redeliveries = redeliveries
        self.crashes = crashes
        self.state = state

    @staticmethod
    def current() -> Context:
        """The running job's context. Raises LookupError outside of a job."""
        try:
            return _current.get()
        except LookupError:
            raise LookupError("no job is running here: Context.current() works only inside of a task") from None

    @property
    def job_id(self) -> str:
        """The job's id: the same at every attempt, so a good key for doing an effect once."""
        return self._message.id

    @property
    def task(self) -> str:
        """The task's name."""
        return self._message.task

    @property
    def attempt(self) -> int:
        """Which attempt this is, from 1."""
        return self._message.attempt + 1

    @property
    def queue(self) -> str:
        """The queue the job came from."""
        return self._message.queue

    @property
    def by(self) -> str | None:
        """Who asked for the job."""
        return self._message.by

    @property
    def labels(self) -> Mapping[str, Label]:
        """The job's labels."""
        return self._message.labels or {}

    @property
    def headers(self) -> Mapping[str, str]:
        """The job's headers."""
        return self._message.headers or {}

    @property
    def parent(self) -> str | None:
        """The id of the job that enqueued this one, if one did."""
        return self._message.parent

    @property
    def root(self) -> str:
        """The id of the job this one descends from; its own if from none."""
        return self._message.root or self._message.id

    @property
    def cancelled(self) -> bool:
        """Whether the attempt was told to end. A `def` task should look now and then: a thread cannot be stopped."""
        return self._cancelled()

    def progress(self, done: float, total: float | None = None, note: str | None = None) -> None:
        """Say how far the job has come. Cheap: the newest is written within half a second, and with the outcome.
        Raises ValueError for NaN and infinity."""
        if not math.isfinite(done) or (total is not None and not math.isfinite(total)):
            raise ValueError(f"progress({done!r}, {total!r}): give finite numbers")
        if note is not None:
            note = str(note).encode("utf-8", "backslashreplace").decode()
        # float(): what computes the progress may have number types of its own, which no record could hold.
        self._report(Progress(float(done), None if total is None else float(total), note))


def running_message() -> Message | None:
    """The message of the job that is running here, for what its children inherit; None outside of a job."""
    context = _current.get(None)
    return None if context is None else context._message


def enter(context: Context) -> None:
    """Make this the current context, for the rest of the asyncio task or thread it is called in."""
    _current.set(context)
