"""The table of records: what a transaction does to it. Knows nothing of threads or of loops."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from ...core.codec import decode_record, encode_record
from ...core.record import Record
from ...core.state import State
from ..base import RecordQuery
from .statements import as_json, cut, insert, numbers, sql

# What stands in the column `state`.
CODES = {
    State.WAITING: 0, State.SCHEDULED: 1, State.QUEUED: 2, State.RUNNING: 3, State.RETRYING: 4,
    State.SUCCEEDED: 10, State.FAILED: 11, State.CANCELLED: 12, State.EXPIRED: 13,
}  # fmt: skip
FIRST_FINAL = 10
_STATES = {code: state for state, code in CODES.items()}

# By text: hashing a member of an enum runs Python, hashing its text does not.
_CODE_OF = {str(state.value): code for state, code in CODES.items()}
_AT_ONCE = 500  # records joined in one value

_decode_ids = msgspec.json.Decoder(list[str]).decode


def rows_of(records: Iterable[Record]) -> list[tuple[object, ...]]:
    """The rows for save_record.sql and insert_record.sql."""
    code = _CODE_OF
    return [
        (r.id, r.turn, r.phase._value_, r.delivery, code[r.state._value_], r.task, r.queue, r.parent, r.forget,
         encode_record(r))
        for r in records
    ]  # fmt: skip


def relabel(connection: sqlite3.Connection, standing: Sequence[Record]) -> None:
    """Make these findable by the labels they have now, and by no others."""
    ids = as_json([record.id for record in standing])
    connection.execute("DELETE FROM label WHERE id IN (SELECT value FROM json_each(?))", (ids,))
    label(connection, standing)


def label(connection: sqlite3.Connection, records: Iterable[Record]) -> None:
    """Make these, of which there was no record yet, findable by their labels."""
    rows = [(key, _plain(value), r.id) for r in records if r.labels for key, value in r.labels.items()]
    if rows:
        insert(connection, "insert_label", rows)


def fetch(connection: sqlite3.Connection, ids: Sequence[str], lowest: int = 0) -> dict[str, Record]:
    """The records of these jobs, by id; those whose state's code is at least `lowest`."""
    found = {}
    for at in range(0, len(ids), _AT_ONCE):
        part = as_json(ids[at : at + _AT_ONCE])
        lengths, joined = connection.execute(sql("get_records"), (lowest, part)).fetchone()
        for raw in cut(joined, numbers(lengths)):
            record = decode_record(raw)
            found[record.id] = record
    return found


def drop(connection: sqlite3.Connection, ids: Sequence[str]) -> int:
    """Delete these, with their labels. How many there were."""
    listed = (as_json(ids),)
    connection.execute("DELETE FROM label WHERE id IN (SELECT value FROM json_each(?))", listed)
    return connection.execute("DELETE FROM record WHERE id IN (SELECT value FROM json_each(?))", listed).rowcount


def select(connection: sqlite3.Connection, query: RecordQuery, limit: int, after: str) -> list[Record]:
    """A page of the records that fit, in the order of their ids."""
    terms, values = _terms(query)
    statement = f"SELECT data FROM record WHERE {' AND '.join(['id > ?', *terms])} ORDER BY id LIMIT ?"
    return [decode_record(data) for (data,) in connection.execute(statement, (after, *values, limit))]


def count(connection: sqlite3.Connection, query: RecordQuery) -> dict[State, int]:
    """How many fit, by state."""
    terms, values = _terms(query)
    statement = f"SELECT state, count(*) FROM record WHERE {' AND '.join(['1', *terms])} GROUP BY state"
    return {_STATES[code]: number for code, number in connection.execute(statement, values)}


def _terms(query: RecordQuery) -> tuple[list[str], list[Any]]:
    terms: list[str] = []
    values: list[Any] = []
    if query.states is not None:
        codes = sorted(CODES[state] for state in query.states)
        # Written out, not as parameters: only so can the index of what failed be used.
        terms.append(f"state = {codes[0]}" if len(codes) == 1 else f"state IN ({', '.join(map(str, codes))})")
    for column, wanted in (("task", query.task), ("queue", query.queue), ("parent", query.parent)):
        if wanted is not None:
            terms.append(f"{column} = ?")
            values.append(wanted)
    for key, value in (query.labels or {}).items():
        terms.append("id IN (SELECT id FROM label WHERE key = ? AND value = ?)")
        values += (key, _plain(value))
    return terms, values


def _plain(value: Any) -> Any:
    # SQLite's whole numbers end at 64 bits; a larger label is kept as text.
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        return str(value)
    return value


def ids_in(text: str) -> list[str]:
    """The ids that a statement returned as JSON."""
    return _decode_ids(text)
