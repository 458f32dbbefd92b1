"""Any order of everything that may befall a broker: each message is waiting, held, done or dead, never two of these and
never none of them, and the most urgent comes first."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from aioqueue.drivers.base import Driver
from aioqueue.drivers.memory import open_memory
from aioqueue.drivers.sqlite import open_sqlite
from aioqueue.testing import ManualClock

from .broker_oracle import BrokerModel


class MemoryModel(BrokerModel):
    def make(self, clock: ManualClock) -> Driver:
        return open_memory("memory://", clock=clock)


class SqliteModel(BrokerModel):
    def make(self, clock: ManualClock) -> Driver:
        self.folder = tempfile.TemporaryDirectory()
        return open_sqlite(f"sqlite:///{Path(self.folder.name, 'jobs.db')}", clock=clock)

    def teardown(self) -> None:
        try:
            super().teardown()
        finally:
            if hasattr(self, "folder"):
                self.folder.cleanup()


def play(model: type[BrokerModel], games: int, steps: int) -> None:
    run_state_machine_as_test(model, settings=settings(max_examples=games, stateful_step_count=steps, deadline=None))


def test_in_memory_each_message_is_always_in_exactly_one_place() -> None:
    play(MemoryModel, 60, 40)


def test_in_sqlite_each_message_is_always_in_exactly_one_place() -> None:
    play(SqliteModel, 25, 25)


@pytest.mark.soak
@pytest.mark.parametrize("model", [MemoryModel, SqliteModel])
def test_in_long_games_too(model: type[BrokerModel]) -> None:
    play(model, 500, 80)
