"""The report: a table for people, JSON for machines, both with the facts of the machine they come from."""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from . import loops
from .figures import Figure

Runs = Mapping[tuple[str, str], list[float | None]]  # (driver, figure) → one value a round


@dataclass(frozen=True)
class Row:
    """One figure of one driver: the values of all rounds. `share` is of the hand-written limit, round by round."""

    driver: str
    figure: Figure
    runs: list[float]
    share: float | None

    @property
    def value(self) -> float:
        return median(self.runs)

    @property
    def aim(self) -> float | None:
        return self.figure.aims.get(self.driver, self.figure.aims.get(""))

    @property
    def reached(self) -> bool | None:
        """Whether the aim is reached; None without one."""
        if self.aim is None:
            return None
        return self.value >= self.aim if self.figure.more_is_better else self.value < self.aim


def rows(figures: list[Figure], drivers: list[str], runs: Runs) -> list[Row]:
    """What was measured, a row each."""
    found: list[Row] = []
    for figure in figures:
        for driver in ("", *drivers):
            values = runs.get((driver, figure.name), [])
            known = [value for value in values if value is not None]
            if known:
                found.append(Row(driver, figure, known, _share(figure, driver, values, runs)))
    return found


def _share(figure: Figure, driver: str, values: list[float | None], runs: Runs) -> float | None:
    # Each round is compared with the limit of its own round: on a shared machine rounds differ by far more than ratios.
    limits = runs.get((driver, figure.limits.get(driver, "")), [])
    shares = [value / limit for value, limit in zip(values, limits, strict=False) if value and limit]
    return median(shares) if shares else None


def facts(folder: Path) -> dict[str, Any]:
    """The machine and what runs on it."""
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "sqlite": sqlite3.sqlite_version,
        "loop": loops.NAME,
        "folder": str(folder),
        "file_system": file_system(folder),
    }


def file_system(folder: Path) -> str:
    """The kind of the file system a folder is on, "unknown" where the machine does not say."""
    try:
        mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return "unknown"
    above = [(len(point), kind) for point, kind in mounts if folder.resolve().is_relative_to(point)]
    return max(above, default=(0, "unknown"))[1]


def _commit() -> str:
    here = Path(__file__).parent
    found = subprocess.run(["git", "-C", here, "describe", "--always", "--dirty"], capture_output=True, text=True)
    return found.stdout.strip() or "unknown"


def as_json(found: list[Row], machine: Mapping[str, Any], *, quick: bool, rounds: int) -> dict[str, Any]:
    """Everything, for machines."""
    return {
        "machine": dict(machine),
        "quick": quick,
        "rounds": rounds,
        "figures": [
            {
                "name": row.figure.name,
                "driver": row.driver or None,
                "unit": row.figure.unit,
                "median": row.value,
                "runs": row.runs,
                "of_limit": row.share,
                "aim": row.aim,
                "reached": row.reached,
            }
            for row in found
        ],
    }


def as_table(found: list[Row], machine: Mapping[str, Any], *, quick: bool, rounds: int) -> str:
    """The table for people."""
    cells = [("", "", "median", "least", "most", "", "of limit", "aim", "")]
    cells += [
        (
            row.figure.title,
            row.driver,
            number(row.value),
            number(min(row.runs)),
            number(max(row.runs)),
            row.figure.unit,
            "" if row.share is None else f"{row.share:.0%}",
            "" if row.aim is None else number(row.aim),
            {None: "", True: "reached", False: "MISSED"}[row.reached],
        )
        for row in found
    ]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    lines = ["  ".join(_aligned(row, widths)).rstrip() for row in cells]
    return "\n".join([*_heading(machine, quick, rounds), "", *lines])


def _aligned(row: tuple[str, ...], widths: list[int]) -> list[str]:
    to_the_left = {0, 1, 5, 8}
    return [
        cell.ljust(width) if column in to_the_left else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    ]


def _heading(machine: Mapping[str, Any], quick: bool, rounds: int) -> list[str]:
    m = machine
    rough = "; QUICK: too short to quote" if quick else ""
    return [
        f"aioqueue {m['commit']}, {m['when']}; {rounds} round{'s' if rounds > 1 else ''}{rough}",
        f"{m['cores']} cores, load {m['load']} at the start, {m['system']}; {m['python']}, {m['loop']}, "
        f"SQLite {m['sqlite']}",
        f"files in {m['folder']} ({m['file_system']})",
        "defaults as shipped; tasks with three typed arguments and a result; effects counted outside of aioqueue",
        "memory: client and worker in one process; else round trips go between two processes",
    ]


def number(value: float) -> str:
    """The number with three digits that matter, and thousands set apart."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"
