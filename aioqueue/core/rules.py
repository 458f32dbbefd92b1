"""What a task says of its jobs: the options of `@queue.task`, checked once, at registration."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from typing import Any, Literal, TypedDict

from msgspec import UNSET, Struct, UnsetType

from ..errors import ConfigurationError
from .durations import seconds
from .message import Backoff, Label
from .retry import Rule, as_rule
from .signature import check_labels, check_name, check_priority, check_retries, check_timeout


class RunIn(StrEnum):
    """Where a task's body runs."""

    LOOP = "loop"
    THREAD = "thread"
    PROCESS = "process"


class Rules(Struct, frozen=True, kw_only=True):
    """What a task says of its jobs unless the call says otherwise. None and UNSET: as the queue's settings say."""

    queue: str | None = None
    priority: int | None = None
    retries: int | None = None
    backoff: Rule | None = None
    timeout: float | UnsetType | None = UNSET
    expires: float | None = None
    keep_results: float | None = None
    keep_failures: float | None = None
    labels: Mapping[str, Label] | None = None
    retry_on: tuple[type[BaseException], ...] = (Exception,)
    give_up_on: tuple[type[BaseException], ...] = ()
    run_in: RunIn = RunIn.LOOP


Errors = type[BaseException] | Sequence[type[BaseException]]


class RegisterOptions(TypedDict, total=False):
    """The options of `@queue.task`. Durations are seconds or a timedelta.

    name: on the wire, by default the function's own. queue, priority (0-9, 9 first), retries (attempts after the
    first), backoff (exponential(), fibonacci(), fixed(), a list of seconds, or a function of attempt and error),
    timeout (of one attempt; None for none), expires (give up if it has not started by then), keep_results and
    keep_failures, labels. retry_on: the errors worth another attempt, by default every Exception; give_up_on: those
    of them that are not. run_in: "loop", "thread" or "process".
    """

    name: str
    queue: str
    priority: int
    retries: int
    backoff: Rule | float | timedelta | list[float]
    timeout: float | timedelta | None
    expires: float | timedelta
    keep_results: float | timedelta
    keep_failures: float | timedelta
    labels: Mapping[str, Label]
    retry_on: Errors
    give_up_on: Errors
    run_in: Literal["loop", "thread", "process"]


def make_rules(function: Callable[..., Any], name: str, options: Mapping[str, Any]) -> Rules:
    """The rules that these options make. Raises ConfigurationError naming the task and the option that is wrong."""
    try:
        return Rules(**_checked(function, options))
    except ConfigurationError as error:
        raise ConfigurationError(f"task {name!r}: {error}") from None


def _checked(function: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
    values = dict(options)
    for name in values:
        if name not in RegisterOptions.__annotations__:
            from difflib import get_close_matches  # here and not above: importing aioqueue must stay fast

            close = get_close_matches(name, RegisterOptions.__annotations__, 1)
            hint = f"did you mean {close[0]!r}?" if close else ", ".join(RegisterOptions.__annotations__)
            raise ConfigurationError(f"there is no option {name!r}; {hint}")
    for name in ("expires", "keep_results", "keep_failures"):
        if name in values:
            values[name] = seconds(values[name], name)
    if values.get("timeout") is not None:
        values["timeout"] = check_timeout(values["timeout"])
    if "backoff" in values:
        values["backoff"] = as_rule(values["backoff"], travels=False)
    if "queue" in values:
        check_name(values["queue"], "queue")
    if "priority" in values:
        check_priority(values["priority"])
    if "retries" in values:
        check_retries(values["retries"])
    if "labels" in values:
        check_labels(values["labels"])
    for name in ("retry_on", "give_up_on"):
        if name in values:
            values[name] = _errors(values[name], name)
    values["run_in"] = _run_in(function, values.get("run_in"))
    return values


def _errors(given: object, name: str) -> tuple[type[BaseException], ...]:
    errors = tuple(given) if isinstance(given, list | tuple | set | frozenset) else (given,)
    for error in errors:
        if not isinstance(error, type) or not issubclass(error, BaseException):
            raise ConfigurationError(f"{name}: {error!r} is no exception class")
    return errors


def _run_in(function: Callable[..., Any], given: str | None) -> RunIn:
    body = inspect.unwrap(function)
    if inspect.isgeneratorfunction(body) or inspect.isasyncgenfunction(body):
        raise ConfigurationError("it is a generator, whose body would never run; return a list instead of yielding")
    is_async = inspect.iscoroutinefunction(body)
    if given is None:
        return RunIn.LOOP if is_async else RunIn.THREAD
    if given not in set(RunIn):
        raise ConfigurationError(f"run_in is {given!r}: give 'loop', 'thread' or 'process'")
    run_in = RunIn(given)
    if is_async and run_in is not RunIn.LOOP:
        raise ConfigurationError(f"it is async, and so runs on the loop; write it as def to use run_in={given!r}")
    if not is_async and run_in is RunIn.LOOP:
        raise ConfigurationError("it is a plain def and would block the loop; use run_in='thread', or async def")
    if run_in is RunIn.PROCESS and "<locals>" in function.__qualname__:
        raise ConfigurationError("a process imports its task by name; define it at the top of a module")
    return run_in


def own_backoff(rules: Rules, sent: Backoff | None, default: Backoff) -> Rule:
    """The retry rule that holds: the call's, else the task's, else the default."""
    return sent or rules.backoff or default
