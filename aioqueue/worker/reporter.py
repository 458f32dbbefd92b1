"""The reporter: writes what runs and how far it has come, and notices what was cancelled meanwhile.

Short jobs never appear here: a job is written as running only once it has run for a moment, so that its own outcome
overtakes it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator

from ..commit.patience import AWAY
from ..core.clock import Clock
from ..core.outcome import running
from ..core.record import Record, replace
from ..core.state import Phase, State
from ..drivers.base import ResultStore
from .attempt import Attempt, Ending
from .executor import Executor

log = logging.getLogger("aioqueue.worker")

_EVERY = 0.25  # seconds between rounds: how late `running` and progress may be
_LOOK = 4  # rounds between looks for cancellations


class Reporter:
    """Writes until cancelled."""

    def __init__(self, store: ResultStore, executor: Executor, clock: Clock) -> None:
        self._store = store
        self._executor = executor
        self._clock = clock

    async def run(self) -> None:
        """Write until cancelled. A store that is away is tried again at the next round."""
        round = 0
        while True:
            await asyncio.sleep(_EVERY)
            round += 1
            try:
                await self._announce()
                if round % _LOOK == 0:
                    await self._look_for_cancellations()
            except AWAY as error:
                log.debug("what runs could not be written: %s", error)
            except Exception:
                log.exception("what runs could not be written")  # no reason to end the worker: outcomes tell it too

    async def _announce(self) -> None:
        news = [
            attempt for attempt in self._started() if not attempt.announced or attempt.progress is not attempt.written
        ]
        if not news:
            return
        told = [attempt.progress for attempt in news]
        records = [_running(attempt) for attempt in news]
        winners = await self._store.save(records)
        for attempt, progress, record, winner in zip(news, told, records, winners, strict=True):
            attempt.announced, attempt.written = True, progress
            self._heed(attempt, record, winner)

    async def _look_for_cancellations(self) -> None:
        known = [attempt for attempt in self._started() if attempt.announced]
        if known:
            found = await self._store.get([attempt.message.id for attempt in known])
            for attempt, record in zip(known, found, strict=True):
                if record is not None:
                    self._heed(attempt, None, record)

    def _heed(self, attempt: Attempt, ours: Record | None, standing: Record) -> None:
        if standing is ours or standing.turn < attempt.message.turn or standing.phase != Phase.ENDED:
            return
        why = Ending.CANCELLED if standing.state is State.CANCELLED else Ending.LOST
        log.info("job %s is %s by now: its attempt here is ended", standing.id, standing.state)
        self._executor.end(attempt, why)

    def _started(self) -> Iterator[Attempt]:
        limit = self._clock.now() - _EVERY
        for attempt in list(self._executor.running):
            started = attempt.run.started
            # Not in order: one that waited for a thread starts after others that got their slots later.
            if started is not None and started <= limit and attempt.ending is None:
                yield attempt


def _running(attempt: Attempt) -> Record:
    return replace(running(attempt.message, attempt.run), progress=attempt.progress)
