"""Group commit: what gathered while the last write was under way is the next write. No timer.

Alone, an item leaves at once; under load, hundreds leave together. It knows nothing of what it carries.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class GroupCommit(Generic[Item]):
    """A buffer with a single flusher.

    `write` takes each batch, tells whoever waits how it went, and does not raise: if it does, `run` raises the same,
    and `rest` has what was not taken. At most `most` items go in one batch, so that one write stays short; when
    `most * 4` have gathered, `room` makes callers wait.
    """

    def __init__(self, write: Callable[[list[Item]], Awaitable[None]], most: int = 1000) -> None:
        self._write = write
        self._most = most
        self._items: list[Item] = []
        self._wake = asyncio.Event()
        self._drained = asyncio.Event()
        self._room = asyncio.Event()
        self._drained.set()
        self._room.set()
        self._closing = False
        self._over = False

    def add(self, item: Item) -> None:
        """Put the item in the next batch. It does not wait; call `room` first where many may gather. Raises
        RuntimeError once `run` has ended: nobody would write it."""
        if self._over:
            raise RuntimeError("nothing is written here any more")
        items = self._items
        items.append(item)
        if len(items) == 1:
            self._drained.clear()
            self._wake.set()
        elif len(items) >= self._most * 4:
            self._room.clear()

    def withdraw(self, item: Item) -> bool:
        """Take the item back if no write has taken it yet. Whether it was so."""
        try:
            self._items.remove(item)
        except ValueError:
            return False
        return True

    def full(self) -> bool:
        """Whether callers should wait for `room`."""
        return not self._room.is_set()

    async def room(self) -> None:
        """Wait until the buffer takes more."""
        while not self._room.is_set():  # those who woke before us may have filled it again
            await self._room.wait()

    async def drained(self) -> None:
        """Wait until everything added so far has been written."""
        await self._drained.wait()

    def rest(self) -> list[Item]:
        """What no write has taken: once `run` has failed, nobody else will tell those who wait for it."""
        return self._items

    async def run(self) -> None:
        """Write until `close` was called and all is written."""
        try:
            await self._run()
        finally:
            self._over = True
            self._room.set()
            self._drained.set()

    async def _run(self) -> None:
        while not self._closing or self._items:
            if not self._items:
                self._drained.set()
                await self._wake.wait()
            self._wake.clear()
            batch, self._items = self._items[: self._most], self._items[self._most :]
            if len(self._items) < self._most * 4:
                self._room.set()
            if batch:
                await self._write(batch)

    def close(self) -> None:
        """Let `run` return once everything is written."""
        self._closing = True
        self._wake.set()
