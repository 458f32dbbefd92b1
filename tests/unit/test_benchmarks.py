"""The benchmarks run, and their JSON has the shape that programs read. No figure is asserted: machines differ."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def measured(folder: Path, *arguments: str) -> tuple[str, dict[str, Any]]:
    """The table and the JSON of a quick run."""
    file = folder / "figures.json"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", f"--json={file}", f"--folder={folder}", *arguments],
        cwd=ROOT, check=True, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return done.stdout, json.loads(file.read_text())


def test_a_quick_run_tells_people_and_machines_the_same_figures(tmp_path: Path) -> None:
    table, found = measured(tmp_path, "--only=enqueue.100", "--driver=memory")

    assert found["quick"] is True
    assert found["rounds"] == 1
    assert {"commit", "cores", "python", "sqlite", "loop", "folder", "file_system"} <= found["machine"].keys()
    figures = {figure["name"]: figure for figure in found["figures"]}
    (value,) = figures["enqueue.100"]["runs"]
    assert figures["enqueue.100"] == {
        "name": "enqueue.100",
        "driver": "memory",
        "unit": "jobs/s",
        "median": value,
        "runs": [value],
        "of_limit": value / figures["limit.memory.enqueue"]["median"],
        "aim": None,
        "reached": None,
    }
    assert value > 0
    assert "enqueue, from 100 coroutines" in table
    assert "QUICK" in table


def test_a_worker_measured_drains_all_that_was_enqueued(tmp_path: Path) -> None:
    _, found = measured(tmp_path, "--only=drain.short", "--driver=memory", "--repeat=2")

    figures = {figure["name"]: figure for figure in found["figures"]}
    assert len(figures["drain.short"]["runs"]) == 2
    assert figures["drain.cpu"]["median"] > 0
    assert figures["drain.memory"]["median"] > 0
