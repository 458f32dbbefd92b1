"""Durations, moments and what is known of a job, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from ..core.record import Progress
from ..core.state import State
from ..job import JobInfo

_UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"))


def span(seconds: float) -> str:
    """`250 ms`, `1.5 s`, `5 min`, `2 h`, `14 d`: short, and exact where that is short."""
    if seconds < 1 and seconds:
        return f"{seconds * 1000:.3g} ms"
    for size, unit in _UNITS:
        if seconds >= size * (1 if seconds % size == 0 else 2):
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def moment(at: datetime, now: datetime) -> str:
    """The moment in local time, and how far away it is."""
    away = (at - now).total_seconds()
    relative = f"in {span(away)}" if away > 0 else f"{span(-away)} ago"
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S %Z} ({relative})"


def share(progress: Progress) -> str:
    """`40 of 100 (40 %): importing`"""
    note = f": {progress.note}" if progress.note else ""
    if not progress.total:
        return f"{progress.done:g}{note}"
    return f"{progress.done:g} of {progress.total:g} ({progress.done / progress.total:.0%}){note}"


def attempts(info: JobInfo) -> str:
    """How many attempts it has had, and may have."""
    of = "" if info.attempts is None else f" of {info.attempts}"
    crashes = f"; {info.crashes} times its worker died" if info.crashes else ""
    return f"{info.attempt}{of}{crashes}"


def sentence(info: JobInfo, now: datetime) -> str:
    """Where the job stands, in one plain sentence."""
    next_run = "" if info.next_run is None else span(max(0.0, (info.next_run - now).total_seconds()))
    match info.state:
        case State.WAITING:
            return "waits for the jobs before it"
        case State.SCHEDULED:
            return f"{info.reason or 'not due yet'}; it starts in {next_run}"
        case State.QUEUED:
            return f"waits for a worker on queue {info.queue!r}, for {span(info.waited or 0.0)} now"
        case State.RUNNING:
            return f"attempt {attempts(info)} runs on {info.worker}, for {span(info.ran or 0.0)} now"
        case State.RETRYING:
            return f"{info.reason}; it is tried again in {next_run}"
        case State.SUCCEEDED:
            return f"succeeded at attempt {info.attempt}, in {span(info.ran or 0.0)}"
        case _:
            return info.reason or str(info.state)


def rows(info: JobInfo, result: bytes | None) -> Iterator[tuple[str, str]]:
    """All that is known of the job, as names and texts; what is not known is left out."""
    now = datetime.now(UTC)
    yield "job", info.id
    yield "task", info.task
    yield "state", str(info.state)
    yield "", sentence(info, now)
    yield "attempts", attempts(info)
    if info.progress is not None:
        yield "progress", share(info.progress)
    for name, at in (
        ("enqueued", info.enqueued), ("due", info.due), ("started", info.started), ("ended", info.ended),
        ("next run", info.next_run),
    ):  # fmt: skip
        if at is not None:
            yield name, moment(at, now)
    for name, length in (("waited", info.waited), ("ran", info.ran)):
        if length is not None:
            yield name, span(length)
    yield "queue", f"{info.queue}, priority {info.priority}"
    yield "arguments", call(info)
    if result is not None:
        yield "result", shortened(result.decode())
    yield from _origin(info)
    if info.error is not None:
        yield "last error", f"{info.error.type}: {info.error.message}"


def _origin(info: JobInfo) -> Iterator[tuple[str, str]]:
    for name, text in (("worker", info.worker), ("by", info.by), ("parent", info.parent), ("root", info.root)):
        if text is not None:
            yield name, text
    if info.labels:
        yield "labels", ", ".join(f"{key}={value}" for key, value in info.labels.items())


def call(info: JobInfo) -> str:
    """`(7, template="hello")`, in JSON."""
    given = [msgspec.json.encode(value).decode() for value in info.args]
    given += [f"{name}={msgspec.json.encode(value).decode()}" for name, value in info.kwargs.items()]
    return shortened(f"({', '.join(given)})")


def shortened(text: str, most: int = 2000) -> str:
    """The text, cut where it gets too long to read."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"
