"""The worker processes of the demo: started, one killed, and all of them ended whatever happens."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMMAND = (str(Path(sys.executable).with_name("aioqueue")), "run", "examples.imports.tasks:queue")
_PATIENCE = 5.0  # seconds a worker has to end before it is killed


@dataclass(frozen=True)
class Kill:
    """A line of the kill log."""

    worker: int
    at: float
    exit_code: int


class Workers:
    """Processes by their pid. `log` takes what they write, `kills` notes who was killed."""

    def __init__(self, home: Path, environ: Mapping[str, str]) -> None:
        self.log = home / "workers.log"
        self.kills = home / "kills.jsonl"
        self._environ = {**os.environ, **environ}
        self._running: dict[int, subprocess.Popen[bytes]] = {}

    def start(self) -> int:
        """Start one; its pid."""
        with self.log.open("ab") as log:
            # In a session of its own: Ctrl-C is for the demo, which ends its workers itself.
            process = subprocess.Popen(
                COMMAND, cwd=ROOT, env=self._environ, stdout=log, stderr=log, start_new_session=True
            )
        self._running[process.pid] = process
        return process.pid

    def kill(self, pid: int) -> Kill:
        """SIGKILL: it can neither finish nor say goodbye. Noted in the kill log."""
        process = self._running.pop(pid)
        process.send_signal(signal.SIGKILL)
        kill = Kill(pid, time.time(), process.wait())
        with self.kills.open("a") as log:
            log.write(json.dumps(asdict(kill)) + "\n")
        return kill

    def dead(self) -> Mapping[int, int]:
        """Those that ended though nobody asked them to, and their exit codes."""
        return {pid: code for pid, process in self._running.items() if (code := process.poll()) is not None}

    def stop(self) -> None:
        """End all of them."""
        for process in self._running.values():
            process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + _PATIENCE
        for process in self._running.values():
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()


@contextmanager
def workers(home: Path, environ: Mapping[str, str], count: int) -> Iterator[Workers]:
    """So many workers, for as long as this lasts."""
    crew = Workers(home, environ)
    try:
        for _ in range(count):
            crew.start()
        yield crew
    finally:
        crew.stop()


def read_kills(log: Path) -> list[Kill]:
    """The kill log."""
    return [Kill(**json.loads(line)) for line in log.read_text().splitlines()] if log.exists() else []
