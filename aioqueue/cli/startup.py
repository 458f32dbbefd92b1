"""What a worker says at its start: what it is connected to, which tasks it knows, and what is odd. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches

from msgspec import UNSET

from ..app import AioQueue
from ..connection import Connection
from ..core.task import Task
from ..worker.worker import Worker


def greeting(queue: AioQueue, worker: Worker, connection: Connection, loop: str) -> Iterator[str]:
    """What it is, in a few lines."""
    from importlib.metadata import version

    many = f"{worker.settings.concurrency} jobs at once on {loop}"
    yield f"aioqueue {version('aioqueue')}, worker {worker.name}: {many}, grace {worker.settings.grace:g} s"
    yield f"connected to {connection.label}"
    names = sorted(queue.tasks)
    shown = ", ".join(names[:30]) + (f" and {len(names) - 30} more" if len(names) > 30 else "")
    yield f"knows {len(names)} task{'' if len(names) == 1 else 's'}: {shown or 'none'}"


def oddities(queue: AioQueue, worker: Worker, connection: Connection) -> Iterator[str]:
    """What works, and is perhaps not what was meant; a line each."""
    yield from _of_connection(queue, connection)
    if not queue.tasks:
        yield "no task is registered: import the modules that define them beside the queue"
    endless = sorted(task.name for task in queue.tasks.values() if timeout_of(queue, task) is None)
    if endless:
        yield f"no time limit (timeout=None): {', '.join(endless)}; an attempt that hangs keeps its slot for ever"
    yield from _of_queues(queue, worker.queues)


def _of_connection(queue: AioQueue, connection: Connection) -> Iterator[str]:
    broker = connection.broker.capabilities
    store = None if connection.store is None else connection.store.capabilities
    shown = connection.drivers[0].label
    if not broker.shared:
        yield f"{shown}: no other process can enqueue here, or see these jobs; give a URL that processes can share"
    elif not broker.durable:
        yield f"{shown}: messages do not outlive the server's process, so jobs can be lost with it"
    if store is None:
        yield (
            "results=none: nobody can ask for a job's state or result, and a job whose worker dies while it is "
            "acknowledged runs again"
        )
    elif broker.shared and not (store.durable and store.shared):
        yield f"{connection.drivers[-1].label}: results can be lost, and other processes may not see them"
    if queue.settings.max_abandoned == 0:
        yield "max_abandoned=0: the first attempt that would not end drains this worker"


def _of_queues(queue: AioQueue, served: Sequence[str]) -> Iterator[str]:
    named: dict[str, list[str]] = {}
    for task in queue.tasks.values():
        named.setdefault(task.rules.queue or queue.settings.queue, []).append(task.name)
    for name in sorted(named.keys() - set(served)):
        yield f"queue {name!r} ({', '.join(sorted(named[name]))}) is not taken from here: add --queue {name}"
    for name in served:
        if named and name not in named and name != queue.settings.queue:
            near = get_close_matches(name, named, 1)
            advice = f"did you mean {near[0]!r}?" if near else f"theirs are {', '.join(sorted(named))}"
            yield f"no task here has the queue {name!r}: {advice}"


def timeout_of(queue: AioQueue, task: Task[..., object, ..., object]) -> float | None:
    """The time limit of an attempt that holds unless its call has another."""
    return queue.settings.timeout if task.rules.timeout is UNSET else task.rules.timeout
