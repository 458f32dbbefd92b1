"""Whoever waits for final records on one event loop: one watcher looks for all of them at once."""

from __future__ import annotations

import asyncio
from functools import partial

from ...core.record import Record
from ...errors import StoreUnavailable
from . import records
from .connection import Connection, Wake
from .database import Database, data_version


class Waiters:
    """Lives while somebody waits; its watcher ends with the last of them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[str, set[asyncio.Future[Record]]] = {}
        self._awake = asyncio.Event()
        self._watcher: asyncio.Task[None] | None = None
        self.open = True

    async def wait(self, id: str) -> Record:
        """The record once it is final."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Record] = loop.create_future()
        self._waiting.setdefault(id, set()).add(future)
        self._awake.set()
        if self._watcher is None:
            self._watcher = loop.create_task(self._watch())
        try:
            return await future
        finally:
            waiting = self._waiting.get(id, set())
            waiting.discard(future)
            if not waiting:
                self._waiting.pop(id, None)
                self._awake.set()  # the watcher may have nothing left to do

    async def _watch(self) -> None:
        wake = self._awake.set
        self._database.wakes.subscribe(Wake.RECORDS, wake)
        try:
            while self._waiting:
                self._awake.clear()
                version = await self._look()
                await self._doze(version)
        except BaseException as error:
            self._fail(error)
            if not isinstance(error, Exception):
                raise
        finally:
            self.open = False
            self._database.wakes.unsubscribe(Wake.RECORDS, wake)

    async def _look(self) -> int:
        version, found = await self._database.read(partial(_find, list(self._waiting)), StoreUnavailable)
        for id, record in found.items():
            for future in self._waiting.pop(id, ()):
                if not future.done():
                    future.set_result(record)
        return version

    async def _doze(self, version: int) -> None:
        """Wait until something may be there: a wake-up, or a change that no wake-up told of."""
        while self._waiting:
            try:
                async with asyncio.timeout(self._database.location.poll):
                    await self._awake.wait()
                return
            except TimeoutError:
                pass
            if await self._database.read(data_version, StoreUnavailable) != version:
                return

    def _fail(self, error: BaseException) -> None:
        for futures in self._waiting.values():
            for future in futures:
                if not future.done():
                    if isinstance(error, asyncio.CancelledError):
                        future.cancel()
                    else:
                        future.set_exception(error)
        self._waiting.clear()


def _find(ids: list[str], connection: Connection) -> tuple[int, dict[str, Record]]:
    return data_version(connection), records.fetch(connection, ids, records.FIRST_FINAL)
