"""The SQLite driver keeps every contract."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aioqueue.drivers.base import Driver
from aioqueue.drivers.sqlite import open_sqlite
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
async def driver(clock: ManualClock, tmp_path: Path) -> AsyncIterator[Driver]:
    async with opened(open_sqlite(f"sqlite:///{tmp_path}/jobs.db", clock=clock)) as driver:
        yield driver


class ByAnotherProcess:
    async def open_another(self, driver: Driver, clock: ManualClock) -> Driver:
        return open_sqlite(f"sqlite:///{driver.label.removeprefix('SQLite ')}", clock=clock)


class TestBroker(ByAnotherProcess, BrokerContract): ...


class TestStore(ByAnotherProcess, StoreContract): ...


class TestCommit(CommitContract): ...


class TestCoordination(CoordinationContract): ...


class TestKeeper(KeeperContract): ...
