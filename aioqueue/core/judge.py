"""What an error means for its job: the outcome, by the task's rules. Pure."""

from __future__ import annotations

import traceback
from random import Random

from msgspec import Struct

from ..errors import Abandon, Retry, Snooze
from . import retry
from .durations import seconds
from .outcome import Deferred, Failed, Outcome, Retrying
from .record import Error
from .retry import Rule
from .state import Ended

_MOST_TEXT = 8192  # characters of a message or traceback that are kept


class Policy(Struct, frozen=True):
    """The retry rules that hold for one job: its task's, with what its call overrides."""

    retries: int
    backoff: Rule
    retry_on: tuple[type[BaseException], ...]
    give_up_on: tuple[type[BaseException], ...]


class TimedOut(Exception):
    """An attempt reached its time limit."""


class ChildDied(Exception):
    """The process that ran the task died: killed, out of memory, or crashed."""


class Reported(Exception):
    """An error raised in another process, as text, and whether the task's rules call it permanent."""

    def __init__(self, error: Error, permanent: bool) -> None:
        super().__init__(error.message)
        self.error = error
        self.permanent = permanent


def is_permanent(
    error: BaseException, retry_on: tuple[type[BaseException], ...], give_up_on: tuple[type[BaseException], ...]
) -> bool:
    """Whether the rules say that trying again is useless."""
    if isinstance(error, Reported):
        return error.permanent
    if isinstance(error, TimedOut | ChildDied | Retry):
        return False
    return isinstance(error, give_up_on) or not isinstance(error, retry_on)


def judge(error: BaseException, attempt: int, policy: Policy, now: float, random: Random) -> Outcome:
    """The outcome of attempt number `attempt` (from 1) that ended with this error."""
    match error:
        case Abandon():
            text = as_text(error)
            return Failed(Ended.PERMANENT, f"given up by the task: {_one_line(text.message)}", text)
        case Snooze():
            return _snoozed(error, now)
    if is_permanent(error, policy.retry_on, policy.give_up_on):
        text = as_text(error)
        return Failed(Ended.PERMANENT, f"failed for good: {text.type}: {_one_line(text.message)}", text)
    return _again(error, attempt, policy, now, random)


def _snoozed(error: Snooze, now: float) -> Outcome:
    try:
        wait = seconds(max(error.seconds, 0.0), "Snooze's duration")
    except Exception as wrong:  # to run it again at once would be a hot loop
        text = as_text(wrong)
        return Failed(Ended.PERMANENT, f"failed for good: {_one_line(text.message)}", text)
    why = _one_line(as_text(error).message)
    return Deferred(now + wait, f"snoozed by the task for {wait:g} s{why and f': {why}'}")


def _again(error: BaseException, attempt: int, policy: Policy, now: float, random: Random) -> Outcome:
    text = as_text(error)
    what = f"{text.type}: {_one_line(text.message)}"
    if attempt > policy.retries:
        how = _EXHAUSTED.get(type(error), Ended.RETRIES)
        return Failed(how, f"failed at the last of {policy.retries + 1} attempts: {what}", text)
    try:
        if isinstance(error, Retry) and error.after is not None:
            wait = seconds(max(error.after, 0.0), "Retry's `after`")
        else:
            wait = retry.delay(policy.backoff, attempt, error, random)
    except Exception as wrong:  # a rule of the user's own
        why = as_text(wrong)
        return Failed(Ended.PERMANENT, f"failed for good: when to try again is unknown: {_one_line(why.message)}", why)
    return Retrying(now + wait, f"attempt {attempt} of {policy.retries + 1} failed: {what}", text)


# How a job ends whose last attempt ended with one of these.
_EXHAUSTED: dict[type[BaseException], Ended] = {TimedOut: Ended.TIMEOUT, ChildDied: Ended.CRASHES}


def as_text(error: BaseException) -> Error:
    """The error as text that any store can hold."""
    if isinstance(error, Reported):
        return error.error
    if isinstance(error, TimedOut):
        return Error("TimeoutError", str(error))
    try:
        message = str(error)
    except BaseException:  # an error that cannot even say what it is
        message = f"(its message could not be read: {type(error).__name__}.__str__ failed)"
    return Error(type(error).__name__, _clean(message), _clean(_traceback(error)))


def _traceback(error: BaseException) -> str:
    try:
        # The outermost frames are ours and say nothing about the task.
        return "".join(traceback.format_exception(type(error), error, error.__traceback__, limit=-30))
    except BaseException:  # a broken __str__ or __cause__; the job's end must not depend on it
        return ""


def _clean(text: str) -> str:
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= _MOST_TEXT else f"{text[: _MOST_TEXT // 2]}\n[…]\n{text[-_MOST_TEXT // 2 :]}"


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 200 else f"{line[:200]}…"


def invalid(error: BaseException) -> Failed:
    """The outcome of a message whose arguments do not fit its task."""
    text = as_text(error)
    return Failed(Ended.INVALID, f"set aside: {_one_line(text.message)}", text)
