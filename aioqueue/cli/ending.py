"""The end of a worker's process: in good order, but not later than it has to be."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading

from ..worker.executor import END_PATIENCE
from ..worker.exit import ExitCode
from ..worker.worker import Worker

log = logging.getLogger("aioqueue.cli")

_SLACK = 10.0  # seconds for the last outcomes, the lifespan and the connections, when all is asked to end
_LEFTOVERS = 1.0  # seconds when something runs on that would not end: nothing better will come


def at_latest(seconds: float, code: int, why: str) -> None:
    """End this process with `code` in `seconds` at the latest, whatever still runs; `why` is logged then.

    Python waits at its end for threads and tasks that may never end: a thread of `asyncio.to_thread`, a coroutine that
    swallows its cancellation. A supervisor must not wait with it."""
    timer = threading.Timer(seconds, _leave, (code, why))
    timer.daemon = True
    timer.start()


def _leave(code: int, why: str) -> None:
    # On a thread of its own: one that is stuck may hold the lock of a log handler.
    words = threading.Thread(target=_last_words, args=(why,), daemon=True)
    words.start()
    words.join(0.5)
    os._exit(code)


def _last_words(why: str) -> None:
    log.warning("%s", why)
    for handler in logging.getLogger().handlers:
        handler.flush()
    sys.stdout.flush()


class Ending:
    """Ends a worker in answer to signals, each step bounded in time."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self.started = False

    def drain(self) -> None:
        """Finish what runs within the grace period. Before anything was taken there is nothing to finish."""
        grace = self._worker.settings.grace
        if self.started:
            log.info("draining: takes nothing new, and gives what runs %g s to finish; a second signal ends it", grace)
            limit = grace + END_PATIENCE + _SLACK
            why = "it could not end in good order; what it holds is delivered again when its leases run out"
            at_latest(limit, ExitCode.INTERRUPTED, why)
        else:
            log.info("it ends before it has started")
            at_latest(grace, ExitCode.DRAINED, "it ends without waiting for its start")
        self._worker.drain()

    def interrupt(self) -> None:
        """Give back what runs, unspent, and end."""
        log.warning("interrupting: what runs is given back, unspent; a third signal ends the process at once")
        code = ExitCode.INTERRUPTED if self.started else ExitCode.DRAINED
        at_latest(END_PATIENCE + _SLACK, code, "it could not give back all it holds; its leases run out")
        self._worker.interrupt()

    def close(self, code: int) -> None:
        """The worker has ended with this exit code; what is left in the process may not hold it up for long."""
        left = asyncio.all_tasks() - {asyncio.current_task()}
        if left or code == ExitCode.INTERRUPTED:
            at_latest(_LEFTOVERS, code, "it ends without waiting for what still runs")
        else:
            at_latest(_SLACK, code, "it ends without waiting for threads that still run")
