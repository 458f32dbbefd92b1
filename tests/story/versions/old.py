"""Before the change."""

from __future__ import annotations

from aioqueue import AioQueue
from aioqueue.core.events import WorkerStarted
from tests.story.ledger import note, told

queue = AioQueue()


@queue.on(WorkerStarted)
def ready(event: WorkerStarted) -> None:
    note("ready")


@queue.task
async def greet(name: str) -> str:
    with told():
        return f"hello {name}"
