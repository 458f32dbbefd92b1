"""The ledger: what the tasks really did, counted outside of aioqueue, in a file that several processes can map."""

from __future__ import annotations

import mmap
import time
from pathlib import Path

_RUNS, _TIME = 1, 8  # bytes for each job


class Ledger:
    """How often each of `size` jobs ran, and when it last began (on the machine's monotonic clock)."""

    def __init__(self, path: Path, size: int) -> None:
        length = size * (_RUNS + _TIME)
        with path.open("a+b") as file:
            file.truncate(length)
            self._map = mmap.mmap(file.fileno(), length)
        self.path = path
        self.size = size
        self.times = memoryview(self._map)[: size * _TIME].cast("d")
        self.runs = memoryview(self._map)[size * _TIME :]

    def note(self, number: int) -> None:
        """This job has begun."""
        self.times[number] = time.monotonic()
        self.runs[number] += 1

    def missing(self) -> int:
        """How many jobs have not run."""
        return bytes(self.runs).count(0)

    def check(self) -> None:
        """Raises AssertionError unless each job ran once."""
        runs = bytes(self.runs)
        if runs.count(1) != self.size:
            raise AssertionError(
                f"of {self.size} jobs {runs.count(0)} never ran and {self.size - runs.count(1) - runs.count(0)} more "
                "than once: the figure would be worth nothing"
            )
