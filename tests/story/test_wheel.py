"""The wheel, as somebody gets it: built as `make wheel` builds it, and installed outside of the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from signal import SIGTERM
from zipfile import ZipFile

import pytest

from .processes import ROOT, Process, Story

pytestmark = pytest.mark.xdist_group("wheel")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built once."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "pip", "--quiet", "wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT))
    (built,) = folder.glob("aioqueue-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an environment that has the wheel and what it asks for, and nothing else."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=False, symlinks=True)
    constraints = str(ROOT / "constraints.txt")
    python = str(folder / "bin" / "python")
    run(
        sys.executable, "-m", "pip", "--quiet", "--python", python, "install", "--constraint", constraints, str(wheel)
    )  # fmt: skip
    return folder / "bin"


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


def test_it_holds_the_package_whole_and_nothing_else(wheel: Path) -> None:
    names = set(ZipFile(wheel).namelist())
    ours = {str(path.relative_to(ROOT)) for path in (ROOT / "aioqueue").rglob("*") if path.suffix in {".py", ".sql"}}
    assert "aioqueue/py.typed" in names
    assert any(name.endswith(".sql") for name in ours)
    assert ours <= names
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"aioqueue"}
    assert any(name.endswith("licenses/LICENSE") for name in names)


async def test_the_example_runs_from_it_and_prints_40(story: Story, installed: Path) -> None:
    app = story.folder / "app"
    shutil.copytree(ROOT / "examples" / "add", app)
    python = str(installed / "python")

    def start(name: str, *command: str) -> Process:
        # As in a fresh shell: neither the checkout nor any setting is to be seen.
        plain = {
            key: value for key, value in os.environ.items() if key != "PYTHONPATH" and not key.startswith("AIOQUEUE")
        }
        process = Process(name, command, folder=app, environment=plain | {"PYTHONUNBUFFERED": "1"})
        story.processes.append(process)
        return process

    where = start("where", python, "-c", "import aioqueue; print(aioqueue.__file__)")
    assert await where.ended() == 0
    assert Path(where.log.strip()).is_relative_to(installed.parent)

    workers = [
        start("worker", python, "worker.py"),
        start("command", str(installed / "aioqueue"), "run", "worker:queue"),
    ]
    producer = start("producer", python, "producer.py")
    assert await producer.ended() == 0
    assert producer.log.splitlines()[-1] == "40"
    assert (app / "aioqueue.db").exists()
    await workers[1].says("ready")
    workers[1].signal(SIGTERM)
    assert await workers[1].ended() == 0
