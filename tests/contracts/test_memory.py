"""The memory driver keeps every contract."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from aioqueue.drivers.base import Driver
from aioqueue.drivers.memory import open_memory
from aioqueue.testing import ManualClock
from aioqueue.testing.contracts import (
    BrokerContract,
    CommitContract,
    CoordinationContract,
    KeeperContract,
    StoreContract,
    opened,
)


@pytest.fixture
async def driver(clock: ManualClock) -> AsyncIterator[Driver]:
    async with opened(open_memory("memory://", clock=clock)) as driver:
        yield driver


class TestBroker(BrokerContract): ...


class TestStore(StoreContract): ...


class TestCommit(CommitContract): ...


class TestCoordination(CoordinationContract): ...


class TestKeeper(KeeperContract): ...
