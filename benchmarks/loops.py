"""The event loop that is measured: uvloop where it is installed, as for `aioqueue run`."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from importlib.metadata import version
from typing import Any, TypeVar

R = TypeVar("R")

try:
    import uvloop

    new_loop: Any = uvloop.new_event_loop
    NAME = f"uvloop {version('uvloop')}"
except ImportError:
    new_loop = asyncio.new_event_loop
    NAME = "asyncio"


def run(main: Coroutine[Any, Any, R]) -> R:
    """What `main` returns, run to its end on a new loop."""
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(main)
