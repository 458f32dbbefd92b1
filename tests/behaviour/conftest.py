"""The drivers, and pairs of them, that each behaviour is shown on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aioqueue import AioQueue

from .world import MakeQueue

PAIRS = ["memory", "sqlite", "memory+sqlite", "sqlite+memory"]


def url_of(kind: str, folder: Path) -> str:
    return "memory://" if kind == "memory" else f"sqlite:///{folder}/jobs.db"


@pytest.fixture(params=["memory", "sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A broker that keeps its own results."""
    return url_of(request.param, tmp_path)


@pytest.fixture(params=PAIRS)
def make(request: pytest.FixtureRequest, tmp_path: Path) -> MakeQueue:
    """Makes a queue on one driver, or with the messages in one and the results in another."""
    broker, _, store = request.param.partition("+")
    results = url_of(store, tmp_path) if store else "same"

    def queue(**settings: Any) -> AioQueue:
        return AioQueue(url_of(broker, tmp_path), results=results, **settings)

    return queue


@pytest.fixture
def shared(tmp_path: Path) -> MakeQueue:
    """Makes queues that share one file, as those of two programs would."""

    def queue(**settings: Any) -> AioQueue:
        return AioQueue(f"sqlite:///{tmp_path}/jobs.db", **settings)

    return queue
