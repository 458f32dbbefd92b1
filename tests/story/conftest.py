"""A story for each test: its own file, its own ledger, and no process left behind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from .processes import Story

_STORY = pytest.StashKey[Story]()


@pytest_asyncio.fixture
async def story(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Story]:
    told = Story(tmp_path)
    request.node.stash[_STORY] = told
    try:
        yield told
    finally:
        await told.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report: pytest.TestReport = yield  # type: ignore[assignment]
    if report.when == "call" and report.failed and _STORY in item.stash:
        report.sections.append(("The story", item.stash[_STORY].account()))
    return report  # type: ignore[return-value]
