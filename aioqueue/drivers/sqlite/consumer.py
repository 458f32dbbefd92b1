"""A worker's side of the broker: receive, and settle what was received."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from functools import partial

from msgspec import Struct

from ...core.clock import Clock
from ...errors import BrokerUnavailable
from ..base import Delivery, Doomed, Keeper, Token
from . import messages
from .connection import Connection, Wake
from .database import Database, data_version
from .keeper import SqliteKeeper
from .statements import sql

_SHORTEST_NAP = 0.005  # between looking for what is due soon, by a clock that may stand still


class _Claim(Struct):
    """What a look at the queues gave. If nothing, then as of which version of the file, and when the next is due."""

    deliveries: list[Delivery]
    version: int = 0
    due: float = float("inf")


class SqliteConsumer:
    """Claims messages for one worker, in batches, each under a token of its own."""

    def __init__(self, database: Database, clock: Clock, queues: tuple[str, ...], worker: str, lease: float) -> None:
        self._database = database
        self._clock = clock
        self._queues = queues
        self._worker = worker
        self._lease = lease
        # Row numbers are used again, so what tells two claims apart must never be: 31 random bits for this consumer,
        # and a count.
        self._token = secrets.randbits(31) << 32
        self._awake = asyncio.Event()
        self._stopped = False
        self._wake = self._awake.set
        database.wakes.subscribe(Wake.MESSAGES, self._wake)

    async def receive(self, room: int) -> Sequence[Delivery]:
        """At least one and at most `room` deliveries; waits for the first. If it is cancelled after all, what was
        claimed is given back."""
        while not self._stopped and room > 0:
            self._awake.clear()
            found = await self._database.run(
                partial(self._claim, room), BrokerUnavailable, durable=False, undo=self._give_back
            )
            if found.deliveries:
                return found.deliveries
            await self._doze(found)
        return ()

    def stop_receiving(self) -> None:
        """Let `receive` return for good, with what it is just claiming or nothing."""
        self._stopped = True
        self._awake.set()

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Forget these. One that is no longer ours is left as it is."""
        tokens = [delivery.token for delivery in deliveries]
        if tokens:
            await self._database.run(lambda connection: messages.ack(connection, tokens), BrokerUnavailable)

    async def release(self, deliveries: Sequence[Delivery], delay: float = 0.0) -> None:
        """Give these back, to be delivered again after `delay` seconds. One no longer ours is left as it is."""
        tokens = [delivery.token for delivery in deliveries]
        due = self._clock.now() + delay if delay > 0 else None
        if tokens:
            await self._database.run(partial(_release, tokens, due), BrokerUnavailable, durable=False)

    async def dead_letter(self, doomed: Sequence[Doomed]) -> None:
        """Set these aside with their reasons. One no longer ours is left as it is."""
        now = self._clock.now()
        by_token = {one.delivery.token: one for one in doomed}  # one dead letter, though it be named twice

        def work(connection: Connection) -> None:
            ours = messages.held(connection, list(by_token))
            messages.bury(connection, [one for token, one in by_token.items() if token in ours], now)
            messages.ack(connection, ours)

        if doomed:
            await self._database.run(work, BrokerUnavailable)

    async def reclaim(self) -> int:
        """Put back what anybody held under leases that ran out, counting a crash for each. How many there were."""
        now = self._clock.monotonic()

        def work(connection: Connection) -> int:
            reclaimed = connection.execute(sql("reclaim"), (now,)).rowcount
            if reclaimed:
                connection.wakes |= Wake.MESSAGES
            return reclaimed

        return await self._database.run(work, BrokerUnavailable, durable=False)

    def keeper(self) -> Keeper:
        return SqliteKeeper(self._database.location, self._clock)

    async def close(self) -> None:
        """Wake and end `receive`. What is held stays held, until it is settled or its lease runs out."""
        self.stop_receiving()
        self._database.wakes.unsubscribe(Wake.MESSAGES, self._wake)

    def _claim(self, room: int, connection: Connection) -> _Claim:
        # Not durable: a claim that a power cut undoes is a message that is delivered again, as it had to be anyway.
        connection.execute(sql("promote"), (self._clock.now(),))
        self._token += 1
        lease_until = self._clock.monotonic() + self._lease
        found: list[Delivery] = []
        for queue in self._queues:
            found += messages.claim(
                connection, queue, room - len(found), token=self._token, lease_until=lease_until, worker=self._worker
            )
            if len(found) >= room:
                break
        if found:
            return _Claim(found)
        (due,) = connection.execute("SELECT min(due) FROM message WHERE state = 1").fetchone()
        return _Claim(found, data_version(connection), float("inf") if due is None else due)

    async def _doze(self, nothing: _Claim) -> None:
        """Wait until something may be there: a wake-up, the next due time, or a change that no wake-up told of."""
        while not self._stopped:
            left = max(nothing.due - self._clock.now(), _SHORTEST_NAP)
            try:
                async with asyncio.timeout(min(left, self._database.location.poll)):
                    await self._awake.wait()
                return
            except TimeoutError:
                pass
            if nothing.due <= self._clock.now():
                return
            if await self._database.version(BrokerUnavailable) != nothing.version:
                return

    def _give_back(self, unwanted: _Claim) -> None:
        tokens = [delivery.token for delivery in unwanted.deliveries]
        if tokens:
            self._database.submit(partial(_release, tokens, None))


def _release(tokens: Sequence[Token], due: float | None, connection: Connection) -> None:
    if messages.release(connection, tokens, due):
        connection.wakes |= Wake.MESSAGES
