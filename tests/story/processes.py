"""Real processes for the stories: started, watched, killed, and gone at the end whatever happened."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aioqueue import AioQueue, Job, State
from aioqueue.drivers.base import DeadLetter, QueueCounts

from .ledger import VARIABLE, Ledger

ROOT = Path(__file__).parents[2]
NOISE = 2.0  # seconds that a busy machine may add to what a promise allows
_LOOK = 0.02


class Process:
    """One process, in a group of its own; what it prints goes to a file."""

    def __init__(self, name: str, command: Sequence[str], *, folder: Path, environment: dict[str, str]) -> None:
        self.name = name
        self.output = folder / f"{name}.log"
        with self.output.open("ab") as output:
            self._process = subprocess.Popen(
                command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True,
            )  # fmt: skip
        self.pid = self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def log(self) -> str:
        """What it printed so far."""
        return self.output.read_text("utf-8", "replace")

    def signal(self, which: signal.Signals) -> None:
        if self.alive:
            os.kill(self.pid, which)

    def kill(self) -> float:
        """kill -9, the process and its children; when, on the monotonic clock."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        at = time.monotonic()
        self._process.wait()
        return at

    async def ended(self, within: float = 60.0) -> int:
        """Its exit code, once it has ended; a signal's number below zero."""
        deadline = time.monotonic() + within
        while self.alive:
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.name} did not end within {within:g} s; it said:\n{self.log[-5000:]}")
            await asyncio.sleep(_LOOK)
        code: int = self._process.returncode
        return code

    async def says(self, text: str, within: float = 60.0) -> None:
        """Wait until this stands in its log."""
        deadline = time.monotonic() + within
        while text not in self.log:
            if time.monotonic() > deadline or (not self.alive and text not in self.log):
                raise AssertionError(f"{self.name} never said {text!r}; it said:\n{self.log[-5000:]}")
            await asyncio.sleep(_LOOK)


class Story:
    """One test's own folder: its queue's file, its ledger, its processes."""

    def __init__(self, folder: Path, results: str = "same") -> None:
        self.folder = folder
        self.file = folder / "queue.db"
        self.url = f"sqlite:///{self.file}"
        self.results = results if results == "same" else f"sqlite:///{folder / 'results.db'}"
        self.parts: list[Story] = []
        self.ledger = Ledger(folder / "ledger")
        self.processes: list[Process] = []
        self._queue: AioQueue | None = None

    # Processes

    def worker(
        self, app: str = "tests.story.tasks:queue", *options: str, variables: dict[str, str] | None = None,
        **settings: object,
    ) -> Process:  # fmt: skip
        """A worker on this story's file, by `aioqueue run`. `settings` are those of the queue."""
        given = {f"AIOQUEUE_{name.upper()}": str(value) for name, value in settings.items()}
        command = ("-m", "aioqueue", "run", app, *options)
        return self.python(*command, name="worker", variables={**given, **(variables or {})})

    async def ready(self, *workers: Process) -> None:
        """Wait until these take jobs."""
        for worker in workers:
            await self.ledger.until(
                lambda pid=worker.pid: any(each.pid == pid for each in self.ledger.notes("ready")),  # type: ignore[misc]
                f"{worker.name} takes jobs",
            )

    def python(self, *arguments: str, name: str, variables: dict[str, str] | None = None) -> Process:
        """A Python that runs this, with the story's queue and ledger in its environment."""
        number = sum(each.name.startswith(f"{name}-") for each in self.processes) + 1
        process = Process(
            f"{name}-{number}", [sys.executable, *arguments], folder=self.folder,
            environment=self.environment | (variables or {}),
        )  # fmt: skip
        self.processes.append(process)
        return process

    @property
    def environment(self) -> dict[str, str]:
        """This process's own, without settings that stand in it, and with the story's."""
        plain = {name: value for name, value in os.environ.items() if not name.startswith("AIOQUEUE_")}
        return plain | {
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "AIOQUEUE_URL": self.url,
            "AIOQUEUE_RESULTS": self.results,
            VARIABLE: str(self.ledger.path),
        }

    # The producer: this process

    def queue(self, **settings: Any) -> AioQueue:
        """A queue on the story's file, in this process. It knows no tasks, so its calls are by name."""
        return AioQueue(self.url, results=self.results, **settings)

    @property
    def own(self) -> AioQueue:
        """The queue that `enqueue` uses."""
        if self._queue is None:
            self._queue = self.queue()
        return self._queue

    async def enqueue(self, task: str, *args: Any, **options: Any) -> Job[Any]:
        """A job of this task, by name."""
        return await self.own.signature(task, *args).options(**options).enqueue()

    async def enqueue_all(self, task: str, *args: Any, times: int, **options: Any) -> list[Job[Any]]:
        """So many jobs of this task, in one batch."""
        call = self.own.signature(task, *args).options(**options)
        return await self.own.enqueue_many(call for _ in range(times))

    async def counts(self) -> Mapping[str, QueueCounts]:
        """What each queue holds."""
        return await (await self.own.open()).broker.counts()

    async def dead_letters(self) -> Sequence[DeadLetter]:
        """What was set aside."""
        return await (await self.own.open()).broker.dead_letters(limit=100_000)

    async def stands(self, job: Job[Any], state: State) -> None:
        """Wait until the job's record says so."""
        deadline = time.monotonic() + 60
        while (found := (await job.info()).state) is not state:
            assert time.monotonic() < deadline, f"job {job.id} is {found}, and not {state}"
            await asyncio.sleep(_LOOK)

    async def is_over(self) -> None:
        """Wait until no message is left, neither waiting nor held."""
        deadline = time.monotonic() + 60
        while any(each.ready or each.scheduled or each.held for each in (await self.counts()).values()):
            assert time.monotonic() < deadline, f"messages are left over: {await self.counts()}"
            await asyncio.sleep(_LOOK)

    # The end

    def part(self, name: str, results: str = "same") -> Story:
        """A story within this one, in a folder of its own; it ends with this one."""
        folder = self.folder / name
        folder.mkdir()
        part = Story(folder, results)
        self.parts.append(part)
        return part

    async def close(self) -> None:
        for part in self.parts:
            await part.close()
        for process in self.processes:
            process.kill()
        for pid in {each.pid for each in self.ledger.notes("ready")}:
            self._end_orphan(pid)
        if self._queue is not None:
            await self._queue.close()

    def _end_orphan(self, pid: int) -> None:
        # The children of `--processes` are in groups of their own, and outlive a parent that is killed for a while.
        try:
            ours = os.fsencode(self.ledger.path) in Path(f"/proc/{pid}/environ").read_bytes()
            if ours and pid != os.getpid():
                os.kill(pid, signal.SIGKILL)
        except OSError:
            pass  # it is gone, or there is no /proc

    def account(self) -> str:
        """What the processes said, for a test that failed."""
        said = [part.account() for part in self.parts]
        said += [f"--- {self.folder.name}: {each.name} (pid {each.pid})\n{each.log[-6000:]}" for each in self.processes]
        return "\n".join([*said, "--- the ledger's end", self.ledger.tail()])
