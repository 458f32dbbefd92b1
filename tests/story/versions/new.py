"""After it: the task has gained an optional argument, and there is another task."""

from __future__ import annotations

from aioqueue import AioQueue
from aioqueue.core.events import WorkerStarted
from tests.story.ledger import note, told

queue = AioQueue()


@queue.on(WorkerStarted)
def ready(event: WorkerStarted) -> None:
    note("ready")


@queue.task
async def greet(name: str, greeting: str = "hello") -> str:
    with told():
        return f"{greeting} {name}"


@queue.task
async def part(name: str) -> str:
    with told():
        return f"bye {name}"
