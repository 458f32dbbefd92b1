"""The command line: its commands, and how each error ends it. What a command does is in the file of its name."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from ..commit.patience import AWAY
from ..errors import AioqueueError
from ..worker.exit import ExitCode
from . import enqueue, job, run, tasks
from .load import CannotImport
from .target import WaitCommand

app = typer.Typer(
    name="aioqueue",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help comes up in half the time, and reads the same in a pipe
    context_settings={"help_option_names": ["--help", "-h"]},
)

# The root of what typer raises for a wrong call; it has no public name of its own in all versions.
_WrongCall: type[Exception] = typer.BadParameter.__mro__[1]

FAILED = 1


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"aioqueue {version('aioqueue')}")
        raise typer.Exit


@app.callback(
    invoke_without_command=True,
    epilog="""\b
Start here, with a file shop.py that makes `queue = AioQueue()` and has tasks:
  aioqueue run shop:queue                       start a worker
  aioqueue enqueue shop:queue add 2 3 --wait    make a job and wait for its result
  aioqueue tasks shop:queue                     what can be enqueued, and under which rules

\b
Each command takes its queue as MODULE:QUEUE; AIOQUEUE_APP names the one to take otherwise.
""",
)
def _root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """An asyncio-native job queue: run workers, make jobs, and see what becomes of them."""
    if context.invoked_subcommand is None:
        print(context.get_help())


app.command(epilog=run.EPILOG)(run.run)
# Unknown options pass as arguments, or else -5 could not be one; values.py refuses those that are meant as options.
app.command(epilog=enqueue.EPILOG, cls=WaitCommand, context_settings={"ignore_unknown_options": True})(enqueue.enqueue)
app.command(epilog=job.EPILOG, cls=WaitCommand)(job.job)
app.command(epilog=tasks.EPILOG)(tasks.tasks)


def call(arguments: Sequence[str]) -> int:
    """Do what these arguments ask; the exit code. What is wrong is said in one line on stderr."""
    try:
        return int(app(args=list(arguments), prog_name="aioqueue", standalone_mode=False) or 0)
    except _WrongCall as error:
        return _say(_advice(error), ExitCode.USAGE)
    except typer.Abort:
        return 130  # Ctrl-C, as shells have it
    except CannotImport as error:
        print(error.lines, file=sys.stderr)
        return _say(error, ExitCode.USAGE)
    except AWAY as error:
        return _say(error, FAILED)
    except AioqueueError as error:
        return _say(error, ExitCode.USAGE)
    except BrokenPipeError:
        # Whoever read our output has gone; Python would complain at the end that it cannot flush it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def _say(what: object, code: int) -> int:
    print(f"aioqueue: {' '.join(str(what).split())}", file=sys.stderr)
    return code


def _advice(error: Exception) -> str:
    text: str = error.format_message()  # type: ignore[attr-defined]  # of all that typer raises for a wrong call
    context = getattr(error, "ctx", None)
    near = getattr(error, "possibilities", None)
    if near:
        return f"there is no option {error.option_name}: did you mean {' or '.join(sorted(near))}?"  # type: ignore[attr-defined]
    return text if context is None else f"{text.rstrip('.')}; see {context.command_path} --help"


def _open_standard_files() -> None:
    # Started with one of them closed, as some supervisors do, the next file opened would take its place; uvloop aborts
    # the process when it closes such a one.
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def main() -> NoReturn:
    """What `aioqueue` on a command line runs. Ends the process."""
    _open_standard_files()
    sys.exit(call(sys.argv[1:]))
