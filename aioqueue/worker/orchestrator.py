"""The orchestrator: settles what has ended, in batches. The record is stored first, and what follows is decided from
the record that stands; then it is published, and the message is acknowledged.

It decides; the commit applies.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import TypeVar

from msgspec import Struct

from ..commit.group import GroupCommit
from ..commit.patience import AWAY, Pauses
from ..core.clock import Clock
from ..core.decide import decide
from ..core.events import JobEnded
from ..core.message import Message
from ..core.record import Record
from ..core.state import Phase, State
from ..drivers.base import Applied, Commit, Consumer, Delivery, Doomed, ResultStore, Standing, Transition
from .hooks import Hooks
from .keeper import Holdings

log = logging.getLogger("aioqueue.worker")
T = TypeVar("T")


class Ended(Struct, frozen=True, gc=False):
    """A turn that ended: the record it leaves. Without a message, its bytes could not be read; then the record's reason
    is why it is set aside, and there is no record if not even an id could be read."""

    delivery: Delivery
    message: Message | None
    record: Record | None
    reason: str = ""


class GivenBack(Struct, frozen=True):
    """A delivery to be released, unspent, and delivered again after `delay` seconds. `record` is there if the store
    says that the job runs."""

    delivery: Delivery
    delay: float = 0.0
    record: Record | None = None


class Orchestrator:
    """Settles. `settled` is told of each delivery that is off our hands."""

    def __init__(
        self, commit: Commit, consumer: Consumer, holdings: Holdings, hooks: Hooks, clock: Clock, random: Random,
        keep_dead: float, store: ResultStore | None,
    ) -> None:  # fmt: skip
        self._commit = commit
        self._consumer = consumer
        self._holdings = holdings
        self._hooks = hooks
        self._clock = clock
        self._random = random
        self._keep_dead = keep_dead
        self._store = store
        self.buffer: GroupCommit[Ended | GivenBack] = GroupCommit(self._write)
        self.released = 0

    async def run(self) -> None:
        """Settle until `buffer.close()` was called and everything is settled."""
        await self.buffer.run()

    def give_back(self, delivery: Delivery, delay: float = 0.0, record: Record | None = None) -> None:
        """Give this back, unspent, with the next batch. `record` replaces one that says the job runs."""
        self.buffer.add(GivenBack(delivery, delay, record))

    async def release(self, deliveries: Sequence[Delivery], delay: float = 0.0) -> None:
        """Give these back now, unspent."""
        await self._persistently(lambda: self._consumer.release(deliveries, delay), "jobs could not be given back")
        for delivery in deliveries:
            self._holdings.let_go(delivery)
        self.released += len(deliveries)

    async def _write(self, batch: list[Ended | GivenBack]) -> None:
        back: dict[float, list[Delivery]] = {}
        ended: list[Ended] = []
        unreadable: list[Ended] = []
        for item in batch:
            if isinstance(item, GivenBack):
                back.setdefault(item.delay, []).append(item.delivery)
            elif item.record is None:
                unreadable.append(item)
            else:
                ended.append(item)
        await self._note([item.record for item in batch if isinstance(item, GivenBack) and item.record is not None])
        for delay, deliveries in back.items():
            await self.release(deliveries, delay)
        if unreadable:
            await self._set_aside(unreadable)
        if ended:
            await self._settle(ended)

    async def _note(self, given_back: Sequence[Record]) -> None:
        # Before they are released: then another worker may run them, and say so. But nothing waits for a store that is
        # away: the next worker's word corrects what it says.
        if self._store is not None and given_back:
            try:
                await self._store.save(given_back)
            except AWAY as error:
                log.debug("jobs given back could not be noted: %s", error)

    async def _set_aside(self, unreadable: Sequence[Ended]) -> None:
        doomed = [self._doom(item, item.reason) for item in unreadable]
        await self._persistently(
            lambda: self._consumer.dead_letter(doomed), "unreadable messages could not be set aside"
        )
        for item in unreadable:
            self._holdings.let_go(item.delivery)

    async def _settle(self, ended: list[Ended]) -> None:
        try:
            # Where another record stands, the turn is decided again from that one. It stands for good, so this ends.
            while ended:
                transitions = [self._transition(item) for item in ended]
                verdicts = await self._persistently(
                    lambda transitions=transitions: self._commit.apply(self._consumer, transitions),  # type: ignore[misc]
                    "outcomes could not be stored",
                )
                ended = self._after(ended, verdicts)
        except Exception:
            if len(ended) > 1:
                for item in ended:
                    await self._settle([item])
                return
            # Not settled, not renewed: its lease runs out, and after a few such rounds it is set aside as crashing.
            log.exception("job %s: its outcome cannot be stored; it is left to its lease", ended[0].delivery.token)
            self._holdings.let_go(ended[0].delivery)

    def _transition(self, item: Ended) -> Transition:
        delivery, record = item.delivery, item.record
        assert record is not None
        if item.message is None:
            return Transition(delivery=delivery, record=record, dead=self._doom(item, item.reason))
        if record.state is State.SUCCEEDED:
            return Transition(delivery=delivery, record=record)
        follow = decide(delivery.body, item.message, record)
        dead = None if follow.dead is None else self._doom(item, follow.dead)
        return Transition(delivery=delivery, record=record, publish=follow.publish, dead=dead)

    def _doom(self, item: Ended, reason: str) -> Doomed:
        return Doomed(item.delivery, reason, self._clock.now() + self._keep_dead)

    def _after(self, ended: list[Ended], verdicts: Sequence[Applied]) -> list[Ended]:
        again: list[Ended] = []
        wanted = self._hooks.wanted(JobEnded)
        for item, verdict in zip(ended, verdicts, strict=True):
            if verdict.standing is Standing.SUPERSEDED and verdict.record is not None:
                again.append(Ended(item.delivery, item.message, verdict.record, item.reason))
                _say_superseded(item, verdict.record)
                continue
            self._holdings.let_go(item.delivery)
            if verdict.standing is Standing.LOST and verdict.record != item.record:
                log.warning("job %s: another worker has it by now; what happened here was dropped", _id(item))
            elif item.record is not None and item.record.phase == Phase.ENDED:  # of a late message, a turn that runs
                if item.record.state is not State.SUCCEEDED:
                    _say(item.record)
                if wanted:
                    self._hooks.send(JobEnded(item.record))
        return again

    async def _persistently(self, call: Callable[[], Awaitable[T]], what: str) -> T:
        # A worker does not end because a server went away: what it has to say is said when the server is back.
        pauses = Pauses(self._random)
        said = False
        while True:
            try:
                return await call()
            except AWAY as error:
                if not said:
                    said = True
                    log.warning("%s, trying again: %s", what, error)
                await asyncio.sleep(pauses.next())


def _id(item: Ended) -> str:
    return item.record.id if item.record is not None else "(unreadable)"


def _say(record: Record) -> None:
    if record.state is State.FAILED:
        log.error("job %s (%s) %s", record.id, record.task, record.reason)
    elif record.state is State.RETRYING:
        log.warning("job %s (%s) %s; it is tried again", record.id, record.task, record.reason)
    else:
        log.info("job %s (%s) is %s: %s", record.id, record.task, record.state, record.reason or "")


def _say_superseded(item: Ended, winner: Record) -> None:
    if item.record is not None and winner.phase == Phase.ENDED:
        asked_for = winner.state is State.CANCELLED
        level = logging.INFO if asked_for else logging.WARNING
        log.log(level, "job %s was %s meanwhile; what happened here was dropped", winner.id, winner.state)
