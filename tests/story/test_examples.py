"""The examples, as a reader runs them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@asynccontextmanager
async def started(
    *command: str | Path, cwd: Path = ROOT, environ: Mapping[str, str] | None = None
) -> AsyncIterator[Process]:
    """A Python process with these arguments; ended when this is left."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("AIOQUEUE_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, cwd=cwd, env={**inherited, **(environ or {})}, stdin=DEVNULL, stdout=PIPE, stderr=PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


def inside(folder: Path, **environ: str) -> dict[str, str]:
    """The environment of a demo that makes its files in this folder, and prints without delay."""
    return {"TMPDIR": str(folder), "PYTHONUNBUFFERED": "1", **environ}


def files(folder: Path, pattern: str = "*") -> list[Path]:
    return list(folder.glob(pattern))


async def demo(tmp_path: Path, *options: str, **environ: str) -> tuple[int | None, dict[str, Any], str]:
    """Run the demo: its exit code, its figures, and what else it said."""
    async with started("-m", "examples.imports", "--json", *options, environ=inside(tmp_path, **environ)) as process:
        out, errors = await process.communicate()
    assert out, errors.decode()
    return process.returncode, json.loads(out), errors.decode()


@pytest.mark.xdist_group("demo")
async def test_the_demo_loses_nothing_and_takes_under_30_seconds(tmp_path: Path) -> None:
    code, report, errors = await demo(tmp_path)
    assert (code, report["off"]) == (0, ""), errors
    imported = report["figures"]["characters.csv"]
    assert imported["rows imported"] == 50_000
    assert imported["lost"] == 0
    assert imported["retries"] == 3
    assert imported["redeliveries"] >= 3
    assert imported["duplicate rows refused"] >= 3 * 500
    assert report["figures"]["bad-row.csv"]["failed at"] == "row 31,337"
    assert report["seconds"] < 30
    assert files(tmp_path) == []


@pytest.mark.xdist_group("demo")
async def test_the_demo_loses_nothing_when_the_worker_that_runs_the_import_itself_is_killed(tmp_path: Path) -> None:
    code, report, errors = await demo(tmp_path, "--kill-import", AIOQUEUE_LEASE="2")
    assert (code, report["off"]) == (0, ""), errors


@pytest.mark.xdist_group("demo")
async def test_the_demo_fails_when_the_dedup_is_broken(tmp_path: Path) -> None:
    code, report, errors = await demo(tmp_path, "--plant-fault", "dedup", AIOQUEUE_LEASE="2")
    assert code == 1
    assert report["figures"]["characters.csv"]["rows imported"] > 50_000
    assert "rows imported" in report["off"]
    assert report["off"] in errors
    (log,) = files(tmp_path)
    assert str(log) in errors
    assert "takes jobs" in log.read_text()


@pytest.mark.xdist_group("demo")
@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
async def test_an_interrupted_demo_leaves_no_worker_and_no_file(tmp_path: Path, which: signal.Signals) -> None:
    async with started("-m", "examples.imports", environ=inside(tmp_path)) as process:
        assert process.stdout is not None
        while b"is killed" not in (line := await process.stdout.readline()):
            assert line, "the demo ended by itself"
        (log,) = files(tmp_path, "*/workers.log")
        workers = [int(pid) for pid in re.findall(r"ready: \S+:(\d+) ", log.read_text())]
        process.send_signal(which)
        await process.communicate()
    assert process.returncode == 130
    assert len(workers) == 2
    for pid in workers:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    assert files(tmp_path) == []


async def test_the_pair_meets_by_default_from_any_folder_of_the_project_and_prints_40(tmp_path: Path) -> None:
    project = tmp_path / "project"
    folder = project / "examples" / "add"
    shutil.copytree(ROOT / "examples" / "add", folder)
    (project / "pyproject.toml").touch()
    async with started(folder / "worker.py", cwd=project) as worker:
        assert worker.stdout is not None
        assert "/project/aioqueue.db" in (await worker.stdout.readline()).decode()
        async with started(folder / "producer.py", cwd=folder) as producer:
            out, errors = await producer.communicate()
    where, result = out.decode().splitlines()
    assert "/project/aioqueue.db" in where, errors.decode()
    assert result == "40", errors.decode()
