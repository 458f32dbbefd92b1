"""The keeper: renews leases from its own thread, over a connection of its own, whatever the event loop is doing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from ...core.clock import Clock
from ...errors import BrokerUnavailable
from ..base import Lease, Token
from . import messages
from .connection import Connection, begin_writing, check_file, connect, is_busy, translated
from .location import Location
from .statements import as_json, sql

T = TypeVar("T")


class SqliteKeeper:
    """Blocking; belongs to the thread that opens it."""

    threaded = True

    def __init__(self, location: Location, clock: Clock) -> None:
        self._location = location
        self._clock = clock
        self._connection: Connection | None = None

    def open(self) -> None:
        with translated(BrokerUnavailable, self._location.path):
            self._connection = connect(self._location)

    def extend(self, tokens: Sequence[Token], lease: float) -> Mapping[Token, Lease]:
        """Hold these for `lease` seconds from now, and say which are no longer ours."""
        until = self._clock.monotonic() + lease

        def work(connection: Connection) -> set[Token]:
            for claim, seqs in messages.by_claim(tokens):
                connection.execute(sql("extend"), (until, claim, as_json(seqs)))
            return messages.held(connection, tokens)

        kept = self._run(work)
        return {token: Lease.KEPT if token in kept else Lease.LOST for token in tokens}

    def release(self, tokens: Sequence[Token]) -> None:
        """Give these back unspent. Others see them at their next look, within half a second."""
        self._run(lambda connection: messages.release(connection, tokens))

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _run(self, work: Callable[[Connection], T]) -> T:
        with translated(BrokerUnavailable, self._location.path):
            try:
                if self._connection is None:
                    self._connection = connect(self._location)
                return _commit(self._connection, self._location, work)
            except Exception as error:
                if not is_busy(error):
                    self.close()  # the next call starts with a new one
                raise


def _commit(connection: Connection, location: Location, work: Callable[[Connection], T]) -> T:
    check_file(connection, location.path)
    begin_writing(connection, location.patience)
    try:
        result = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return result
