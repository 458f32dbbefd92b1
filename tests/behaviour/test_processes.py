"""Tasks that run in processes of their own."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from aioqueue import JobFailed

from .process_tasks import die, die_once, fail, give, hang, pid_and, queue, snooze
from .world import at_work


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_task_runs_in_another_process_whose_errors_and_end_are_its_jobs(tmp_path: Path) -> None:
    async with queue, at_work(queue):
        pid, n = await (await pid_and.enqueue(7)).result(timeout=30)
        assert (pid != os.getpid(), n) == (True, 7)

        for kind, runs, ended, error in (
            ("transient", 3, "retries", "Transient"), ("other", 1, "permanent", "KeyError"),
            ("exit", 1, "permanent", "SystemExit"), ("abandon", 1, "permanent", "Abandon"),
            ("retry", 3, "retries", "Retry"),
        ):  # fmt: skip
            with pytest.raises(JobFailed) as caught:
                await (await fail.enqueue(str(tmp_path / kind), kind)).result(timeout=30)
            assert (caught.value.ended, caught.value.error_type) == (ended, error)
            assert (tmp_path / kind).read_text() == "." * runs

        assert await (await snooze.enqueue(str(tmp_path / "snooze"))).result(timeout=30) == "awake"
        assert await (await give.enqueue(1)).result(timeout=30) == b"x"
        with pytest.raises(JobFailed, match="result"):
            await (await give.enqueue(0)).result(timeout=30)


async def test_a_child_that_dies_fails_its_own_job_only(tmp_path: Path) -> None:
    async with queue, at_work(queue):
        bad = await die.enqueue()
        good = [await pid_and.enqueue(n) for n in range(6)]
        with pytest.raises(JobFailed) as caught:
            await bad.result(timeout=30)
        assert caught.value.ended == "crashes"
        assert [(await job.result(timeout=30))[1] for job in good] == list(range(6))
        assert await (await die_once.enqueue(str(tmp_path / "died"))).result(timeout=30) == "alive"


async def test_a_child_that_hangs_is_killed_at_its_timeout(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    async with queue, at_work(queue):
        with pytest.raises(JobFailed) as caught:
            await (await hang.enqueue(str(path))).result(timeout=30)
        assert caught.value.ended == "timeout"
        pid = int(path.read_text())
        async with asyncio.timeout(10):
            while alive(pid):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert (await (await pid_and.enqueue(1)).result(timeout=30))[1] == 1
