"""Makes the CSV file: 50,000 named characters of Unicode, a row each. Any machine has them, and has the same ones."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice
from pathlib import Path
from unicodedata import ucd_3_2_0 as unicode  # one version of Unicode, the same in every version of Python

ROWS = 50_000
HEADER = ("Code point", "Character", "Name", "Category")


@cache
def characters() -> Sequence[tuple[str, str, str, str]]:
    """The first named characters in the order of their code points, as rows of the file."""
    return list(islice(_named(), ROWS))


def _named() -> Iterator[tuple[str, str, str, str]]:
    for code_point in range(0x110000):
        character = chr(code_point)
        if name := unicode.name(character, ""):
            yield f"{code_point:04X}", character, name, unicode.category(character)


def write_csv(path: Path, *, header: Sequence[str] = HEADER, bad_row: int | None = None) -> None:
    """Write the file. Rows are counted as a spreadsheet does: row 1 is the header. In `bad_row`, the code point is no
    number."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        for number, row in enumerate(characters(), 2):
            writer.writerow(("U+?", *row[1:]) if number == bad_row else row)
