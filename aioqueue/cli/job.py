"""`aioqueue job`: all that is known of a job."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

import typer

from ..core.record import Record
from ..core.signature import check_name
from ..errors import ConfigurationError
from .target import App, Url, Wait, open_for_people, opened, patience

EPILOG = """\b
Examples:
  aioqueue job 019ab2…                            by the settings, or AIOQUEUE_APP
  aioqueue job shop:queue 019ab2…
  aioqueue job 019ab2… --url sqlite:///jobs.db --json
  aioqueue job 019ab2… --wait 30                  until it has ended, for 30 s at most

\b
Exit codes:
  0    it succeeded, or, without --wait, has not ended yet
  1    it failed, was cancelled or expired; or the server is away
  2    there is no such job; or a wrong call
  124  it had not ended when the time to wait was up; it goes on
"""


def job(
    words: Annotated[list[str], typer.Argument(metavar="[MODULE:QUEUE] ID", help="The job's id, after its queue.")],
    app: App = None,
    url: Url = None,
    wait: Wait = None,
    json: Annotated[bool, typer.Option("--json", help="One line of JSON, with all fields.")] = False,
) -> int:
    """Show a job: where it stands, its attempts, times, progress, last error, arguments and result.

    A task's own types are shown as they crossed, in JSON. Times are local; in JSON they are ISO 8601, in UTC.
    """
    if len(words) > 2:
        raise ConfigurationError(f"give one id, after its queue: aioqueue job MODULE:QUEUE {words[0]}")
    if len(words) == 2:
        if app is not None:
            raise ConfigurationError("give the queue once: before the id, or with --app")
        app = words[0]
    id = check_name(words[-1], "the id")
    limit = patience(wait)
    return asyncio.run(_job(id, app, url, wait is not None, limit, json))


async def _job(id: str, app: str | None, url: str | None, wait: bool, limit: float | None, json: bool) -> int:
    from .follow import follow, look

    async with opened(open_for_people(app, url)) as queue:
        record = await look(queue, id)
        if wait and not record.final:
            record = await follow(queue, id, limit)
        return tell(record, queue.clock.now(), waited=wait, json=json)


def tell(record: Record, now: float, *, waited: bool, json: bool) -> int:
    """Print what is known of the job; the exit code."""
    from .follow import TIMED_OUT, as_json, exit_code, show_job

    if json:
        print(as_json(record, now))
    else:
        show_job(record, now)
    code = exit_code(record, waited=waited)
    if code == TIMED_OUT:
        print(f"aioqueue: job {record.id} has not ended yet; it goes on, ask again", file=sys.stderr)
    return code
