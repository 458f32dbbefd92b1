"""The file as the rest of the driver sees it: operations, each run on a thread that has its own connection, and those
that wait together committed together. Knows nothing of jobs."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from .connection import Connection, Replaced, Unavailable, Wake, begin_writing, check_file, connect, is_busy, translated
from .location import Location
from .wake import Wakes

T = TypeVar("T")

_MOST_AT_ONCE = 64  # operations in one transaction: others want the file too


class _Call(Generic[T]):
    """One operation on its way through a thread, and the future of who awaits it (None: nobody)."""

    __slots__ = ("durable", "error", "future", "locks", "loop", "result", "undo", "work")

    def __init__(
        self,
        work: Callable[[Connection], T],
        future: asyncio.Future[T] | None,
        *,
        durable: bool = False,
        locks: bool = True,
        undo: Callable[[T], None] | None = None,
    ) -> None:
        self.work = work
        self.future = future
        self.loop = None if future is None else future.get_loop()
        self.durable = durable
        self.locks = locks
        self.undo = undo
        self.result: T | None = None
        self.error: BaseException | None = None

    @property
    def given_up(self) -> bool:
        """Whether nobody waits for it any more who did before."""
        return self.future is not None and self.future.done()

    def deliver(self) -> None:
        """On the future's loop: hand over the result, or undo what nobody waits for any more."""
        assert self.future is not None
        if self.given_up:
            if self.error is None and self.undo is not None:
                self.undo(self.result)  # type: ignore[arg-type]
        elif self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)  # type: ignore[arg-type]


class _Lane:
    """A thread and its connection. Whatever operations are pending it runs in one transaction, so that they share the
    wait for the disk; one that fails is rolled back alone."""

    def __init__(self, location: Location, announce: Callable[[Wake], None], *, writes: bool) -> None:
        self._location = location
        self._announce = announce
        self._writes = writes
        self._pending: SimpleQueue[_Call[Any] | None] = SimpleQueue()
        self._connection: Connection | None = None
        self._durable = False  # how the connection stands now
        self._closing = False
        self._thread = threading.Thread(target=self._serve, name=f"sqlite {location.path.name}", daemon=True)
        self._thread.start()

    def put(self, call: _Call[Any]) -> None:
        self._pending.put(call)

    async def close(self) -> None:
        self._pending.put(None)
        # What is pending is still carried out; each operation is bounded, so this is.
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join)

    def _serve(self) -> None:
        while not self._closing:
            calls = self._take()
            if calls:
                self._execute(calls)
                _deliver(calls)
        self._disconnect()

    def _take(self) -> list[_Call[Any]]:
        calls: list[_Call[Any]] = []
        call = self._pending.get()
        try:
            while call is not None:
                if not call.given_up:
                    calls.append(call)
                if len(calls) == _MOST_AT_ONCE:
                    return calls
                call = self._pending.get_nowait()
        except Empty:
            return calls
        self._closing = True
        return calls

    def _execute(self, calls: list[_Call[Any]]) -> None:
        try:
            connection = self._connected()
            wakes = self._transact(connection, calls)
            check_file(connection, self._location.path)
        except BaseException as error:
            for call in calls:
                call.error = error
            # Whatever is wrong with the connection, the next operation starts with a new one.
            if isinstance(error, Replaced | sqlite3.DatabaseError) and not is_busy(error):
                self._disconnect()
        else:
            if wakes:
                self._announce(wakes)

    def _connected(self) -> Connection:
        if self._connection is not None:
            try:
                check_file(self._connection, self._location.path)
            except Replaced:
                self._disconnect()
        if self._connection is None:
            self._connection = connect(self._location, writes=self._writes)
            self._durable = False
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except sqlite3.Error:
                pass  # whatever it was, the thread goes on

    def _transact(self, connection: Connection, calls: list[_Call[Any]]) -> Wake:
        durable = self._location.synchronous and any(call.durable for call in calls)
        if durable != self._durable:
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._durable = durable
        wakes = Wake.NOTHING
        if self._writes and any(call.locks for call in calls):
            begin_writing(connection, self._location.patience, lambda: not all(call.given_up for call in calls))
        else:
            connection.execute("BEGIN")
        try:
            for call in calls:
                if call.given_up:
                    call.error = asyncio.CancelledError()  # given up while we waited for other processes
                    continue
                wakes |= _run_one(connection, call, alone=len(calls) == 1)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return wakes


