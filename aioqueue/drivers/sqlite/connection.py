"""One connection to the file, made ready: private, in WAL mode, with our tables. Knows nothing of threads."""

from __future__ import annotations

import os
import random
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntFlag
from pathlib import Path

from ...errors import AioqueueError, BrokerUnavailable, ConfigurationError, StoreUnavailable
from .location import Location, check_place
from .statements import sql

VERSION = 1
_APPLICATION = 0x61696F71  # "aioq", in the file's header
_OLDEST_SQLITE = (3, 35, 0)
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# Seconds between tries to write while another process does; the last for those that have waited for half a second.
_FIRST_NAP, _LONGEST_NAP, _LONGEST_NAP_OF_MANY = 0.0002, 0.005, 0.05
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_NOT_OURS = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}

Unavailable = type[BrokerUnavailable] | type[StoreUnavailable]


class Wake(IntFlag):
    """What a commit changed that somebody may be waiting for."""

    NOTHING = 0
    MESSAGES = 1
    RECORDS = 2


class Connection(sqlite3.Connection):
    """A connection that knows which file it has, and collects what the current operation will wake."""

    file: tuple[int, int] = (0, 0)
    wakes: Wake = Wake.NOTHING


class Replaced(OSError):
    """The file was removed or replaced while we had it open."""


def connect(location: Location, *, writes: bool = True) -> Connection:
    """A connection with our tables, created if they were missing; to write with `begin_writing`, or to read.

    Raises ConfigurationError for a file that can never serve, and sqlite3's or the system's own errors otherwise."""
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise ConfigurationError(f"SQLite 3.35 or newer is needed; this Python has {sqlite3.sqlite_version}")
    path = location.path
    check_place(path)
    if not path.exists():
        _create_private(path)
    connection = sqlite3.connect(
        path, timeout=location.patience, isolation_level=None, cached_statements=256, factory=Connection
    )
    try:
        connection.file = _identity(path)
        _configure(connection, location)
        _prepare(connection, path)
        if writes:
            connection.execute("PRAGMA busy_timeout = 0")  # begin_writing does the waiting
    except BaseException:
        connection.close()
        raise
    return connection


def begin_writing(connection: Connection, patience: float, wanted: Callable[[], bool] = lambda: True) -> None:
    """BEGIN IMMEDIATE, waiting for others as long as that, and as long as it is still wanted. Blocks."""
    # SQLite's own waiting backs off to 100 ms a nap, while a commit takes one: with eight processes the file then lies
    # idle most of the time, and some wait for a second. So it is told not to wait (see `connect`). But who has waited
    # for long is one of many, and asks less often: a hundred processes that ask each 5 ms take the processor from the
    # one that holds the lock.
    begun, nap = time.monotonic(), _FIRST_NAP
    while True:
        try:
            connection.execute("BEGIN IMMEDIATE")
            return
        except sqlite3.OperationalError as error:
            waited = time.monotonic() - begun
            if not is_busy(error) or waited >= patience or not wanted():
                raise
        time.sleep(random.uniform(0.5, 1.0) * nap)
        nap = min(nap * 1.5, max(_LONGEST_NAP, min(waited * 0.1, _LONGEST_NAP_OF_MANY)))


def check_file(connection: Connection, path: Path) -> None:
    """Raises Replaced if the path no longer leads to the file that the connection has open: SQLite itself would go on
    writing to what nobody can find any more."""
    try:
        same = _identity(path) == connection.file
    except FileNotFoundError:
        same = False
    if not same:
        raise Replaced(f"{path} was removed or replaced")


def is_busy(error: BaseException) -> bool:
    """Whether the error only means that others were writing for all of our patience."""
    return isinstance(error, sqlite3.Error) and _code(error) in _BUSY


@contextmanager
def translated(unavailable: Unavailable, path: Path) -> Iterator[None]:
    """Turns the errors of sqlite3 and of the file system into ours."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise _translate(error, unavailable, path) from error


def _translate(error: sqlite3.Error | OSError, unavailable: Unavailable, path: Path) -> AioqueueError:
    if isinstance(error, OSError):
        return unavailable(f"{path} cannot be used: {error}")
    code = _code(error)
    if code in _BUSY:
        return unavailable(f"{path} was busy with other processes for all of our patience: {error}")
    if code == sqlite3.SQLITE_FULL:
        return unavailable(f"{path} cannot grow, the disk is full, and nothing was written: free some space")
    if code in _NOT_OURS:
        return ConfigurationError(f"{path} is damaged or no SQLite file ({error}): restore it, or name another file")
    return unavailable(f"{path} cannot be used: {error}")


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF  # without what extends it


def _create_private(path: Path) -> None:
    # Made under another name, and closed before it gets its own: closing any descriptor of a file gives up the locks
    # that this process holds on it, SQLite's too. The -wal and -shm files take their mode from this one.
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    _touch(draft)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass  # another process was faster
    except OSError:
        _touch(path)  # no hard links here
    finally:
        os.unlink(draft)


def _touch(path: Path) -> None:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        pass


def _identity(path: Path) -> tuple[int, int]:
    found = os.stat(path)
    return found.st_dev, found.st_ino


def _configure(connection: Connection, location: Location) -> None:
    _set_wal(connection, time.monotonic() + location.patience)
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("PRAGMA cache_size = -32000")
    # Every checkpoint waits for the disk, so not too often; the file beside ours stays below 64 MB at rest.
    connection.execute("PRAGMA wal_autocheckpoint = 4000")
    connection.execute(f"PRAGMA journal_size_limit = {64 << 20}")


def _set_wal(connection: Connection, deadline: float) -> None:
    # SQLite does not wait for others here, whatever its timeout: several processes may open a new file at once.
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            if not is_busy(error) or time.monotonic() >= deadline:
                raise
            time.sleep(0.01)
            continue
        if mode != "wal":
            raise ConfigurationError(f"the file system does not let SQLite write ahead (its journal mode is {mode})")
        return


def _prepare(connection: Connection, path: Path) -> None:
    # In one transaction, and so of one moment: another process may be making the tables between two questions.
    connection.execute("BEGIN")
    try:
        ready = _is_ready(connection, path)
    finally:
        connection.execute("ROLLBACK")
    if not ready:
        connection.execute("BEGIN IMMEDIATE")
        try:
            if not _is_ready(connection, path):  # nobody was faster
                for statement in sql("schema").split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {_APPLICATION}")
                connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    _drop_leases_of_another_boot(connection)


def _is_ready(connection: Connection, path: Path) -> bool:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if application == _APPLICATION:
        if version > VERSION:
            raise ConfigurationError(
                f"{path} was made by a newer aioqueue (tables of version {version}, this one knows {VERSION}): upgrade"
            )
        return bool(version == VERSION)
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if version or tables:
        raise ConfigurationError(f"{path} is the file of another program: name another one")
    return False


def _drop_leases_of_another_boot(connection: Connection) -> None:
    # Leases are on the monotonic clock, which starts anew with the machine: what was held before has run out.
    try:
        boot = _BOOT_ID.read_text("ascii").strip()
    except OSError:
        return
    stored = connection.execute("SELECT value FROM meta WHERE key = 'boot'").fetchone()
    if stored == (boot,):
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        stored = connection.execute("SELECT value FROM meta WHERE key = 'boot'").fetchone()
        if stored != (boot,):
            connection.execute("UPDATE message SET lease_until = -1 WHERE state = 2")
            connection.execute("DELETE FROM holder")
            connection.execute("INSERT OR REPLACE INTO meta VALUES ('boot', ?)", (boot,))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
