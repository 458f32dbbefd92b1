"""What holds for every test: Hypothesis takes the time it needs, each test ends in time, and nothing may be left
running on the loop."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("aioqueue", deadline=None)
settings.load_profile("aioqueue")

_BOUND = 60.0  # seconds a test may take: one that hangs fails
_STORY_BOUND = 180.0  # of real processes, on a machine that may have other things to do
_SOAK_BOUND = 1200.0
_MOMENT = 0.5  # seconds for what was cancelled, or is about to end by itself


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.function):
            # Not autouse: tests without a loop do not need one for this.
            item.fixturenames.insert(0, "no_task_left_running")
            if item.cls is None:
                item.obj = _bounded(item.function, _bound_of(item))


def _bound_of(item: pytest.Function) -> float:
    if item.get_closest_marker("soak") is not None:
        return _SOAK_BOUND
    return _STORY_BOUND if item.path.parent.name == "story" else _BOUND


def _bounded(test: Callable[..., Coroutine[Any, Any, None]], bound: float) -> Callable[..., Coroutine[Any, Any, None]]:
    @functools.wraps(test)
    async def run(**fixtures: Any) -> None:
        async with asyncio.timeout(bound):
            await test(**fixtures)

    return run


@pytest.fixture
async def no_task_left_running() -> AsyncIterator[None]:
    """Fails a test that leaves a task running on its loop."""
    before = asyncio.all_tasks()
    yield
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    if left:
        _, left = await asyncio.wait(left, timeout=_MOMENT)
    assert not left, f"{len(left)} tasks were left running: {sorted(map(str, left))}"
