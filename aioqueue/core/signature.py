"""A call not yet made: which task, with what, and how; and the options a call or a task may carry."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypedDict, TypeVar, Unpack

from msgspec import UNSET, Struct, UnsetType

from ..errors import ConfigurationError
from .durations import seconds
from .message import Backoff, Label
from .retry import as_rule

if TYPE_CHECKING:
    from ..job import Job
    from .task import Task

R = TypeVar("R")


class Options(Struct, frozen=True, kw_only=True):
    """How one call differs from what its task says. Times are seconds, `eta` since 1970."""

    id: str | None = None
    queue: str | None = None
    priority: int | None = None
    retries: int | None = None
    backoff: Backoff | None = None
    timeout: float | UnsetType | None = UNSET
    delay: float | None = None
    eta: float | None = None
    expires: float | None = None
    keep_results: float | None = None
    keep_failures: float | None = None
    by: str | None = None
    labels: Mapping[str, Label] | None = None
    headers: Mapping[str, str] | None = None


class CallOptions(TypedDict, total=False):
    """The options of one call, as `task.options(…)` takes them. Durations are seconds or a timedelta.

    id: the job's id; the same again returns the existing job. queue, priority: where, and 0-9, 9 first. retries:
    attempts after the first. backoff: exponential(), fibonacci(), fixed() or a list of seconds. timeout: of one
    attempt; None for none. delay or eta: not before then. expires: give up if it has not started by then, a duration
    from now or an aware datetime. keep_results, keep_failures: how long the outcome is kept. by: who asked. labels:
    to find it by. headers: for middleware.
    """

    id: str
    queue: str
    priority: int
    retries: int
    backoff: Backoff | float | timedelta | list[float]
    timeout: float | timedelta | None
    delay: float | timedelta
    eta: datetime
    expires: float | timedelta | datetime
    keep_results: float | timedelta
    keep_failures: float | timedelta
    by: str
    labels: Mapping[str, Label]
    headers: Mapping[str, str]


NO_OPTIONS = Options()

_DURATIONS = ("delay", "keep_results", "keep_failures")


def make_options(given: Mapping[str, Any], now: float) -> Options:
    """The options, checked. Raises ConfigurationError naming the one that is wrong; a naive datetime is refused."""
    values: dict[str, Any] = dict(given)
    unknown = values.keys() - CallOptions.__annotations__.keys()
    if unknown:
        known = ", ".join(CallOptions.__annotations__)
        raise ConfigurationError(f"options: there is no option {min(unknown)!r}; the options of a call are {known}")
    for name in _DURATIONS:
        if name in values:
            values[name] = seconds(values[name], name)
    if values.get("timeout") is not None:
        values["timeout"] = check_timeout(values["timeout"])
    if "backoff" in values:
        values["backoff"] = as_rule(values["backoff"], travels=True)
    if "eta" in values:
        if "delay" in values:
            raise ConfigurationError("options: give delay or eta, not both")
        values["eta"] = moment(values["eta"], "eta")
    if "expires" in values:
        limit = values["expires"]
        values["expires"] = moment(limit, "expires") if isinstance(limit, datetime) else now + seconds(limit, "expires")
    _check_plain(values)
    return Options(**values)


def check_timeout(value: float | timedelta) -> float:
    """A timeout in seconds. Raises ConfigurationError for zero: no attempt could ever succeed."""
    limit = seconds(value, "timeout")
    if limit == 0:
        raise ConfigurationError("timeout is 0: no attempt could succeed; give seconds, or None for no limit")
    return limit


def check_priority(value: int) -> int:
    """The priority. Raises ConfigurationError outside 0-9."""
    if type(value) is not int or not 0 <= value <= 9:
        raise ConfigurationError(f"priority is {value!r}: give a whole number from 0 to 9; 9 goes first")
    return value


def check_retries(value: int) -> int:
    """The number of retries. Raises ConfigurationError for anything but 0, 1, 2 …"""
    if type(value) is not int or not 0 <= value < 2**31:
        raise ConfigurationError(f"retries is {value!r}: give a whole number from 0 up")
    return value


def check_name(value: str, what: str, limit: int = 255) -> str:
    """A name or id. Raises ConfigurationError if it is empty, too long, or has characters that do not print."""
    if not isinstance(value, str) or not value or len(value) > limit or not value.isprintable():
        raise ConfigurationError(f"{what} is {value!r}: give 1 to {limit} printable characters")
    return value


def moment(value: datetime, what: str) -> float:
    """Seconds since 1970. Raises ConfigurationError for a naive datetime: nobody can tell which moment it means."""
    if not isinstance(value, datetime) or value.utcoffset() is None:
        hint = datetime.now(UTC).replace(microsecond=0).isoformat()
        raise ConfigurationError(f"{what} is {value!r}: give a datetime with a time zone, such as {hint}")
    return value.timestamp()


def check_labels(labels: Mapping[str, Label]) -> None:
    """Raises ConfigurationError unless keys are text and values text, numbers or booleans."""
    _check_pairs(labels, "labels", (str, int, float, bool))


def _check_pairs(pairs: object, what: str, kinds: tuple[type, ...]) -> None:
    allowed = " or ".join(kind.__name__ for kind in kinds)
    if not isinstance(pairs, Mapping):
        raise ConfigurationError(f"{what} is {pairs!r}: give a dict of str to {allowed}")
    for key, value in pairs.items():
        if not isinstance(key, str) or type(value) not in kinds or (type(value) is float and not isfinite(value)):
            raise ConfigurationError(f"{what}: {key!r}: {value!r}: keys are str, values {allowed}")


def _check_plain(values: Mapping[str, Any]) -> None:
    if "priority" in values:
        check_priority(values["priority"])
    if "retries" in values:
        check_retries(values["retries"])
    for name in ("id", "queue", "by"):
        if name in values:
            check_name(values[name], name)
    if "labels" in values:
        check_labels(values["labels"])
    if "headers" in values:
        _check_pairs(values["headers"], "headers", (str,))


class Sender(Protocol):
    """What takes calls to the broker: the client."""

    def now(self) -> float: ...

    async def enqueue(
        self, task: Task[..., Any, ..., Any] | str, args: tuple[Any, ...], kwargs: Mapping[str, Any], options: Options
    ) -> Job[Any]: ...


class Signature(Generic[R]):
    """A call not yet made. `await it.enqueue()` makes it; `queue.enqueue_many` makes many in one durable batch."""

    __slots__ = ("args", "how", "kwargs", "sender", "task")

    def __init__(
        self,
        task: Task[..., Any, ..., R] | str,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        options: Options,
        sender: Sender,
    ) -> None:
        self.task = task
        self.args = args
        self.kwargs = kwargs
        self.how = options
        self.sender = sender

    async def enqueue(self) -> Job[R]:
        """Enqueue the call; durable when it returns. Errors are those of `Task.enqueue`."""
        return await self.sender.enqueue(self.task, self.args, self.kwargs, self.how)

    def options(self, **options: Unpack[CallOptions]) -> Signature[R]:
        """The same call with these options instead. Raises ConfigurationError for a wrong one."""
        return Signature(self.task, self.args, self.kwargs, make_options(options, self.sender.now()), self.sender)

    def __repr__(self) -> str:
        name = self.task if isinstance(self.task, str) else self.task.name
        parts = [*map(repr, self.args), *(f"{key}={value!r}" for key, value in self.kwargs.items())]
        return f"<Signature {name}({', '.join(parts)})>"
