"""A folder with a module and its jobs, and real processes of `aioqueue` that work on them."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from aioqueue import AioQueue, ExitCode, Job, Signature

PATIENCE = 30.0  # seconds that anything here may take, on a machine that is busy with other things

SHOP = """
import asyncio, logging, os, time
from aioqueue import AioQueue, Context

queue = AioQueue("sqlite:///{folder}/jobs.db", lease=2)
log = logging.getLogger("shop")

def note(line):
    with open("ledger", "a") as ledger:
        ledger.write(line + "\\n")

@queue.task
async def quick(name: str) -> str:
    note(f"start {{name}}")
    log.info("working on %s", name)
    await asyncio.sleep(0.01)
    note(f"end {{name}}")
    return name

@queue.task
async def hold(context: Context, name: str) -> None:
    note(f"start {{name}} at attempt {{context.attempt}}")
    while not os.path.exists("go"):
        await asyncio.sleep(0.02)
    note(f"end {{name}}")

@queue.task
async def stubborn() -> None:
    note("start stubborn")
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass

@queue.task
async def block() -> None:
    note("start block")
    time.sleep(60)
"""


class Shop:
    """A folder with a module, its jobs, and the processes that work on them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[subprocess.Popen[bytes]] = []
        (folder / "shop.py").write_text(SHOP.format(folder=folder))
        self.queue = AioQueue(f"sqlite:///{folder}/jobs.db")

    def start(self, *words: str) -> Running:
        log = self.folder / f"log-{len(self.processes)}"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "aioqueue", *words],
                cwd=self.folder,
                stdout=subprocess.PIPE,
                stderr=out,
                env={name: value for name, value in os.environ.items() if not name.startswith("AIOQUEUE_")},
            )
        self.processes.append(process)
        return Running(process, log)

    def enqueue(self, *calls: Signature[object]) -> list[Job[object]]:
        async def all_of_them() -> list[Job[object]]:
            async with self.queue:
                return await self.queue.enqueue_many(calls)

        return asyncio.run(all_of_them())

    def ledger(self, start: str = "") -> list[str]:
        path = self.folder / "ledger"
        return [line for line in path.read_text().splitlines() if line.startswith(start)] if path.exists() else []

    def burst(self) -> None:
        assert self.start("run", "shop:queue", "--burst").ended() == ExitCode.DRAINED


class Running:
    """One process, and what it logs."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log

    def said(self) -> str:
        return self.log.read_text()

    def says(self, pattern: str, times: int = 1) -> list[str]:
        until(lambda: len(re.findall(pattern, self.said())) >= times, lambda: f"{pattern!r} in:\n{self.said()}")
        return re.findall(pattern, self.said())

    def send(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    def ended(self) -> int:
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            pytest.fail(f"it did not end:\n{self.said()}")


def until(true: Callable[[], object], what: Callable[[], str]) -> None:
    limit = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > limit:
            pytest.fail(f"waited for {what()}")
        time.sleep(0.01)


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True
