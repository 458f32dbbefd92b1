"""Measure, and report: `python -m benchmarks --help`."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from . import report
from .figures import GROUPS, NO_DRIVER, Group, chosen
from .subject import say

_ROOT = Path(__file__).parents[1]
_IN_MEMORY = {"tmpfs", "ramfs"}
_LONGEST = 120  # seconds that one measurement may take


def main() -> int:
    """Measure what the command line asks for. The exit code is 1 if a measurement failed, never because of a figure."""
    given = _arguments()
    groups = chosen(given.only)
    if not groups:
        print(f"nothing is called {' or '.join(given.only)}: {', '.join(group.name for group in GROUPS)}")
        return 2
    urls = given.driver or ["memory", "sqlite"]
    drivers = [url.partition(":")[0] for url in urls]
    rounds = given.repeat or (1 if given.quick else 3)
    plan = [(group, driver, url) for group in groups for driver, url in _of(group, drivers, urls)]
    with tempfile.TemporaryDirectory(prefix="aioqueue-bench-", dir=_disk(given.folder)) as folder:
        machine = report.facts(Path(folder).parent)
        runs: dict[tuple[str, str], list[float | None]] = {}
        failed = 0
        begun = time.monotonic()
        # Round by round, not figure by figure: a slow minute of the machine then touches all figures alike.
        for index in range(rounds * len(plan)):
            group, driver, url = plan[index % len(plan)]
            say(f"\r\033[K[{index + 1}/{rounds * len(plan)}, {time.monotonic() - begun:.0f} s] {group.name} {driver}")
            values = _measured(group, url, Path(folder), given.quick)
            failed += values is None
            for figure in group.figures:
                runs.setdefault((driver, figure.name), []).append((values or {}).get(figure.name))
        say("\r\033[K")
    figures = [figure for group in groups for figure in group.figures]
    found = report.rows(figures, list(dict.fromkeys(drivers)), runs)
    print(report.as_table(found, machine, quick=given.quick, rounds=rounds))
    if given.json:
        given.json.write_text(json.dumps(report.as_json(found, machine, quick=given.quick, rounds=rounds), indent=2))
    if failed:
        print(f"{failed} of {rounds * len(plan)} measurements failed; their errors stand above", file=sys.stderr)
    return 1 if failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure how fast aioqueue is.")
    parser.add_argument("--only", action="append", metavar="NAME", help="figures whose name begins like this")
    parser.add_argument("--driver", action="append", metavar="URL", help="memory, sqlite (the default: both), or a URL")
    parser.add_argument("--repeat", type=int, metavar="N", help="rounds; the median counts (3, or 1 if quick)")
    parser.add_argument("--quick", action="store_true", help="short measurements: to see that they work")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there as well")
    parser.add_argument("--folder", type=Path, help="where databases are made (a disk, not memory)")
    return parser.parse_args()


def _of(group: Group, drivers: list[str], urls: list[str]) -> list[tuple[str, str]]:
    """Which drivers, with their URLs, a group is measured with."""
    if group.drivers == NO_DRIVER:
        return [("", "")]
    return [
        (driver, url)
        for driver, url in zip(drivers, urls, strict=True)
        if group.drivers is None or driver in group.drivers
    ]


def _measured(group: Group, url: str, folder: Path, quick: bool) -> dict[str, float] | None:
    """The group's figures from a process of its own; None if it failed, which is said on stderr."""
    with tempfile.TemporaryDirectory(dir=folder) as own:
        # A file of its own each time: nothing is left over from the measurement before.
        address = {"memory": "memory://", "sqlite": f"sqlite:///{own}/queue.db"}.get(url, url)
        command = [sys.executable, "-m", "benchmarks.measure", group.name, f"--url={address}", f"--folder={own}"]
        # Defaults as shipped: not what this shell happens to set.
        environment = {key: value for key, value in os.environ.items() if not key.startswith("AIOQUEUE_")}
        try:
            done = subprocess.run(
                command + ["--quick"] * quick,
                cwd=_ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=_LONGEST,
            )  # fmt: skip
        except subprocess.SubprocessError as error:
            say(f"\n{group.name} failed: {error}\n")
            return None
        figures: dict[str, float] = json.loads(done.stdout)
        return figures


def _disk(wanted: Path | None) -> Path:
    """A folder on a real disk: `synchronous=FULL` costs nothing in memory, and would be no figure."""
    for folder in [wanted] if wanted else [Path(tempfile.gettempdir()), Path("/var/tmp"), _ROOT / "build"]:
        folder.mkdir(parents=True, exist_ok=True)
        if wanted or report.file_system(folder) not in _IN_MEMORY:
            return folder
    return Path(tempfile.gettempdir())  # the table says what it is


if __name__ == "__main__":
    sys.exit(main())
