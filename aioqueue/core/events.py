"""What happens to jobs and workers, for code that wants to watch: metrics, logs, alerts. Watching changes nothing."""

from __future__ import annotations

from msgspec import Struct

from .record import Record


class Event(Struct, frozen=True):
    """The root of all events; listening to it is listening to all."""


class WorkerStarted(Event, frozen=True):
    """A worker takes jobs from now on."""

    worker: str
    queues: tuple[str, ...]


class WorkerStopped(Event, frozen=True):
    """A worker has ended. `released` jobs were given back unspent, `abandoned` ones would not end."""

    worker: str
    released: int
    abandoned: int


class JobStarted(Event, frozen=True):
    """An attempt of a job has begun. `waited` is in seconds, from when it could have started."""

    job_id: str
    task: str
    attempt: int
    redeliveries: int
    waited: float


class JobEnded(Event, frozen=True):
    """A turn of a job has ended, and this record of it stands: succeeded, retrying, failed, cancelled, expired, or
    scheduled for later."""

    record: Record


class JobReleased(Event, frozen=True):
    """A running job was given back unspent, because its worker stopped."""

    job_id: str
    task: str


class LeaseLost(Event, frozen=True):
    """A job's lease ran out while it ran here; whatever it does now no longer counts."""

    job_id: str
    task: str


class LoopBlocked(Event, frozen=True):
    """The event loop did nothing for `seconds`, busy at `stack`. Sent once the loop runs again."""

    seconds: float
    stack: str
