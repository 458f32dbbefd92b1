"""What the contract suites share: how a case is bounded, chosen by capability, and lets time pass.

A case that does not apply to a driver is reported as skipped, with the capability that the driver does not declare;
`pytest -rs` lists them.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, NoReturn, TypeVar

import pytest

from aioqueue.drivers.base import Broker, Consumer, Coordination, Driver, ResultStore
from aioqueue.testing.clock import ManualClock

Case = Callable[..., Coroutine[Any, Any, None]]
C = TypeVar("C", bound=Case)


@asynccontextmanager
async def opened(driver: Driver) -> AsyncIterator[Driver]:
    """The driver, open; closed at the end."""
    halves = [half for half in (driver.broker, driver.store) if half is not None]
    for half in halves:
        await half.open()
    try:
        yield driver
    finally:
        for half in reversed(halves):
            await half.close()


def needs(**capabilities: str) -> Callable[[C], C]:
    """The case applies only where the half declares it: `@needs(broker="fences")`. It must ask for that fixture."""

    def mark(case: C) -> C:
        case.__dict__.setdefault("needs", {}).update(capabilities)
        return case

    return mark


def does_not_apply(reason: str) -> NoReturn:
    """The one place where a case bows out."""
    pytest.skip(f"does not apply: {reason}")


@pytest.mark.asyncio
class Contract:
    """A suite of cases. What a driver on real time changes is here; a case asks for nothing else."""

    bound = 10.0  # real seconds a case may take: one that hangs fails
    lease = 15.0  # seconds
    moment = 60.0  # a delay that no case waits out by accident

    @pytest.fixture
    def clock(self) -> ManualClock:
        return ManualClock()

    @pytest.fixture
    def broker(self, driver: Driver) -> Broker:
        assert driver.broker is not None, f"{driver.label} has no broker to test"
        return driver.broker

    @pytest.fixture
    def store(self, driver: Driver) -> ResultStore:
        assert driver.store is not None, f"{driver.label} has no result store to test"
        return driver.store

    @pytest.fixture
    def coordination(self, driver: Driver) -> Coordination:
        assert driver.coordination is not None, f"{driver.label} has no coordination to test"
        return driver.coordination

    async def elapse(self, clock: ManualClock, seconds: float) -> None:
        """Let time pass. Override it where the time that counts is the server's."""
        clock.advance(seconds)

    async def lapse(self, clock: ManualClock, *consumers: Consumer) -> None:
        """Let these workers vanish until what they hold is free to come back. Override it where a broker notices by
        another sign than a lease."""
        await self.elapse(clock, self.lease + 1)

    async def reopen(self, driver: Driver) -> Driver:
        """What a new process would see. Override it where the same objects cannot be opened again."""
        for half in (driver.broker, driver.store):
            if half is not None:
                await half.close()
        for half in (driver.broker, driver.store):
            if half is not None:
                await half.open()
        return driver

    async def open_another(self, driver: Driver, clock: ManualClock) -> Driver:
        """The same server once more, not yet open, as another process would have it. What says it is `shared` must say
        how."""
        raise NotImplementedError(f"{driver.label} is shared: override open_another to show it")

    async def consumer(
        self, broker: Broker, queues: Sequence[str] = ("default",), worker: str = "worker-1"
    ) -> Consumer:
        """A worker's side, closed when the case ends."""
        consumer = await broker.consumer(queues, worker, self.lease)
        self.__dict__.setdefault("consumers", []).append(consumer)
        return consumer

    async def close_consumers(self) -> None:
        """Close what `consumer` opened."""
        opened: list[Consumer] = self.__dict__.pop("consumers", [])
        for consumer in opened:
            consumer.stop_receiving()
            await consumer.close()

    def __init_subclass__(cls) -> None:
        for name, case in list(cls.__dict__.items()):
            if name.startswith("test_") and inspect.iscoroutinefunction(case):
                setattr(cls, name, _bounded(case))


def _bounded(case: Case) -> Case:
    wanted: dict[str, str] = getattr(case, "needs", {})

    @functools.wraps(case)
    async def run(self: Contract, **fixtures: Any) -> None:
        for half, capability in wanted.items():
            if not getattr(fixtures[half].capabilities, capability):
                does_not_apply(f"this {half} does not declare `{capability}`")
        async with asyncio.timeout(self.bound):
            try:
                await case(self, **fixtures)
            finally:
                await self.close_consumers()

    return run
