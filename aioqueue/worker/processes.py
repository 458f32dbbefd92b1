"""Processes for tasks with run_in="process": a bounded pool by pebble, which can kill a child that hangs, and says of a
child that died which job it took with it."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..core.judge import ChildDied, Reported, as_text, is_permanent
from ..core.task import Task
from ..errors import Abandon, ConfigurationError, Retry, Snooze

if TYPE_CHECKING:
    from pebble import ProcessPool


class Processes:
    """The pool, made at first use."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._pool: ProcessPool | None = None
        self.slots = asyncio.Semaphore(most)

    def submit(self, task: Task[..., Any, ..., Any], args: bytes, kwargs: bytes) -> Future[Any]:
        """Run the task in a child, which is killed when the future is cancelled."""
        if self._pool is None:
            self._pool = self._make()
        place = (task.function.__module__, task.function.__qualname__)
        future: Future[Any] = self._pool.schedule(run_in_child, args=(*place, args, kwargs))
        return future

    def _make(self) -> ProcessPool:
        try:
            from pebble import ProcessPool
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                "run_in='process' needs pebble: install aioqueue with its extra `process`"
            ) from error
        import multiprocessing

        # Never fork: a copy of a process with threads and open connections can hang or write into them.
        return ProcessPool(max_workers=self._most, context=multiprocessing.get_context("spawn"))

    def close(self) -> None:
        """End all children at once."""
        if self._pool is not None:
            self._pool.stop()  # type: ignore[no-untyped-call]
            self._pool.join()


def run_in_child(module: str, name: str, args: bytes, kwargs: bytes) -> tuple[str, Any]:
    """In the child: import the task, run it, and give its encoded result, or its error as text."""
    task: Any = import_module(module)
    for part in name.split("."):
        task = getattr(task, part)
    if not isinstance(task, Task):
        return "error", (as_text(ConfigurationError(f"{module}.{name} is no task: register it with @queue.task")), True)
    try:
        positional, keywords = task.parameters.decode(args, kwargs)
        return "result", task.returns.encode(task.function(*positional, **keywords))
    except Abandon as word:
        return "abandon", str(word)
    except Retry as word:
        return "retry", (str(word), word.after)
    except Snooze as word:
        return "snooze", (word.seconds, str(word))
    except BaseException as error:
        return "error", (as_text(error), is_permanent(error, task.rules.retry_on, task.rules.give_up_on))


async def outcome_of(future: Future[Any]) -> bytes:
    """The encoded result. Raises what the task raised: its own words as they were, an error as Reported; ChildDied if
    the child died."""
    from pebble import ProcessExpired

    try:
        kind, value = await asyncio.wrap_future(future)
    except ProcessExpired as error:
        raise ChildDied(f"the process that ran it died (exit code {error.exitcode})") from None
    match kind:
        case "result":
            result: bytes = value
            return result
        case "abandon":
            raise Abandon(value)
        case "retry":
            raise Retry(value[0], after=value[1])
        case "snooze":
            raise Snooze(*value)
        case _:
            raise Reported(*value)
