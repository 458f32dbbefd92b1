"""The smallest worker: one task. In a terminal of its own: `python examples/add/worker.py`, or, as in production,
`aioqueue run examples.add.worker:queue`."""

import asyncio
from contextlib import suppress

from aioqueue import AioQueue

queue = AioQueue()  # an SQLite file at the project's root, or what AIOQUEUE_URL says


@queue.task
async def add(a: int, b: int) -> int:
    return a + b


if __name__ == "__main__":
    print(f"taking jobs from {queue!r}; Ctrl-C ends it", flush=True)
    with suppress(KeyboardInterrupt):
        asyncio.run(queue.worker().run())
