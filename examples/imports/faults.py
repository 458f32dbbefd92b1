"""What the demo breaks on purpose, so that there is something to see. Nothing here belongs into a real import."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

SLOW = 0.2  # seconds a chunk takes at least, as with a table that is slower than this one
LOCKED = frozenset({7, 23, 71})  # the chunks whose first attempt meets a database error
HOLD_FROM = 40  # the first chunk to be held: at 40 % of the rows
HOLD_FILE = "hold"


def slow() -> None:
    """Take as long as a slow table would."""
    time.sleep(SLOW)


def locked_halfway(rows: Iterable[T], total: int, *, chunk: int, attempt: int) -> Iterator[T]:
    """The rows; but at the first attempt of some chunks, a transient database error after half of them."""
    for number, row in enumerate(rows):
        if chunk in LOCKED and attempt == 1 and number == total // 2:
            raise sqlite3.OperationalError("database is locked (planted)")
        yield row


def hold(home: Path, chunk: int) -> None:
    """Stop here, the rows committed and the job not acknowledged, until the demo has killed this process or another."""
    while chunk >= HOLD_FROM and (home / HOLD_FILE).exists():
        time.sleep(0.02)