def _run_one(connection: Connection, call: _Call[Any], *, alone: bool) -> Wake:
    connection.wakes = Wake.NOTHING
    if alone:
        call.result = call.work(connection)
        return connection.wakes
    connection.execute("SAVEPOINT one")
    try:
        call.result = call.work(connection)
    except Exception as error:
        if not connection.in_transaction:
            raise  # SQLite gave up the whole transaction: what ran before this is gone too
        connection.execute("ROLLBACK TO one")
        call.error = error
        connection.wakes = Wake.NOTHING
    connection.execute("RELEASE one")
    return connection.wakes


def _deliver(calls: list[_Call[Any]]) -> None:
    loops: dict[asyncio.AbstractEventLoop, list[_Call[Any]]] = {}
    for call in calls:
        if call.loop is not None:
            loops.setdefault(call.loop, []).append(call)
    for loop, its in loops.items():
        try:
            loop.call_soon_threadsafe(_deliver_all, its)
        except RuntimeError:
            pass  # the loop is closed, and nobody waits there any more


def _deliver_all(calls: list[_Call[Any]]) -> None:
    for call in calls:
        call.deliver()


class Database:
    """One file, opened once for all parts of a driver: what opens first connects, what closes last disconnects.

    Operations get the connection, inside of a transaction. Reads have a connection of their own, so that a long one
    holds up no commit.
    """

    def __init__(self, location: Location) -> None:
        self.location = location
        self.wakes = Wakes(location.path)
        self._users = 0
        self._writer: _Lane | None = None
        self._reader: _Lane | None = None

    async def open(self, unavailable: Unavailable) -> None:
        """Connect, and create what is missing. Raises ConfigurationError if the file can never serve."""
        self._users += 1
        if self._writer is None:
            self._writer = _Lane(self.location, self.wakes.announce, writes=True)
        try:
            await self.run(lambda connection: None, unavailable)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Let go. The last one carries out what is pending, and disconnects."""
        if self._users == 0:
            return
        self._users -= 1
        if self._users == 0:
            lanes = [lane for lane in (self._reader, self._writer) if lane is not None]
            self._reader = self._writer = None
            for lane in lanes:
                await lane.close()
            self.wakes.close()

    async def run(
        self,
        work: Callable[[Connection], T],
        unavailable: Unavailable,
        *,
        durable: bool = True,
        undo: Callable[[T], None] | None = None,
    ) -> T:
        """What `work` returned, committed. Without `durable` a power cut, but nothing less, may undo it. If the caller
        is cancelled while it runs, `undo` is called with the result on the caller's loop."""
        call = _Call(work, asyncio.get_running_loop().create_future(), durable=durable, undo=undo)
        return await self._await(self._writer, call, unavailable)

    async def read(self, work: Callable[[Connection], T], unavailable: Unavailable) -> T:
        """What `work` returned, from what is committed by now."""
        if self._reader is None and self._writer is not None:
            self._reader = _Lane(self.location, self.wakes.announce, writes=False)
        call = _Call(work, asyncio.get_running_loop().create_future())
        return await self._await(self._reader, call, unavailable)

    async def version(self, unavailable: Unavailable) -> int:
        """The data_version of the connection that writes, without keeping others from writing."""
        call = _Call(data_version, asyncio.get_running_loop().create_future(), locks=False)
        return await self._await(self._writer, call, unavailable)

    def submit(self, work: Callable[[Connection], object]) -> None:
        """Carry it out some time soon, if the file is open. Nobody hears of a failure."""
        if self._writer is not None:
            self._writer.put(_Call(work, None))

    async def _await(self, lane: _Lane | None, call: _Call[T], unavailable: Unavailable) -> T:
        future = call.future
        assert future is not None
        if lane is None:
            raise unavailable(f"{self.location.path} is not open")
        lane.put(call)
        with translated(unavailable, self.location.path):
            try:
                return await future
            except asyncio.CancelledError:
                # The result may have come just before the cancellation did.
                if not future.cancelled() and future.exception() is None and call.undo is not None:
                    call.undo(future.result())
                raise


def data_version(connection: sqlite3.Connection) -> int:
    """A number that changes when another connection than this one has committed."""
    version: int = connection.execute("PRAGMA data_version").fetchone()[0]
    return version
