"""Measure one group of figures once, in this process, and print them as JSON: `python -m benchmarks.measure GROUP …`.

A process of its own for each, so that none inherits the memory, the caches or the garbage of another.
"""

from __future__ import annotations

import argparse
import inspect
import json
from importlib import import_module
from pathlib import Path

from . import loops
from .figures import GROUPS
from .subject import Conditions


def measure(name: str, at: Conditions) -> dict[str, float]:
    """The figures of the group with this name."""
    group = next(group for group in GROUPS if group.name == name)
    function = getattr(import_module(f"benchmarks.{group.module}"), group.function)
    found = function(at)
    figures: dict[str, float] = loops.run(found) if inspect.isawaitable(found) else found  # type: ignore[arg-type]
    return figures


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("group")
    parser.add_argument("--url", default="")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    print(json.dumps(measure(given.group, Conditions(given.url, given.folder, given.quick))))
