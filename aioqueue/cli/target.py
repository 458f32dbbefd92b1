"""Which queue a command means: a module's, a URL's, or the settings'. And `--wait`, with or without seconds."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from ..app import AioQueue
from ..errors import ConfigurationError
from ..settings import default_url, project_root
from .load import APP, load
from .values import duration

if TYPE_CHECKING:
    from pathlib import Path

FOREVER = "forever"
_DURATION = re.compile(r"[0-9]+(\.[0-9]+)?[smhd]?")
_APP = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")

App = Annotated[
    str | None,
    typer.Option("--app", metavar="MODULE:QUEUE", show_default=False, help=f"The queue, as an option. {APP} sets it."),
]
Url = Annotated[
    str | None,
    typer.Option(metavar="URL", show_default=False, help="A broker's URL, where no module can be imported."),
]
Wait = Annotated[
    str | None,
    typer.Option(
        metavar="[SECONDS]",
        show_default=False,
        help="Wait for the end, at most so long; with progress when a terminal watches.",
    ),
]


class WaitCommand(TyperCommand):
    """A command whose `--wait` may stand with or without seconds."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, with_seconds(args))


def with_seconds(words: list[str]) -> list[str]:
    """The words with each `--wait` in one piece: `--wait=30`, or `--wait=forever`."""
    found: list[str] = []
    line = iter(range(len(words)))
    for index in line:
        if words[index] == "--":
            return found + words[index:]
        if words[index] != "--wait":
            found.append(words[index])
        elif index + 1 < len(words) and _DURATION.fullmatch(words[index + 1]):
            found.append(f"--wait={words[index + 1]}")
            next(line)
        else:
            found.append(f"--wait={FOREVER}")
    return found


def patience(wait: str | None) -> float | None:
    """The seconds to wait; None for ever."""
    return None if wait in (None, FOREVER) else duration(wait, "--wait")


def is_app(word: str) -> bool:
    """Whether this looks like `module:queue`."""
    return _APP.fullmatch(word) is not None


def open_for_people(app: str | None, url: str | None) -> AioQueue:
    """The queue to ask. Without a module or URL it is the one that the settings name, if there is one."""
    if app is not None and url is not None:
        raise ConfigurationError("give a module or --url, not both")
    if url is not None:
        return AioQueue(url)
    if app is not None or os.environ.get(APP):
        return load(app)
    queue = AioQueue()
    root = project_root()
    if queue.settings.url == default_url(root) and not _default_file(root).exists():
        raise ConfigurationError(f"say which queue: module:queue or --url URL, or set {APP} or AIOQUEUE_URL")
    return queue


@asynccontextmanager
async def opened(queue: AioQueue) -> AsyncIterator[AioQueue]:
    """The queue, open. Raises ConfigurationError for one that lives in this process only: it has no jobs to show, and
    what is enqueued there ends with the command."""
    async with queue:
        if not queue.connection.broker.capabilities.shared:
            raise ConfigurationError(
                f"{queue.connection.label}: other processes cannot see its jobs, and so neither can this command; "
                "give the queue a URL that processes can share, such as sqlite:///jobs.db"
            )
        yield queue


def _default_file(root: Path) -> Path:
    return root.resolve() / "aioqueue.db"
