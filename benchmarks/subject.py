"""What is measured: a queue with shipped defaults, and tasks with three typed arguments and a result."""

from __future__ import annotations

import asyncio
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from aioqueue import AioQueue
from aioqueue.core.clock import SystemClock
from aioqueue.drivers.base import RecordQuery
from aioqueue.drivers.open import open_driver

from .ledger import Ledger


@dataclass(frozen=True)
class Conditions:
    """Under which a figure is measured. `folder` is this measurement's own, on a real disk."""

    url: str
    folder: Path
    quick: bool

    def size(self, full: int, least: int = 1) -> int:
        """So many, a tenth in a quick run."""
        return max(least, full // 10) if self.quick else full

    def seconds(self, full: float) -> float:
        """So long, a fifth in a quick run."""
        return full / 5 if self.quick else full

    @property
    def shared(self) -> bool:
        """Whether another process can work on the same queue."""
        broker = open_driver(self.url, clock=SystemClock()).broker
        return broker is not None and broker.capabilities.shared

    def ledger(self, size: int) -> Ledger:
        """A new ledger."""
        return Ledger(self.folder / f"ledger-{uuid.uuid4().hex}", size)


class Subject:
    """A queue, and tasks that write what they do into the ledger. `noted` is called each time."""

    def __init__(self, at: Conditions, ledger: Ledger, noted: Callable[[], object] = lambda: None) -> None:
        self.queue = AioQueue(at.url)

        async def short(number: int, name: str, price: float) -> float:
            ledger.note(number)
            noted()
            return price * 2

        async def nap(number: int, name: str, seconds: float) -> float:
            await asyncio.sleep(seconds)
            ledger.note(number)
            noted()
            return seconds * 2

        self.short = self.queue.task(short)
        self.nap = self.queue.task(nap)

    async def expect_ready(self, count: int) -> None:
        """Raises AssertionError unless so many messages wait."""
        queues = await self.queue.connection.broker.counts()
        ready = sum(queue.ready for queue in queues.values())
        if ready != count:
            raise AssertionError(f"{count} were enqueued, and {ready} wait: the figure would be worth nothing")

    async def expect_all_succeeded(self, count: int) -> None:
        """Raises AssertionError unless so many records say that they succeeded, and no others are there."""
        store = self.queue.connection.store
        assert store is not None
        counts = {state.value: count for state, count in (await store.counts(RecordQuery())).items()}
        if counts != {"succeeded": count}:
            raise AssertionError(f"of {count} jobs the records say {counts}: the figure would be worth nothing")


def say(text: str) -> None:
    """Tell who watches, on stderr."""
    print(text, end="", file=sys.stderr, flush=True)
