"""Runs a snippet of the README's that builds on shop.py: `python -m tests.story.snippet file`, with shop.py in the
working directory. The snippet may await, as in an async function of the reader's."""

from __future__ import annotations

import ast
import asyncio
import inspect
import sys
from importlib import import_module
from pathlib import Path
from typing import Any


async def main(snippet: str) -> None:
    sys.path.insert(0, "")
    shop: Any = import_module("shop")
    code = compile(snippet, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    async with shop.queue:
        awaited = eval(code, vars(shop))
        if inspect.iscoroutine(awaited):
            await awaited


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]).read_text("utf-8")))
