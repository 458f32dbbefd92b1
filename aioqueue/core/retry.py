"""When to try again: retry rules, and the delay each gives after the n-th attempt.

A rule is a `Backoff`, which can travel with a call, or, for a task only, any callable of (attempt, error) that gives
seconds. Full jitter (a delay drawn evenly from zero to the rule's value) keeps jobs that failed together from coming
back together; see "Exponential Backoff And Jitter" on the AWS Architecture Blog.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import timedelta
from random import Random

from ..errors import ConfigurationError
from .durations import seconds
from .message import Backoff

Rule = Backoff | Callable[[int, BaseException], float]

_MAX_DOUBLINGS = 64  # beyond it, 2**n overflows a float long after any cap has been reached


def exponential(base: float | timedelta = 1.0, cap: float | timedelta = 600.0, *, jitter: bool = True) -> Backoff:
    """`base`, then twice as long each time, up to `cap` (seconds), with full jitter unless `jitter=False`."""
    return Backoff("exponential", seconds(base, "base"), seconds(cap, "cap"), jitter)


def fibonacci(base: float | timedelta = 1.0, cap: float | timedelta = 600.0, *, jitter: bool = False) -> Backoff:
    """`base` times 1, 1, 2, 3, 5, 8 …, up to `cap` (seconds)."""
    return Backoff("fibonacci", seconds(base, "base"), seconds(cap, "cap"), jitter)


def fixed(every: float | timedelta, *, jitter: bool = False) -> Backoff:
    """The same delay each time (seconds)."""
    value = seconds(every, "every")
    return Backoff("fixed", value, value, jitter)


def intervals(steps: Sequence[float | timedelta]) -> Backoff:
    """These delays in turn (seconds); the last is repeated."""
    if not steps:
        raise ConfigurationError("backoff: a list of intervals needs at least one")
    return Backoff("intervals", jitter=False, steps=tuple(seconds(step, "backoff") for step in steps))


DEFAULT = exponential()


def as_rule(value: object, *, travels: bool) -> Rule:
    """What a user gave as `backoff`, as a rule. With `travels`, a callable is refused: it cannot cross to a worker."""
    if isinstance(value, Backoff):
        return value
    if isinstance(value, int | float | timedelta) and not isinstance(value, bool):
        return fixed(value)
    if isinstance(value, list | tuple):
        return intervals(value)
    if callable(value):
        if travels:
            raise ConfigurationError(
                "backoff: a function cannot travel with a call; give it to @queue.task, or use exponential(), "
                "fibonacci(), fixed() or a list of seconds"
            )
        return value
    raise ConfigurationError(
        f"backoff: {value!r} is no retry rule; use exponential(), fibonacci(), fixed(), a list of seconds, "
        "or a function of (attempt, error)"
    )


def delay(rule: Rule, attempt: int, error: BaseException, random: Random) -> float:
    """Seconds to wait after `attempt` (from 1) ended with `error`. A rule of the user's own that misbehaves raises
    ConfigurationError, so that the job fails visibly instead of spinning."""
    if not isinstance(rule, Backoff):
        return _own(rule, attempt, error)
    value = min(rule.cap, _plain(rule, attempt)) if rule.kind != "intervals" else _plain(rule, attempt)
    return random.uniform(0.0, value) if rule.jitter else value


def _plain(rule: Backoff, attempt: int) -> float:
    n = max(1, attempt)
    match rule.kind:
        case "exponential":
            return rule.base * 2.0 ** min(n - 1, _MAX_DOUBLINGS)
        case "fibonacci":
            return rule.base * _fibonacci(min(n, _MAX_DOUBLINGS))
        case "intervals" if rule.steps:
            return rule.steps[min(n, len(rule.steps)) - 1]
        case _:
            # `fixed`, or a kind that a newer producer knows: its base is the best guess there is.
            return rule.base


def _fibonacci(n: int) -> int:
    a, b = 1, 1
    for _ in range(n - 1):
        a, b = b, a + b
    return a


def _own(rule: Callable[[int, BaseException], float], attempt: int, error: BaseException) -> float:
    value = rule(attempt, error)
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise ConfigurationError(f"the backoff function gave {value!r} for attempt {attempt}: not a number of seconds")
    return float(value)


def describe(rule: Rule) -> str:
    """The rule in a few words, for tables."""
    if not isinstance(rule, Backoff):
        return f"{getattr(rule, '__qualname__', 'function')}(attempt, error)"
    jitter = " with full jitter" if rule.jitter else ""
    match rule.kind:
        case "intervals":
            return "after " + ", ".join(f"{step:g} s" for step in rule.steps)
        case "fixed":
            return f"every {rule.base:g} s{jitter}"
        case kind:
            return f"{kind} from {rule.base:g} s to {rule.cap:g} s{jitter}"
