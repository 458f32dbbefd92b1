"""The target: the database that the rows land in. It belongs to the importing program, and knows nothing of jobs.

Three tables. `characters` holds the rows; its key is what makes a chunk that runs twice harmless. `imports` says which
import was stopped, and `executions` is a ledger: who began what, committed it, and ended. The figures at the end of the
demo are computed from these.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from .source import Character

_TABLES = """
CREATE TABLE characters (
    import TEXT NOT NULL, row INTEGER NOT NULL, code_point INTEGER NOT NULL, name TEXT NOT NULL, category TEXT NOT NULL
    {key});
CREATE INDEX rows_of_an_import ON characters (import, row);
CREATE TABLE imports (import TEXT PRIMARY KEY, stopped REAL NOT NULL, reason TEXT NOT NULL);
CREATE TABLE executions (
    id INTEGER PRIMARY KEY, import TEXT NOT NULL, chunk INTEGER NOT NULL, -- chunk 0 is the import itself
    job TEXT NOT NULL, attempt INTEGER NOT NULL, worker INTEGER NOT NULL, began REAL NOT NULL,
    committed REAL, inserted INTEGER NOT NULL DEFAULT 0, refused INTEGER NOT NULL DEFAULT 0, ended REAL, error TEXT);
"""
_KEY = ", UNIQUE (import, row)"  # the dedup: a row that is there already is not inserted again
_INSERT = "INSERT INTO characters VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"


class Stopped(Exception):
    """The import was stopped: no more rows may come in."""


class Target:
    """The database, by its path. Safe from any thread and process: each call has a connection of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    def create(self, *, dedup: bool = True) -> None:
        """Make the tables. Without `dedup`, rows have no key: the fault that the demo must notice."""
        with closing(sqlite3.connect(self.path)) as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.executescript(_TABLES.format(key=_KEY if dedup else ""))

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing. IMMEDIATE: it waits for its turn to write at the start, where waiting is harmless."""
        with closing(self._connect()) as db:
            db.execute("BEGIN IMMEDIATE")
            with db:  # commits, or rolls back what an error left half done
                yield db

    def begin(self, import_id: str, chunk: int, job: str, attempt: int) -> int:
        """Note in the ledger that this begins; its number there. If its process is killed, its end stays empty."""
        values = (import_id, chunk, job, attempt, os.getpid(), time.time())
        with self.transaction() as db:
            ledger = "INSERT INTO executions (import, chunk, job, attempt, worker, began) VALUES (?, ?, ?, ?, ?, ?)"
            return db.execute(ledger, values).lastrowid or 0

    def end(self, execution: int, error: BaseException | None = None) -> None:
        """Note in the ledger that this has ended, and how."""
        text = None if error is None else f"{type(error).__name__}: {error}"
        with self.transaction() as db:
            db.execute("UPDATE executions SET ended = ?, error = ? WHERE id = ?", (time.time(), text, execution))

    @contextmanager
    def execution(self, import_id: str, chunk: int, job: str, attempt: int) -> Iterator[int]:
        """Both: begins now, and ends when the block does."""
        number = self.begin(import_id, chunk, job, attempt)
        try:
            yield number
        except BaseException as error:
            self.end(number, error)
            raise
        self.end(number)

    def insert(self, execution: int, import_id: str, rows: Iterable[Character]) -> int:
        """Insert the rows, each only once whoever has tried before, and say so in the ledger, in one transaction. How
        many were new. Raises Stopped if the import was stopped."""
        new = given = 0
        with self.transaction() as db:
            if (reason := _stopped(db, import_id)) is not None:
                raise Stopped(reason)
            for row in rows:
                values = (import_id, row.row, row.code_point, row.name, row.category)
                new += db.execute(_INSERT, values).rowcount
                given += 1
            ledger = "UPDATE executions SET committed = ?, inserted = ?, refused = ? WHERE id = ?"
            db.execute(ledger, (time.time(), new, given - new, execution))
        return new

    def stop(self, import_id: str, reason: str) -> str:
        """From now on no row of this import comes in. The reason that stands: the first one given."""
        with self.transaction() as db:
            db.execute("INSERT INTO imports VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (import_id, time.time(), reason))
            return _stopped(db, import_id) or reason

    def rows(self, import_id: str) -> int:
        """How many rows of this import are in the table."""
        count: int = self.query("SELECT count(*) FROM characters WHERE import = ?", import_id)[0][0]
        return count

    def query(self, sql: str, *values: str | int) -> list[tuple[Any, ...]]:
        """Read."""
        with closing(self._connect()) as db:
            return db.execute(sql, values).fetchall()

    def _connect(self) -> sqlite3.Connection:
        # mode=rw: a database that is gone is an error, not a new and empty one.
        return sqlite3.connect(f"{self.path.as_uri()}?mode=rw", uri=True, timeout=10, isolation_level=None)


def _stopped(db: sqlite3.Connection, import_id: str) -> str | None:
    row: tuple[str] | None = db.execute("SELECT reason FROM imports WHERE import = ?", (import_id,)).fetchone()
    return None if row is None else row[0]
