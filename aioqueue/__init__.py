"""aioqueue: an asyncio-native job queue.

The way of a job, in the order of the files it meets:

1. `client` binds the call, encodes it (`core.arguments`, `core.codec`) and publishes it.
2. `drivers.*` keep it: see `drivers.base` for what a driver is, and `drivers.memory` for the simplest.
3. `worker.worker` receives it; `worker.intake` asks `core.admit` whether it may run.
4. `worker.executor` gives it a slot; `worker.attempt` runs it; `core.judge` says what an error means.
5. `worker.orchestrator` settles it: `core.decide` says what follows, `commit` makes it so.
"""

from .app import AioQueue
from .core.context import Context
from .core.message import Backoff
from .core.retry import exponential, fibonacci, fixed, intervals
from .core.signature import Signature
from .core.state import Ended, State
from .core.task import Task
from .errors import (
    Abandon,
    AioqueueError,
    BrokerUnavailable,
    ConfigurationError,
    DuplicateJob,
    InvalidArguments,
    JobCancelled,
    JobFailed,
    ResultExpired,
    ResultTimeout,
    Retry,
    Snooze,
    StoreUnavailable,
)
from .job import Job, JobInfo
from .worker.exit import ExitCode
from .worker.worker import Worker

__all__ = [
    "Abandon",
    "AioQueue",
    "AioqueueError",
    "Backoff",
    "BrokerUnavailable",
    "ConfigurationError",
    "Context",
    "DuplicateJob",
    "Ended",
    "ExitCode",
    "InvalidArguments",
    "Job",
    "JobCancelled",
    "JobFailed",
    "JobInfo",
    "ResultExpired",
    "ResultTimeout",
    "Retry",
    "Signature",
    "Snooze",
    "State",
    "StoreUnavailable",
    "Task",
    "Worker",
    "exponential",
    "fibonacci",
    "fixed",
    "intervals",
]
