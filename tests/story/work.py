"""A worker as a process: `python -m tests.story.work module:queue`."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from importlib import import_module

from aioqueue import AioQueue, ExitCode, Worker

_came = 0


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    module, _, name = sys.argv[1].partition(":")
    queue: AioQueue = getattr(import_module(module), name)
    asyncio.run(_work(queue.worker()))


async def _work(worker: Worker) -> None:
    def told() -> None:
        global _came
        _came += 1
        logging.info("signal %d: drain, interrupt, or exit", _came)
        match _came:
            case 1:
                worker.drain()
            case 2:
                worker.interrupt()
            case _:
                os._exit(ExitCode.FORCED)

    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, told)
    code = await worker.run()
    logging.shutdown()
    os._exit(code)  # a task that would not end must not hold up the end


if __name__ == "__main__":
    main()
