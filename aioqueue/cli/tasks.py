"""`aioqueue tasks`: what can be enqueued, and under which rules."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import msgspec
import typer

from ..app import AioQueue
from ..core import retry
from ..core.task import Task
from ..settings import Settings
from .load import load
from .run import Target
from .startup import timeout_of
from .table import show
from .words import span

AnyTask = Task[..., Any, ..., Any]

EPILOG = """\b
Examples:
  aioqueue tasks shop:queue
  aioqueue tasks shop:queue --json | jq '.tasks[] | .parameters'
"""


def tasks(
    target: Target = None,
    json: Annotated[bool, typer.Option("--json", help="JSON, with each task's parameters as JSON Schema.")] = False,
) -> int:
    """List the tasks: queue, parameters, retries, permanent errors, time limit, and where failures go."""
    queue = load(target)
    found = [queue.tasks[name] for name in sorted(queue.tasks)]
    if json:
        document = {"tasks": [_entry(queue, task) for task in found], "defaults": _defaults(queue.settings)}
        print(msgspec.json.encode(document, enc_hook=repr).decode())
        return 0
    heads = ("task", "queue", "retries", "permanent errors", "timeout", "failures go to")
    if found:
        show((_row(queue, task) for task in found), heads)
    else:
        print("no task is registered: import the modules that define them beside the queue")
    print(f"\ndefaults: {_defaults_in_words(queue.settings)}")
    return 0


def _entry(queue: AioQueue, task: AnyTask) -> dict[str, Any]:
    rules, settings = task.rules, queue.settings
    return {
        "name": task.name,
        "function": f"{task.__module__}.{task.__name__}",
        "description": (task.__doc__ or "").strip().partition("\n")[0] or None,
        "signature": f"({task.parameters.describe()})",
        "parameters": task.parameters.json_schema(),
        "queue": rules.queue or settings.queue,
        "priority": settings.priority if rules.priority is None else rules.priority,
        "retries": _retries(queue, task),
        "backoff": retry.describe(rules.backoff or retry.DEFAULT),
        "retry_on": _names(rules.retry_on),
        "permanent_errors": _names(rules.give_up_on),
        "timeout": timeout_of(queue, task),
        "expires": rules.expires,
        "run_in": rules.run_in,
        "labels": rules.labels or {},
        "keep_results": settings.keep_results if rules.keep_results is None else rules.keep_results,
        "keep_failures": _kept(queue, task),
        "failures_go_to": {"place": "dead letters", "keep": settings.keep_dead},
    }


def _row(queue: AioQueue, task: AnyTask) -> tuple[str, ...]:
    rules, limit = task.rules, timeout_of(queue, task)
    retries = _retries(queue, task)
    return (
        f"{task.name}({task.parameters.describe()})",
        rules.queue or queue.settings.queue,
        f"{retries}, {retry.describe(rules.backoff or retry.DEFAULT)}" if retries else "none",
        _permanent(task),
        "none" if limit is None else span(limit),
        f"dead letters, {span(queue.settings.keep_dead)}; record kept {span(_kept(queue, task))}",
    )


def _permanent(task: AnyTask) -> str:
    given_up, retried = _names(task.rules.give_up_on), _names(task.rules.retry_on)
    parts = [] if retried == ["Exception"] else [f"all but {', '.join(retried)}"]
    return "; also ".join([*parts, *([", ".join(given_up)] if given_up else [])]) or "none"


def _retries(queue: AioQueue, task: AnyTask) -> int:
    return queue.settings.retries if task.rules.retries is None else task.rules.retries


def _kept(queue: AioQueue, task: AnyTask) -> float:
    kept = task.rules.keep_failures
    return queue.settings.keep_failures if kept is None else kept


def _names(errors: Iterable[type[BaseException]]) -> list[str]:
    return [
        each.__qualname__ if each.__module__ == "builtins" else f"{each.__module__}.{each.__qualname__}"
        for each in errors
    ]


def _defaults(settings: Settings) -> dict[str, Any]:
    values = {name: getattr(settings, name) for name in settings.__struct_fields__}
    # The addresses may hold passwords; they are no defaults of a task's either.
    return {name: value for name, value in values.items() if name not in ("url", "results")} | {
        "backoff": retry.describe(retry.DEFAULT)
    }


def _defaults_in_words(settings: Settings) -> str:
    timeout = "none" if settings.timeout is None else span(settings.timeout)
    return "; ".join(
        [
            f"queue {settings.queue}, priority {settings.priority}",
            f"retries {settings.retries}, {retry.describe(retry.DEFAULT)}",
            f"timeout {timeout}",
            f"lease {span(settings.lease)}",
            f"grace {span(settings.grace)}",
            f"set aside after {settings.max_crashes} crashes of its worker",
            f"results kept {span(settings.keep_results)}, failures {span(settings.keep_failures)}, "
            f"dead letters {span(settings.keep_dead)}",
            f"{settings.concurrency} jobs at once",
            f"messages of at most {settings.max_message / 1024:g} KiB",
        ]
    )
