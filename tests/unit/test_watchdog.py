"""The watchdog: a blocked loop is reported with its stack, and one that stays blocked ends the process."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time

import pytest

from aioqueue import ExitCode
from aioqueue.core.events import LoopBlocked
from aioqueue.worker import watchdog
from aioqueue.worker.hooks import Hooks


def block_the_loop(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "_TICK", 0.02)
    monkeypatch.setattr(watchdog, "_WORTH_A_WORD", 0.1)


async def test_a_blocked_loop_is_reported_with_what_blocks_it(caplog: pytest.LogCaptureFixture) -> None:
    hooks, told = Hooks(), asyncio.Queue[LoopBlocked]()
    hooks.listen(LoopBlocked, told.put_nowait)
    watching = asyncio.create_task(watchdog.Watchdog(60, hooks, lambda: 0).run())
    await asyncio.sleep(0)
    block_the_loop(0.4)
    event = await told.get()
    assert "block_the_loop" in event.stack
    assert 0.2 <= event.seconds <= 5
    assert "has been blocked for" in caplog.text
    watching.cancel()
    await asyncio.wait({watching})


async def test_a_loop_that_runs_is_not_reported(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "_WORTH_A_WORD", 1.0)  # more than a busy machine may take from us
    watching = asyncio.create_task(watchdog.Watchdog(60, Hooks(), lambda: 0).run())
    for _ in range(120):
        await asyncio.sleep(0.01)
    assert caplog.text == ""
    watching.cancel()
    await asyncio.wait({watching})


BLOCKED = """
import asyncio, logging, time
from aioqueue.worker.hooks import Hooks
from aioqueue.worker.watchdog import Watchdog

logging.basicConfig()

def give_back():
    print("given back", flush=True)
    return 2

async def main():
    watching = asyncio.create_task(Watchdog(1, Hooks(), give_back).run())
    await asyncio.sleep(0)
    while True:
        pass

asyncio.run(main())
"""


def test_a_loop_that_stays_blocked_ends_the_process_after_giving_back_what_had_not_started() -> None:
    ended = subprocess.run([sys.executable, "-c", BLOCKED], capture_output=True, text=True, timeout=30)
    assert ended.returncode == ExitCode.BLOCKED
    assert ended.stdout == "given back\n"
    assert "longer than max_block" in ended.stderr
    assert "2 jobs that had not started were given back" in ended.stderr
    assert "in main" in ended.stderr
