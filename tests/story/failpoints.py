"""The tasks of the stories in a worker that kills itself at a named step of settling a job.

What it settles through is wrapped here, from outside; aioqueue has no such hooks. The steps:

- where one file holds messages and records: `before` and `after` each of `apply` (the call that settles) and
  `COMMIT` (the statement that makes it so)
- where records are kept in another file: `before` and `after` each of `save`, `publish` and `ack` (or setting aside)
"""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aioqueue import AioQueue
from aioqueue.commit.safe_order import SafeOrderCommit
from aioqueue.core.record import Record
from aioqueue.core.state import Phase
from aioqueue.drivers.sqlite.connection import Connection

from .tasks import queue

VARIABLE = "STORY_DIES"
WHEN, _, STEP = os.environ[VARIABLE].partition(" ")
_settling = False


def die(when: str, step: str) -> None:
    """The end, if this is the step."""
    if (when, step) == (WHEN, STEP):
        os.kill(os.getpid(), signal.SIGKILL)


class Mortal:
    """Another object, some of whose methods are the step that may be its last."""

    def __init__(self, inner: Any, step: str, *methods: str, fatal: Callable[[Any], bool] = lambda given: True) -> None:
        self._inner, self._step, self._methods, self._fatal = inner, step, methods or (step,), fatal

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)
        return self._last(method) if name in self._methods else method

    def _last(self, method: Any) -> Any:
        async def call(*given: Any) -> Any:
            global _settling
            fatal = self._fatal(given[-1])
            if fatal:
                die("before", self._step)
            _settling = self._step == "apply"
            answer = await method(*given)
            if fatal:
                die("after", self._step)
            return answer

        return call


class MortalBroker(Mortal):
    """A broker whose consumers may die of letting go."""

    async def consumer(self, *given: Any) -> Any:
        return Mortal(await self._inner.consumer(*given), "ack", "ack", "dead_letter")


def are_outcomes(records: list[Record]) -> bool:
    return all(record.phase is Phase.ENDED for record in records)


def mortal_execute(self: Connection, statement: str, *parameters: Any) -> Any:
    if statement == "COMMIT" and _settling:
        die("before", "COMMIT")
    answer = super(Connection, self).execute(statement, *parameters)
    if statement == "COMMIT" and _settling:
        die("after", "COMMIT")
    return answer


@asynccontextmanager
async def lifespan(queue: AioQueue) -> AsyncIterator[None]:
    """Entered when the queue is open and its worker has not begun."""
    connection: Any = queue.connection
    if isinstance(connection.commit, SafeOrderCommit):
        commit: Any = connection.commit
        commit.store = Mortal(commit.store, "save", fatal=are_outcomes)
        commit.broker = Mortal(commit.broker, "publish")
        connection.broker = MortalBroker(connection.broker, "consumer")
    else:
        connection.commit = Mortal(connection.commit, "apply")
    yield


Connection.execute = mortal_execute  # type: ignore[method-assign, assignment]
queue.lifespan = lifespan
