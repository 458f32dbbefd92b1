"""`aioqueue enqueue`: a job from the command line."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any

import typer

from ..app import AioQueue
from ..core.arguments import encode_untyped
from ..core.signature import Signature
from ..errors import ConfigurationError
from .load import APP, load
from .target import App, Url, Wait, is_app, opened, patience
from .values import arguments, duration, labels

EPILOG = """\b
Arguments are JSON, and a text that is no JSON stands for itself:
  7  1.5  true  null  [1,2]  '{"a": 1}'  hello
  name=VALUE            a keyword argument
  '"7"'  '"a=b"'        in JSON's quotes, a text that looks like something else
Dates, UUIDs and the like are written as texts: the task's annotations say what they become.

\b
Examples:
  aioqueue enqueue shop:queue add 2 3
  aioqueue enqueue shop:queue send_welcome 7 template=hello --delay 10m --id welcome-7
  aioqueue enqueue shop:queue add 2 3 --wait 30
  aioqueue enqueue --url sqlite:///jobs.db add 2 3
                                                  by name, where no module can be imported

\b
It prints the job's id, and with --wait its result.
Exit codes:
  0    enqueued; with --wait: it succeeded
  1    with --wait: it failed, was cancelled or expired; or the server is away
  2    a wrong call: nothing was enqueued
  124  it had not ended when the time to wait was up; it goes on
"""


def enqueue(
    context: typer.Context,
    words: Annotated[
        list[str],
        typer.Argument(metavar="[MODULE:QUEUE] TASK [VALUE | name=VALUE]…", help="The queue, the task, its arguments."),
    ],
    app: App = None,
    url: Url = None,
    by_name: Annotated[bool, typer.Option("--by-name", help="Send it though the module has no such task.")] = False,
    id: Annotated[str | None, typer.Option(help="The job's id: the same again makes no second job.")] = None,
    queue: Annotated[str | None, typer.Option(help="The queue it waits on.")] = None,
    priority: Annotated[int | None, typer.Option(help="0 to 9, 9 goes first.")] = None,
    delay: Annotated[str | None, typer.Option(metavar="SECONDS", help="Not before then: 60, 10m, 2h, 1d.")] = None,
    retries: Annotated[int | None, typer.Option(help="Attempts after the first.")] = None,
    timeout: Annotated[str | None, typer.Option(metavar="SECONDS", help="Of one attempt; none for no limit.")] = None,
    expires: Annotated[
        str | None, typer.Option(metavar="SECONDS", help="Give up if it has not started by then.")
    ] = None,
    by: Annotated[str | None, typer.Option(help="Who asks for it.")] = None,
    label: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help="To find it by; repeat.")] = None,
    wait: Wait = None,
    json: Annotated[bool, typer.Option("--json", help="One line of JSON: the id, or with --wait all fields.")] = False,
) -> int:
    """Make a job of a task, by hand. What the task's annotations refuse is refused here, before it is sent."""
    given: dict[str, Any] = {
        "id": id, "queue": queue, "priority": priority, "retries": retries, "by": by,
        "delay": duration(delay, "--delay"), "expires": duration(expires, "--expires"),
        "labels": labels(label) if label else None,
    }  # fmt: skip
    options = {name: value for name, value in given.items() if value is not None}
    if timeout is not None:
        options["timeout"] = None if timeout == "none" else duration(timeout, "--timeout")
    limit = patience(wait)
    aioqueue, task, rest = _choose(words, app, url)
    args, kwargs = arguments(rest, {name for each in context.command.params for name in each.opts})
    call = _call(aioqueue, task, args, kwargs, anyway=by_name or url is not None)
    return asyncio.run(_enqueue(aioqueue, call.options(**options), wait is not None, limit, json))


def _choose(words: list[str], app: str | None, url: str | None) -> tuple[AioQueue, str, list[str]]:
    if app is not None and url is not None:
        raise ConfigurationError("give a module or --url, not both")
    rest = list(words)
    # The first word is the queue, unless an option or the environment has named it already.
    if url is None and app is None and (is_app(rest[0]) or not os.environ.get(APP)):
        app = rest.pop(0)
    queue = AioQueue(url) if url is not None else load(app)
    if not rest:
        names = ", ".join(sorted(queue.tasks)) or "none is registered"
        raise ConfigurationError(f"say which task after the queue: {names}")
    return queue, rest[0], rest[1:]


def _call(queue: AioQueue, name: str, args: list[Any], kwargs: dict[str, Any], *, anyway: bool) -> Signature[Any]:
    task = queue.tasks.get(name)
    if task is None:
        if not anyway:
            raise ConfigurationError(_unknown(queue.tasks, name))
        return queue.signature(name, *args, **kwargs)
    # By way of JSON: so a text becomes the date, the UUID or the dataclass that the task is annotated with.
    typed, named = task.parameters.decode(*encode_untyped(name, tuple(args), kwargs))
    return task.s(*typed, **named)


def _unknown(tasks: Mapping[str, object], name: str) -> str:
    near = get_close_matches(name, tasks, 1)
    advice = f"did you mean {near[0]}?" if near else f"it has {', '.join(sorted(tasks)) or 'none'};"
    return f"the module has no task {name!r}: {advice} To send it by its name all the same, add --by-name"


async def _enqueue(queue: AioQueue, call: Signature[Any], wait: bool, limit: float | None, json: bool) -> int:
    import msgspec

    async with opened(queue):
        if wait:
            from .follow import store_of

            store_of(queue)  # without a store there is nothing to wait for: say so before anything is sent
        job = await call.enqueue()
        if not wait:
            print(msgspec.json.encode({"id": job.id}).decode() if json else job.id)
            return 0
        if not json:
            print(job.id, flush=True)
        return await _wait(queue, job.id, limit, json)


async def _wait(queue: AioQueue, id: str, limit: float | None, json: bool) -> int:
    from .follow import as_json, exit_code, follow
    from .words import sentence

    record = await follow(queue, id, limit)
    if json:
        print(as_json(record, queue.clock.now()))
    elif record.result is not None:
        print(bytes(record.result).decode())
    else:
        from datetime import UTC, datetime

        from ..job import describe

        info = describe(record, queue.clock.now())
        print(f"aioqueue: {info.state}: {sentence(info, datetime.now(UTC))}", file=sys.stderr)
    return exit_code(record, waited=True)
