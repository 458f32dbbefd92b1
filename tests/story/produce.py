"""A producer as a process: it enqueues a nap under an id, when the gate is opened for all of them."""

from __future__ import annotations

import asyncio
import fcntl
import sys
from pathlib import Path

from .ledger import note
from .tasks import nap, queue


def pass_gate() -> None:
    note("at the gate")
    with Path("gate").open() as gate:
        fcntl.flock(gate, fcntl.LOCK_SH)


async def main(id: str, seconds: float) -> None:
    async with queue:
        pass_gate()
        job = await nap.options(id=id).enqueue(seconds)
    note("enqueued", job.id)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2])))
