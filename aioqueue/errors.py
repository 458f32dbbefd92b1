"""Every error aioqueue raises, and the three things a task may raise to steer its own job.

    AioqueueError
    ├── ConfigurationError      a bad URL, an unknown option, a missing extra (says which to install)
    │   └── TopologyMismatch    what the server holds under this name was made with other arguments
    ├── TaskError
    │   ├── UnknownTask         no task of this name is registered here
    │   ├── DuplicateTask       two functions want the same name
    │   ├── DuplicateJob        this id belongs to a job with other arguments
    │   └── InvalidArguments    the call does not fit the task's signature (also a TypeError)
    ├── CodecError
    │   ├── NotEncodable        a value JSON cannot carry unchanged
    │   ├── NotDecodable        bytes that are no message of ours
    │   │   └── NewerFormat     a message of a later format version: a newer worker can read it
    │   └── MessageTooLarge     more bytes than a message may have
    ├── BrokerError
    │   ├── BrokerUnavailable   the broker did not answer within our patience
    │   ├── Unsupported         this driver lacks the capability that the call needs (names it)
    │   └── LeaseLost           the delivery is somebody else's by now
    ├── StoreError
    │   └── StoreUnavailable    the result store did not answer within our patience
    └── ResultError
        ├── ResultTimeout       no outcome yet (also a TimeoutError)
        ├── ResultExpired       it succeeded, but its value is no longer kept
        ├── JobFailed           the job failed for good; says how, and with which error
        └── JobCancelled        the job was cancelled, or expired before it could start

Raised *by a task*, and not errors: `Retry`, `Abandon`, `Snooze`.
"""

from __future__ import annotations

from datetime import timedelta


class AioqueueError(Exception):
    """The root of every error aioqueue raises."""


class ConfigurationError(AioqueueError):
    """The program or its settings ask for something that cannot be; the message says what to change."""


class TopologyMismatch(ConfigurationError):
    """A queue of this name exists on the server with other arguments, which the message names."""


class TaskError(AioqueueError):
    """A task or a call of one is wrong."""


class UnknownTask(TaskError):
    """No task of this name is registered here."""


class DuplicateTask(TaskError):
    """Two functions were registered under one name."""


class DuplicateJob(TaskError):
    """The id is already that of a job with another task or other arguments. Nothing was enqueued."""


class InvalidArguments(TaskError, TypeError):
    """The arguments do not fit the task's signature. Nothing was enqueued."""


class CodecError(AioqueueError):
    """A value or a message could not be turned into bytes, or back."""


class NotEncodable(CodecError):
    """A value that JSON cannot carry unchanged; the message names the parameter."""


class NotDecodable(CodecError):
    """Bytes that are no message of ours."""


class NewerFormat(NotDecodable):
    """A message of a format version newer than this program knows."""


class MessageTooLarge(CodecError):
    """A message with more bytes than the settings allow. Nothing was enqueued."""


class BrokerError(AioqueueError):
    """The broker could not do what was asked."""


class BrokerUnavailable(BrokerError):
    """The broker did not answer within the configured patience. Whether the last call took effect is unknown;
    repeating an enqueue with the same id is safe."""


class Unsupported(BrokerError):
    """The driver lacks the capability this call needs; the message names both."""


class LeaseLost(BrokerError):
    """The delivery is no longer ours: its lease ran out and another worker has it."""


class StoreError(AioqueueError):
    """The result store could not do what was asked."""


class StoreUnavailable(StoreError):
    """The result store did not answer within the configured patience."""


class ResultError(AioqueueError):
    """There is no result to give. `job_id` says of which job."""

    def __init__(self, message: str, *, job_id: str) -> None:
        super().__init__(message)
        self.job_id = job_id


class ResultTimeout(ResultError, TimeoutError):
    """The job has no outcome yet. It goes on regardless."""


class ResultExpired(ResultError):
    """The job succeeded, but its value is no longer kept."""


class JobFailed(ResultError):
    """The job failed for good.

    `ended` says how (`permanent`, `retries`, `timeout`, `crashes`, `invalid`, `unknown`), `error_type` and
    `error_message` are those of the last error the task raised, `traceback` its text as the worker saw it.
    """

    def __init__(
        self, message: str, *, job_id: str, ended: str, error_type: str, error_message: str, traceback: str | None
    ) -> None:
        super().__init__(message, job_id=job_id)
        self.ended = ended
        self.error_type = error_type
        self.error_message = error_message
        self.traceback = traceback


class JobCancelled(ResultError):
    """The job was cancelled, or expired before it could start."""


class Retry(Exception):
    """Raise in a task to try again: `raise Retry(after=30)`. Counts against the job's retries.

    `after` is in seconds (or a timedelta); without it the job's backoff decides.
    """

    def __init__(self, reason: str = "", *, after: float | timedelta | None = None) -> None:
        super().__init__(reason)
        self.after = after.total_seconds() if isinstance(after, timedelta) else after


class Abandon(Exception):
    """Raise in a task to fail now, whatever retries are left: `raise Abandon("no such address")`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)


class Snooze(Exception):
    """Raise in a task to run again in `seconds` without spending an attempt: not ready yet, but nothing is wrong."""

    def __init__(self, seconds: float | timedelta, reason: str = "") -> None:
        super().__init__(reason)
        self.seconds = seconds.total_seconds() if isinstance(seconds, timedelta) else seconds
