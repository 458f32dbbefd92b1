"""The open connections of a queue: which broker and which result store, and how the two commit."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress

from .commit.safe_order import SafeOrderCommit
from .core.clock import Clock
from .core.redact import redact
from .drivers.base import Broker, Commit, Coordination, Driver, ResultStore
from .drivers.open import open_driver
from .errors import ConfigurationError
from .settings import Settings


class Connection:
    """An open broker and result store, and how the two commit."""

    def __init__(
        self,
        drivers: list[Driver],
        broker: Broker,
        store: ResultStore | None,
        commit: Commit,
        *,
        gate: ResultStore | None = None,
    ) -> None:
        self.drivers = drivers
        self.gate = gate  # the store to ask what has ended already, where deliveries do not bring their records
        self.broker = broker
        self.store = store
        self.commit = commit
        self.flusher: asyncio.Task[None] | None = None
        self.stop: Callable[[], None] = lambda: None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process = os.getpid()

    @property
    def label(self) -> str:
        """What is open, in words and without secrets: where messages are kept, and results if that is elsewhere."""
        broker, *stores = (driver.label for driver in self.drivers)
        return ", results in ".join([broker, *stores])

    @property
    def coordination(self) -> Coordination | None:
        """Small shared facts: kept where the messages are, or else where the results are."""
        return next((driver.coordination for driver in self.drivers if driver.coordination is not None), None)

    async def open(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self.broker.open()
        if self.store is not None:
            try:
                await self.store.open()
            except BaseException:
                await self.broker.close()  # both or none: opening is tried again from the start
                raise

    def check(self, loop: asyncio.AbstractEventLoop) -> None:
        """Raises ConfigurationError on a loop other than the one it was opened on."""
        if loop is not self._loop:
            raise ConfigurationError(
                "this AioQueue is open on another event loop; close it there first, or make one for each loop"
            )

    def left_behind(self) -> bool:
        """Whether the loop it was opened on has ended without closing it, or this process was forked off since."""
        return self._process != os.getpid() or (self._loop is not None and self._loop.is_closed())

    async def let_go(self) -> None:
        """Close what was left behind, as far as that can be done from another loop. In a forked process nothing: the
        connections are its parent's."""
        if self._process == os.getpid():
            for part in (self.store, self.broker):
                with suppress(Exception):
                    if part is not None:
                        await part.close()

    async def close(self) -> None:
        self.stop()
        try:
            if self.flusher is not None:
                await self.flusher
        finally:
            if self.store is not None:
                await self.store.close()
            await self.broker.close()


def connect(settings: Settings, clock: Clock) -> Connection:
    """The drivers that the settings name, not yet open. Raises ConfigurationError if one cannot do what is asked."""
    first = open_driver(settings.url, clock=clock)
    shown = redact(settings.url)
    if first.broker is None:
        raise ConfigurationError(f"url: {shown} keeps results but takes no messages; give a broker's URL")
    if settings.results is None:
        return Connection([first], first.broker, None, SafeOrderCommit(first.broker, None))
    if settings.results in ("same", settings.url):
        if first.store is None or first.commit is None:
            raise ConfigurationError(
                f"results: {shown} cannot keep results; name a store (results='sqlite:///results.db'), "
                "or none to do without"
            )
        return Connection([first], first.broker, first.store, first.commit)
    second = open_driver(settings.results, clock=clock)
    if second.store is None:
        raise ConfigurationError(f"results: {redact(settings.results)} keeps no results; name a store")
    commit = SafeOrderCommit(first.broker, second.store)
    return Connection([first, second], first.broker, second.store, commit, gate=second.store)
