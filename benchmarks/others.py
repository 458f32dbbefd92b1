"""Other processes that take part in a measurement: one that fills the queue, and workers. They are this module too."""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from . import loops
from .ledger import Ledger
from .subject import Conditions, Subject

_BATCH = 10_000


async def fill(subject: Subject, task: str, size: int, number: float) -> None:
    """Enqueue so many jobs of this task, numbered from 0."""
    call = subject.short.s if task == "short" else subject.nap.s
    for start in range(0, size, _BATCH):
        await subject.queue.enqueue_many(call(n, "a name", number) for n in range(start, min(start + _BATCH, size)))


def fill_elsewhere(at: Conditions, task: str, size: int, number: float) -> None:
    """As `fill`, in another process."""
    subprocess.run([*_command("fill", at), f"--task={task}", f"--size={size}", f"--number={number}"], check=True)


class Other:
    """A worker in another process, ready to go."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    def go(self) -> None:
        """Let it take jobs."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"go\n")


@asynccontextmanager
async def working(at: Conditions, ledger: Ledger) -> AsyncIterator[Other]:
    """A worker in another process, connected and waiting for `go`; drained at the end."""
    process = await asyncio.create_subprocess_exec(
        *_command("work", at), f"--ledger={ledger.path}", f"--size={ledger.size}",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    if not await process.stdout.readline():
        raise RuntimeError("a worker process did not start; its error stands above")
    yield Other(process)
    process.stdin.close()  # which it takes as the word to drain
    if code := await process.wait():
        raise RuntimeError(f"a worker process ended with {code}")


def _command(what: str, at: Conditions) -> list[str]:
    return [sys.executable, "-m", "benchmarks.others", what, f"--url={at.url}", f"--folder={at.folder}"]


async def _fill(given: argparse.Namespace, at: Conditions) -> None:
    subject = Subject(at, at.ledger(1))
    async with subject.queue:
        await fill(subject, given.task, given.size, given.number)


async def _work(given: argparse.Namespace, at: Conditions) -> None:
    subject = Subject(at, Ledger(given.ledger, given.size))
    async with subject.queue:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        worker = subject.queue.worker()
        running = asyncio.ensure_future(worker.run())
        await asyncio.to_thread(sys.stdin.read)  # until our parent has had enough, or is gone
        worker.drain()
        await running


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("fill", "work"))
    parser.add_argument("--url", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--ledger", type=Path)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--task", default="short")
    parser.add_argument("--number", type=float, default=1.5)
    arguments = parser.parse_args()
    conditions = Conditions(arguments.url, arguments.folder, False)
    loops.run(_fill(arguments, conditions) if arguments.what == "fill" else _work(arguments, conditions))
