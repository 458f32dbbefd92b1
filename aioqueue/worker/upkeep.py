"""Upkeep by timer, in every worker: jobs of workers that died are put back, and what is past its lifetime is dropped.
It depends on no traffic, no leader and no restart."""

from __future__ import annotations

import asyncio
import logging
from random import Random

from ..commit.patience import AWAY
from ..drivers.base import Broker, Consumer, ResultStore

log = logging.getLogger("aioqueue.worker")

_RECLAIM = 0.5  # seconds; with the lease itself, the longest a dead worker's job waits
_FORGET = 120  # reclaims between two clean-ups


class Upkeep:
    """Keeps up until cancelled."""

    def __init__(self, consumer: Consumer, broker: Broker, store: ResultStore | None, random: Random) -> None:
        self._consumer = consumer
        self._broker = broker
        self._store = store
        self._random = random

    async def run(self) -> None:
        """Reclaim and forget until cancelled. A server that is away is tried again at the next round."""
        round = self._random.randrange(_FORGET)
        while True:
            # Jittered, so that many workers do not all come at once.
            await asyncio.sleep(_RECLAIM * self._random.uniform(0.8, 1.2))
            round += 1
            try:
                if lost := await self._consumer.reclaim():
                    log.warning("%d jobs of a worker that died or stood still are put back", lost)
                if round % _FORGET == 0:
                    await self._forget()
            except AWAY as error:
                log.debug("upkeep waits for its server: %s", error)

    async def _forget(self) -> None:
        forgotten = await self._broker.forget()
        if self._store is not None:
            forgotten += await self._store.forget()
        if forgotten:
            log.debug("%d records and dead letters were past their lifetime", forgotten)
