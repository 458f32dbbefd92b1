"""`aioqueue run`: workers."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.signature import check_name
from ..errors import AioqueueError
from . import logs
from .load import APP
from .values import duration

if TYPE_CHECKING:
    from .serve import Serving

log = logging.getLogger("aioqueue.cli")

EPILOG = """\b
Examples:
  aioqueue run shop:queue                         one worker for the queue in shop.py
  aioqueue run shop:queue --queue mail --queue default
                                                  these two queues, mail first
  aioqueue run shop:queue --processes 4 --name web
                                                  four processes, web-1 to web-4
  aioqueue run shop:queue --burst                 run what is due, then end
  aioqueue run shop:queue --log-format json       a JSON object a line, with job, task and attempt

\b
Signals (SIGTERM or Ctrl-C):
  the first    takes nothing new and finishes what runs, within --grace
  the second   interrupts what runs and gives it back, unspent
  the third    ends at once; what ran is delivered again when its lease is out

\b
Exit codes:
  0  all it had taken was finished           4  too many attempts would not end
  1  the broker could not be reached         5  a task blocked the event loop for too long
  2  a wrong module, option or URL           6  ended at once, by a third signal
  3  interrupted; what ran was given back
"""

Target = Annotated[
    str | None,
    typer.Argument(
        metavar="MODULE:QUEUE",
        envvar=APP,
        show_default=False,
        help="Which queue, such as shop:queue for `queue` in shop.py; found from the working directory.",
    ),
]


def run(
    target: Target = None,
    queue: Annotated[
        list[str] | None,
        typer.Option(help="Take jobs from this queue; repeat for several, the first goes first.", show_default=False),
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="Run so many jobs at once (100 by default).", show_default=False)
    ] = None,
    processes: Annotated[
        int, typer.Option(min=1, help="So many worker processes; one that dies is started again.")
    ] = 1,
    name: Annotated[
        str | None, typer.Option(help="The worker's name (host:pid by default).", show_default=False)
    ] = None,
    grace: Annotated[
        str | None,
        typer.Option(
            metavar="SECONDS",
            show_default=False,
            help="How long running jobs may go on after a signal (30s by default).",
        ),
    ] = None,
    burst: Annotated[bool, typer.Option("--burst", help="End when nothing is left that is due.")] = False,
    log_level: Annotated[logs.Level, typer.Option(help="Log from this level on.")] = logs.Level.INFO,
    log_format: Annotated[logs.Format, typer.Option(help="Lines for people, or JSON.")] = logs.Format.TEXT,
    parent: Annotated[int | None, typer.Option(hidden=True)] = None,
    first: Annotated[bool, typer.Option("--first", hidden=True)] = False,
) -> int:
    """Run jobs until a signal ends it.

    Startup says what it is connected to, which tasks it knows, and what is odd.
    """
    from ..worker.signals import Signals
    from .serve import Serving, serve

    told = Serving(
        target=target,
        queues=None if not queue else tuple(check_name(each, "--queue") for each in queue),
        concurrency=concurrency,
        name=None if name is None else check_name(name, "--name"),
        grace=duration(grace, "--grace"),
        burst=burst,
        parent=parent,
        first=first or parent is None,
    )
    logs.configure(log_level, log_format)
    if processes > 1:
        return _supervise(told, processes, log_level, log_format)
    with Signals() as signals:
        try:
            return serve(told, signals)
        except Exception as error:
            known = _only(error)
            if isinstance(known, AioqueueError):
                raise known from error
            log.critical("the worker ended with an error", exc_info=True)
            return 1


def _only(error: BaseException) -> BaseException:
    """The error that a group was made for, where it was one."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _supervise(told: Serving, processes: int, level: logs.Level, format: logs.Format) -> int:
    from ..worker.signals import Signals
    from .children import Children

    command = [] if told.target is None else [told.target]
    for each in told.queues or ():
        command += ["--queue", each]
    if told.concurrency is not None:
        command += ["--concurrency", str(told.concurrency)]
    if told.grace is not None:
        command += ["--grace", str(told.grace)]
    if told.burst:
        command.append("--burst")
    command += ["--log-level", level, "--log-format", format]

    async def supervise() -> int:
        children = Children(command, processes, name=told.name, burst=told.burst)
        loop = asyncio.get_running_loop()
        with Signals(lambda: loop.call_soon_threadsafe(children.force)) as signals, signals.attending(children):
            return await children.run()

    return asyncio.run(supervise())
