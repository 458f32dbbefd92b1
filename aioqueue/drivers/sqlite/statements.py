"""SQL from the files beside this one, and statements for many rows. Knows no table."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from itertools import chain
from typing import Any

import msgspec

_ROW = re.compile(r"VALUES\s*(\([?, ]+\))")
_MOST_ROWS = 512  # ten parameters a row: far below SQLite's limit of 32,766

_decode_numbers = msgspec.json.Decoder(list[int]).decode


@cache
def sql(name: str) -> str:
    """The statement in `name`.sql, without its comments."""
    text = files(__package__).joinpath(f"{name}.sql").read_text("utf-8")
    return "\n".join(bare for line in text.splitlines() if (bare := line.partition("--")[0].rstrip()))


@cache
def _repeated(name: str, times: int) -> str:
    statement = sql(name)
    row = _ROW.search(statement)
    assert row is not None, f"{name}.sql has no row of parameters"
    return f"{statement[: row.start(1)]}{', '.join([row[1]] * times)}{statement[row.end(1) :]}"


def insert(connection: sqlite3.Connection, name: str, rows: Sequence[tuple[Any, ...]]) -> int:
    """Run the INSERT in `name`.sql for all rows, in their order. How many rows it wrote.

    Many rows a statement instead of executemany, which gives up the interpreter's lock at each row: against a busy
    event loop it gets one row in per 5 ms. The numbers of rows are powers of two, so that few statements are ever
    prepared.
    """
    at = written = 0
    size = _MOST_ROWS
    while left := len(rows) - at:
        while size > left:
            size //= 2
        values = list(chain.from_iterable(rows[at : at + size]))
        written += connection.execute(_repeated(name, size), values).rowcount
        at += size
    return written


def as_json(values: Iterable[int] | Iterable[str]) -> str:
    """A list as a parameter for json_each."""
    return msgspec.json.encode(list(values)).decode()


def numbers(text: str) -> list[int]:
    """The list of whole numbers that a statement returned as JSON."""
    return _decode_numbers(text)


def cut(joined: bytes | None, lengths: Iterable[int]) -> list[bytes]:
    """The parts of what a statement returned joined."""
    parts, at = [], 0
    for length in lengths:
        parts.append((joined or b"")[at : at + length])
        at += length
    return parts
