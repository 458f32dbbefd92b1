"""What happened, told by the tasks themselves, in a file that aioqueue knows nothing of.

Each note is one line, written by a single `write` to a file opened with O_APPEND: notes of many processes never mix,
and a process killed right afterwards has still said it.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from msgspec import Struct

from aioqueue import Context

VARIABLE = "STORY_LEDGER"
_LOOK = 0.02  # seconds between looks at the file


class Note(Struct, frozen=True):
    """One line. `at` is on the machine's monotonic clock, which all its processes share; `wall` is since 1970."""

    what: str
    job: str
    task: str
    attempt: int
    redeliveries: int
    crashes: int
    pid: int
    at: float
    wall: float
    more: Any = None


@cache
def _file() -> int:
    return os.open(os.environ[VARIABLE], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def note(what: str, more: Any = None) -> None:
    """In a task: write a line about the job that runs here. Outside of one: a line about this process."""
    try:
        context = Context.current()
        of_job = (context.job_id, context.task, context.attempt, context.redeliveries, context.crashes)
    except LookupError:
        of_job = ("", "", 0, 0, 0)
    line = json.dumps([what, *of_job, os.getpid(), time.monotonic(), time.time(), more])
    os.write(_file(), line.encode() + b"\n")


@contextmanager
def told() -> Iterator[None]:
    """In a task: note its begin and its end; `cut` if something was raised through it."""
    note("begin")
    try:
        yield
    except BaseException as error:
        note("cut", type(error).__name__)
        raise
    note("end")


class Ledger:
    """The notes, as a test reads them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._notes: list[Note] = []
        self._read = 0

    def notes(self, what: str | None = None, job: str | None = None, task: str | None = None) -> list[Note]:
        """What was noted so far, in order, of this kind and job and task."""
        self._catch_up()
        return [
            each
            for each in self._notes
            if what in (None, each.what) and job in (None, each.job) and task in (None, each.task)
        ]

    async def until(self, holds: Callable[[], bool], what: str, within: float = 60.0) -> None:
        """Look until it holds. Fails after `within` seconds, saying what did not come."""
        deadline = time.monotonic() + within
        while not holds():
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {within:g} s: {what}\nthe ledger's end:\n{self.tail()}")
            await asyncio.sleep(_LOOK)

    async def sees(
        self, what: str, times: int = 1, *, job: str | None = None, task: str | None = None, within: float = 60.0
    ) -> list[Note]:
        """These notes, once there are at least so many."""
        await self.until(
            lambda: len(self.notes(what, job, task)) >= times, f"{times} × {what} of {job or task or 'any'}", within
        )
        return self.notes(what, job, task)

    def runs(self, task: str | None = None) -> Counter[str]:
        """How often each job began."""
        return Counter(each.job for each in self.notes("begin", task=task))

    def tail(self, lines: int = 30) -> str:
        """The last lines, for people."""
        self._catch_up()
        return "\n".join(map(str, self._notes[-lines:])) or "(nothing was noted)"

    def _catch_up(self) -> None:
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self._read)
            new = file.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._read += len(whole)
        self._notes += [Note(*json.loads(line)) for line in whole.splitlines()]
