"""Waiting for a job's end, with its progress while a terminal watches; and the exit code that its end makes."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import UTC, datetime

import msgspec

from ..app import AioQueue
from ..core.record import Record
from ..core.state import State
from ..drivers.base import ResultStore
from ..errors import ConfigurationError
from ..job import JobInfo, describe
from .table import clean, show
from .words import rows, sentence, share

SUCCEEDED, ENDED_OTHERWISE, TIMED_OUT = 0, 1, 124

_LOOK = 0.5  # seconds between two looks at the progress


def store_of(queue: AioQueue) -> ResultStore:
    """The store of an open queue. Raises ConfigurationError where no results are kept."""
    store = queue.connection.store
    if store is None:
        raise ConfigurationError("this queue keeps no results (results=none), so a job cannot be asked after")
    return store


async def look(queue: AioQueue, id: str) -> Record:
    """The job's record. Raises ConfigurationError if there is none."""
    (record,) = await store_of(queue).get([id])
    if record is None:
        raise ConfigurationError(f"there is no job {id!r} here: it was never enqueued, or is no longer kept")
    return record


async def follow(queue: AioQueue, id: str, limit: float | None) -> Record:
    """The job's record once it has ended, or as it stands after `limit` seconds."""
    live = sys.stderr.isatty()
    waiting = asyncio.ensure_future(store_of(queue).wait(id))
    try:
        async with asyncio.timeout(limit):
            while not waiting.done():
                if live:
                    _show_progress(describe(await look(queue, id), queue.clock.now()))
                await asyncio.wait((waiting,), timeout=_LOOK if live else None)
        return waiting.result()
    except TimeoutError:
        return await look(queue, id)
    finally:
        waiting.cancel()
        if live:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


def _show_progress(info: JobInfo) -> None:
    line = f"{info.state}: " + (share(info.progress) if info.progress else sentence(info, datetime.now(UTC)))
    width = _width() - 1
    print(f"\r\033[K{clean(line)[:width]}", end="", file=sys.stderr, flush=True)


def _width() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns
    except OSError:
        return 80


def exit_code(record: Record, *, waited: bool) -> int:
    """0 for success and, unless it was waited for, for what goes on; 1 for another end; 124 for none in time."""
    if record.state is State.SUCCEEDED:
        return SUCCEEDED
    if record.final:
        return ENDED_OTHERWISE
    return TIMED_OUT if waited else SUCCEEDED


def as_json(record: Record, now: float) -> str:
    """All that is known of the job, and its result, as one line of JSON."""
    known = msgspec.to_builtins(describe(record, now))
    return msgspec.json.encode(known | {"result": record.result}).decode()


def show_job(record: Record, now: float) -> None:
    """Print all that is known of the job, for people."""
    info = describe(record, now)
    show(rows(info, None if record.result is None else bytes(record.result)))
    if info.error is not None and info.error.traceback:
        print(f"\n{clean(info.error.traceback).rstrip()}")
