"""The figures of the demo, and what each must be. All come from the target's tables, the CSV file and the kill log;
none from aioqueue's own records."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import faults
from .characters import ROWS
from .source import CHUNK_ROWS, Columns, read, split
from .target import Target
from .workers import Kill

CHUNKS = -(-ROWS // CHUNK_ROWS)


@dataclass(frozen=True)
class Figure:
    """One figure, and whether it is as it must be."""

    name: str
    value: int | str
    expected: str
    holds: bool


def exactly(name: str, value: int, expected: int) -> Figure:
    """A figure that must be this one."""
    return Figure(name, value, f"{expected:,}", value == expected)


# What executions of chunks may be asked for.
COMMITTED = "committed NOT NULL"
BROKEN_OFF = "ended IS NULL"  # by a kill; also, for a moment, those that run
_BEGUN_AGAIN = "EXISTS (SELECT 1 FROM executions later WHERE later.job = e.job AND later.id > e.id {})"
RETRIED = "error NOT NULL AND " + _BEGUN_AGAIN.format("AND later.committed NOT NULL AND later.error IS NULL")
RETRIED_WITHOUT_NEED = f"attempt > 1 AND chunk NOT IN ({', '.join(map(str, sorted(faults.LOCKED)))})"
REDELIVERED = f"{BROKEN_OFF} AND " + _BEGUN_AGAIN.format("")
IN_AFTER_THE_STOP = "inserted > 0 AND committed > (SELECT stopped FROM imports i WHERE i.import = e.import)"
# A worker that has just taken a chunk may begin it, and hears within about a second that it was cancelled.
BEGUN_AFTER_THE_END = (
    "began > 1 + (SELECT max(p.ended) FROM executions p WHERE p.import = e.import AND p.chunk = 0 AND p.ended NOT NULL)"
)


class Ledger:
    """What the target's tables say of one import."""

    def __init__(self, target: Target, import_id: str) -> None:
        self._target = target
        self._import = import_id

    def rows(self, what: str = "*") -> int:
        """How many rows are in the table."""
        return self._number(f"SELECT count({what}) FROM characters WHERE import = ?")

    def lost(self, path: Path) -> int:
        """How many rows of the file are not in the table as they are in the file."""
        there = set(
            self._target.query("SELECT row, code_point, name, category FROM characters WHERE import = ?", self._import)
        )
        given = (
            (c.row, c.code_point, c.name, c.category) for chunk in split(path) for c in read(path, Columns(), chunk)
        )
        return sum(row not in there for row in given)

    def reason(self) -> str:
        """Why the import was stopped; empty if it was not."""
        found = self._target.query("SELECT reason FROM imports WHERE import = ?", self._import)
        return str(found[0][0]) if found else ""

    def of_chunks(self, what: str, condition: str = "TRUE", *values: int) -> int:
        """A number computed from the executions of chunks that fulfil the condition."""
        return self._number(f"SELECT {what} FROM executions e WHERE import = ? AND chunk > 0 AND {condition}", *values)

    def holders(self, least: int) -> list[tuple[int, bool]]:
        """The workers that hold so many chunks which are committed and have not ended, and whether they also run the
        import itself."""
        return [(int(worker), bool(parent)) for worker, parent in self._target.query(_HOLDERS, self._import, least)]

    def _number(self, sql: str, *values: int) -> int:
        return int(self._target.query(sql, self._import, *values)[0][0] or 0)


_HOLDERS = f"""
SELECT worker, worker IN (SELECT worker FROM executions p WHERE p.import = e.import AND p.chunk = 0)
FROM executions e WHERE import = ? AND chunk > 0 AND {COMMITTED} AND {BROKEN_OFF}
GROUP BY worker HAVING count(*) >= ?
"""


def of_the_import(ledger: Ledger, path: Path, kills: Sequence[Kill]) -> list[Figure]:
    """The figures of the import that must succeed, with one worker killed in the middle."""
    distinct = ledger.rows("DISTINCT row")
    twice = ledger.of_chunks("sum(inserted + refused)", COMMITTED) - distinct
    refused = ledger.of_chunks("sum(refused)")
    broken_off = ledger.of_chunks("count(*)", f"worker = ? AND {BROKEN_OFF}", kills[0].worker if kills else 0)
    redelivered = ledger.of_chunks("count(*)", REDELIVERED)
    return [
        exactly("rows in the file", sum(chunk.rows for chunk in split(path)), ROWS),
        exactly("rows imported", ledger.rows(), ROWS),
        exactly("of them different", distinct, ROWS),
        exactly("chunks", ledger.of_chunks("count(DISTINCT chunk)", COMMITTED), CHUNKS),
        exactly("retries", ledger.of_chunks("count(*)", RETRIED), len(faults.LOCKED)),
        exactly("retries of other chunks", ledger.of_chunks("count(*)", RETRIED_WITHOUT_NEED), 0),
        exactly("workers killed", sum(kill.exit_code == -signal.SIGKILL for kill in kills), 1),
        Figure(
            "redeliveries", redelivered, f"{broken_off:,}, as many as the kill broke off", redelivered == broken_off > 0
        ),
        Figure("duplicate rows refused", refused, f"{twice:,}, as many as came in twice", refused == twice > 0),
        exactly("lost", ledger.lost(path), 0),
    ]


def of_a_stopped_import(ledger: Ledger, ended: str, row: int, column: str, most_chunks: int) -> list[Figure]:
    """The figures of an import that must fail at this place of its file; `ended` is how its job did."""
    reason, most_rows = ledger.reason(), most_chunks * CHUNK_ROWS
    begun, rows = ledger.of_chunks("count(DISTINCT chunk)"), ledger.rows()
    there = ended == "permanent" and f", row {row:,}" in reason and f"column {column!r}" in reason
    return [
        Figure("failed at", f"row {row:,}" if there else f"{ended}: {reason}", f"row {row:,}", there),
        Figure("chunks begun", begun, f"{most_chunks} at most", begun <= most_chunks),
        Figure("rows imported", rows, f"{most_rows:,} at most", rows <= most_rows),
        exactly("in after the stop", ledger.of_chunks("count(*)", IN_AFTER_THE_STOP), 0),
        exactly("begun after the end", ledger.of_chunks("count(*)", BEGUN_AFTER_THE_END), 0),
    ]
