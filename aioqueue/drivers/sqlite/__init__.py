"""The SQLite driver: broker, result store, coordination and their atomic commit on one file, for the processes of one
machine."""

from __future__ import annotations

from ...core.clock import Clock
from ..base import Driver
from .broker import SqliteBroker
from .commit import SqliteCommit
from .coordination import SqliteCoordination
from .database import Database
from .location import Location, parse
from .store import SqliteStore

__all__ = ["open_sqlite"]


def open_sqlite(url: str, *, clock: Clock) -> Driver:
    """The driver for `sqlite:///relative.db` or `sqlite:////absolute.db`. Raises ConfigurationError for a URL that
    names no file. Nothing is touched before the broker or the store is opened; either may be, first or alone."""
    return drive(parse(url), clock=clock)


def drive(location: Location, *, clock: Clock) -> Driver:
    """The driver for a location."""
    database = Database(location)
    return Driver(
        label=f"SQLite {location.path}",
        broker=SqliteBroker(database, clock),
        store=SqliteStore(database, clock),
        coordination=SqliteCoordination(database, clock),
        commit=SqliteCommit(database, clock),
    )
