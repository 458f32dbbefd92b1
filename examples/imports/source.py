"""The file to import: its chunks, and its rows, checked. Knows files; knows neither jobs nor the table."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import StringIO
from itertools import islice
from pathlib import Path

CHUNK_ROWS = 500


class BadFile(ValueError):
    """The file is not what the column mapping says. Another attempt would find the same."""


@dataclass(frozen=True)
class Chunk:
    """A part of the file: `rows` rows from row `first` on, which begin at byte `offset`. A job carries this, not the
    rows themselves."""

    number: int
    first: int
    rows: int
    offset: int
    length: int


@dataclass(frozen=True)
class Columns:
    """The column mapping: what the file's header calls each column of the table."""

    code_point: str = "Code point"
    name: str = "Name"
    category: str = "Category"


@dataclass(frozen=True)
class Character:
    """One row of the table. `row` is its number in the file, where the header is row 1."""

    row: int
    code_point: int
    name: str
    category: str


def split(path: Path) -> list[Chunk]:
    """The chunks of the file. Each row is a line."""
    chunks: list[Chunk] = []
    with path.open("rb") as file:
        offset, first = len(file.readline()), 2
        while lines := list(islice(file, CHUNK_ROWS)):
            length = sum(map(len, lines))
            chunks.append(Chunk(len(chunks) + 1, first, len(lines), offset, length))
            offset, first = offset + length, first + len(lines)
    return chunks


def check(path: Path, columns: Columns) -> None:
    """Raises BadFile unless the header has the columns of the mapping, and the first row fits them."""
    with path.open("rb") as file:
        offset, length = len(file.readline()), len(file.readline())
    for _ in read(path, columns, Chunk(0, 2, 1, offset, length)):
        pass


def read(path: Path, columns: Columns, chunk: Chunk) -> Iterator[Character]:
    """The rows of the chunk. Raises BadFile naming the file, the row and the column that is wrong."""
    with path.open("rb") as file:
        header = next(csv.reader([file.readline().decode()]))
        file.seek(chunk.offset)
        text = file.read(chunk.length).decode()
    for name in (columns.code_point, columns.name, columns.category):
        if name not in header:
            raise BadFile(f"{path.name}, row 1: there is no column {name!r}, only {', '.join(map(repr, header))}")
    for number, values in enumerate(csv.reader(StringIO(text, newline="")), chunk.first):
        yield _character(path, columns, number, dict(zip(header, values, strict=False)))


def _character(path: Path, columns: Columns, number: int, row: Mapping[str, str]) -> Character:
    def refuse(column: str, expected: str) -> BadFile:
        return BadFile(f"{path.name}, row {number:,}, column {column!r}: {row.get(column)!r} is no {expected}")

    try:
        code_point = int(row.get(columns.code_point, ""), 16)
    except ValueError:
        raise refuse(columns.code_point, "hexadecimal number") from None
    name, category = row.get(columns.name, ""), row.get(columns.category, "")
    if not name.isupper():
        raise refuse(columns.name, "name of a character")
    if len(category) != 2:
        raise refuse(columns.category, "category of Unicode")
    return Character(number, code_point, name, category)
