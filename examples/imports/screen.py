"""What the demo shows: bars that move where there is a terminal, lines where there is none, and tables at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Self

from rich import box
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from .figures import Figure

_STEP = 0.2  # without a terminal: the share of the rows after which there is another line


class Screen:
    """Shows how far each import is."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Progress(
            TextColumn("{task.description:<17}"),
            BarColumn(),
            TextColumn("{task.completed:>6,.0f} of {task.total:,.0f} rows  {task.fields[note]:<17}"),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._ids: dict[str, TaskID] = {}
        self._said: dict[str, tuple[float, str]] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._bars.stop()

    def say(self, line: str) -> None:
        """A line, above the bars."""
        self._console.print(line, highlight=False, soft_wrap=True)

    def show(self, file: str, done: float, total: float, note: str) -> None:
        """The import of this file is so far. A note in one word is its end."""
        if not self._console.is_terminal:
            return self._line(file, done, total, note)
        if file not in self._ids:
            self._ids[file] = self._bars.add_task(file, note=note)
        self._bars.update(self._ids[file], completed=done, total=total, note=note)
        if " " not in note:
            self._bars.stop_task(self._ids[file])

    def _line(self, file: str, done: float, total: float, note: str) -> None:
        said, last = self._said.get(file, (0.0, ""))
        if done >= said + _STEP * total or (" " not in note and note != last):
            self._said[file] = done, note
            self.say(f"{file}: {done:,.0f} of {total:,.0f} rows, {note}")


def table_of_one(file: str, figures: Sequence[Figure]) -> Table:
    """A line a figure."""
    table = _table()
    for heading in (file, "figure", "must be"):
        table.add_column(heading, justify="right" if heading == "figure" else "left")
    for figure in figures:
        table.add_row(figure.name, _value(figure), figure.expected)
    return table


def table_of_many(title: str, figures: Mapping[str, Sequence[Figure]]) -> Table:
    """A line a file, a column a figure."""
    table = _table()
    table.add_column(title, no_wrap=True, min_width=max(map(len, figures)))
    for column in zip(*figures.values(), strict=True):
        # Headings may wrap where the screen is narrow; figures may not.
        table.add_column(column[0].name, justify="right", min_width=max(len(_value(figure)) for figure in column))
    for file, those in figures.items():
        table.add_row(file, *map(_value, those))
    return table


def _table() -> Table:
    return Table(box=box.SIMPLE_HEAD, pad_edge=False)


def _value(figure: Figure) -> str:
    value = f"{figure.value:,}" if isinstance(figure.value, int) else figure.value
    return value if figure.holds else f"[red]{value} (!)[/]"
