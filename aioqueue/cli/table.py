"""Tables for people: fitted to the terminal, plain in a pipe, without colour where NO_COLOR asks for none."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

_NO_LIMIT = 10_000  # columns of a pipe: whoever reads it wants whole lines


def show(rows: Iterable[Sequence[str]], heads: Sequence[str] = ()) -> None:
    """Print the rows in aligned columns; without heads the first column is one."""
    # Here and not above: it takes longer to import than most commands take to run.
    from rich import box
    from rich.console import Console
    from rich.table import Column, Table

    terminal = sys.stdout.isatty()
    console = Console(width=None if terminal else _NO_LIMIT, markup=False, emoji=False, highlight=False)
    shape = box.SIMPLE_HEAD if terminal and heads else None
    columns = [Column(head, overflow="fold") for head in heads]
    table = Table(
        *columns, box=shape, show_header=bool(heads), pad_edge=False, padding=(0, 2, 0, 0), header_style="bold"
    )
    if not heads:
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
    for row in rows:
        table.add_row(*map(clean, row))
    if terminal:
        console.print(table)
        return
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        print(line.rstrip())


def clean(text: str) -> str:
    """The text without what could steer a terminal: jobs carry what others have sent."""
    return "".join(each if each.isprintable() or each in "\n\t" else ascii(each)[1:-1] for each in text)
