"""The demo from start to end: a folder of its own, two workers, the story, the tables, and an exit code."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from aioqueue import AioQueue, AioqueueError

from . import faults
from .characters import ROWS
from .figures import CHUNKS, Figure
from .screen import Screen, table_of_many, table_of_one
from .story import DemoFailed, Story, prepare
from .workers import workers

Figures = Mapping[str, Sequence[Figure]]

# The table takes one writer at a time: more chunks at once would only wait for each other.
_CONCURRENCY = 8


def main(*, dedup: bool = True, kill_import: bool = False, as_json: bool = False) -> int:
    """Run the demo; its exit code."""
    began = time.monotonic()
    console = Console(stderr=as_json)
    with tempfile.TemporaryDirectory(prefix="aioqueue-demo-") as folder:
        home = Path(folder)
        try:
            prepare(home, dedup=dedup)
            with Screen(console) as screen:
                figures = asyncio.run(_run(home, screen, kill_import))
        except (KeyboardInterrupt, asyncio.CancelledError):
            console.print("interrupted")
            return 130
        except BaseException as error:
            _keep_log(console, home)
            if not isinstance(error, DemoFailed | AioqueueError):
                raise
            console.print(f"the demo failed: {error}", style="red", highlight=False, soft_wrap=True)
            return 1
        seconds = round(time.monotonic() - began, 1)
        off = _off(figures)
        if off:
            _keep_log(console, home)
    _report(console, figures, seconds)
    if as_json:
        print(json.dumps(_as_json(figures, seconds)))
    if off:
        console.print(off, style="red", highlight=False, soft_wrap=True)
    return 1 if off else 0


async def _run(home: Path, screen: Screen, kill_import: bool) -> Figures:
    if task := asyncio.current_task():
        for each in (signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(each, task.cancel)
    url = os.environ.get("AIOQUEUE_URL") or f"sqlite:///{home / 'queue.db'}"
    environ = {
        "AIOQUEUE_URL": url,
        "AIOQUEUE_CONCURRENCY": str(_CONCURRENCY),
        "IMPORTS_HOME": str(home),
    }
    queue = AioQueue(url)
    screen.say(f"{ROWS:,} rows in {CHUNKS} chunks, 2 workers, {queue!r}")
    with workers(home, environ, 2) as crew:
        try:
            async with queue:
                if not queue.connection.broker.capabilities.shared:
                    raise DemoFailed(f"{queue!r} is of one process only; give a URL that two workers can share")
                return await Story(home, screen, crew, queue, kill_import=kill_import).play()
        finally:
            (home / faults.HOLD_FILE).unlink(missing_ok=True)


def _report(console: Console, figures: Figures, seconds: float) -> None:
    (file, main), *stopped = figures.items()
    console.print(table_of_one(file, [*main, Figure("seconds", f"{seconds}", "", True)]))
    console.print(table_of_many("stopped", dict(stopped)))


def _off(figures: Figures) -> str:
    """The figures that are not as they must be, in a line; empty if there are none."""
    return "; ".join(
        f"off: {file}: {figure.name} is {figure.value}, must be {figure.expected}"
        for file, those in figures.items()
        for figure in those
        if not figure.holds
    )


def _as_json(figures: Figures, seconds: float) -> dict[str, object]:
    values = {file: {figure.name: figure.value for figure in those} for file, those in figures.items()}
    return {"seconds": seconds, "off": _off(figures), "figures": values}


def _keep_log(console: Console, home: Path) -> None:
    """Put the workers' log where it stays when the folder goes, and say where."""
    log = home / "workers.log"
    if log.exists():
        handle, kept = tempfile.mkstemp(prefix="aioqueue-demo-", suffix=".log")
        os.close(handle)
        shutil.copyfile(log, kept)
        console.print(f"what the workers wrote is in {kept}", highlight=False, soft_wrap=True)
