"""What happens in the demo: an import, a kill in its middle, and three imports that must fail at once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

from aioqueue import AioQueue, Job, JobFailed

from . import faults
from .characters import ROWS, write_csv
from .figures import BROKEN_OFF, CHUNKS, COMMITTED, Figure, Ledger, of_a_stopped_import, of_the_import
from .screen import Screen
from .source import Columns
from .target import Target
from .workers import Workers, read_kills

LIMIT = 90.0  # seconds after which something is wrong
BAD_ROW = 31_337
_HELD = 3  # chunks that each worker holds when one of them is killed
_LOOK = 0.05  # seconds between two looks at what happens


class DemoFailed(Exception):
    """The demo could not be played to its end."""


def prepare(home: Path, *, dedup: bool) -> None:
    """Make the files and the target."""
    write_csv(home / "characters.csv")
    write_csv(home / "wrong-header.csv", header=("Codepoint", "Character", "Name", "Category"))
    write_csv(home / "wrong-mapping.csv")
    write_csv(home / "bad-row.csv", bad_row=BAD_ROW)
    Target(home / "target.db").create(dedup=dedup)
    (home / faults.HOLD_FILE).touch()


class Story:
    """One run of the demo. `home` is the folder that `prepare` filled."""

    def __init__(self, home: Path, screen: Screen, crew: Workers, queue: AioQueue, *, kill_import: bool) -> None:
        self._home = home
        self._screen = screen
        self._crew = crew
        self._queue = queue
        self._kill_import = kill_import
        self._target = Target(home / "target.db")
        self._watched: dict[str, Job[int]] = {}

    async def play(self) -> Mapping[str, Sequence[Figure]]:
        """The figures of each import. Raises DemoFailed if it takes too long, or a worker ends that should not."""
        watch, story = asyncio.ensure_future(self._watch()), asyncio.ensure_future(self._tell())
        try:
            await asyncio.wait((watch, story), timeout=LIMIT, return_when=asyncio.FIRST_COMPLETED)
            if story.done():
                return story.result()
            if watch.done():
                watch.result()
            raise DemoFailed(f"no end after {LIMIT:g} s")
        finally:
            watch.cancel()
            story.cancel()
            await asyncio.wait((watch, story))

    async def _tell(self) -> Mapping[str, Sequence[Figure]]:
        path = self._home / "characters.csv"
        job = await self._start(path.name, Columns())
        ledger = Ledger(self._target, job.id)
        await self._kill_one(ledger)
        # While the other worker goes on, and the lease of the dead one runs out:
        stopped = {
            "wrong-header.csv": await self._fail("wrong-header.csv", 1, "Code point"),
            "wrong-mapping.csv": await self._fail("wrong-mapping.csv", 2, "Name", columns=Columns(code_point="Name")),
            "bad-row.csv": await self._fail("bad-row.csv", BAD_ROW, "Code point", CHUNKS - 1),
        }
        rows = await job.result()
        self._finish(path.name, rows, "done")
        figures = await asyncio.to_thread(of_the_import, ledger, path, read_kills(self._crew.kills))
        return {path.name: figures, **stopped}

    async def _start(self, file: str, columns: Columns) -> Job[int]:
        # By name: what enqueues need not be able to import the task.
        call = self._queue.signature("import_file", str(self._home / file), asdict(columns))
        job: Job[int] = await call.options(by="demo", labels={"file": file}).enqueue()
        self._watched[file] = job
        return job

    async def _kill_one(self, ledger: Ledger) -> None:
        """Kill one worker while it holds chunks whose rows are committed and whose jobs are not acknowledged. By
        default not the one that runs the import itself, so that progress goes on being reported."""
        while len(holders := ledger.holders(_HELD)) < 2:  # noqa: ASYNC110 - a table tells nobody of its changes
            await asyncio.sleep(_LOOK)
        victim = next(worker for worker, runs_the_import in holders if runs_the_import == self._kill_import)
        self._crew.kill(victim)
        held = ledger.of_chunks("count(*)", f"worker = ? AND {COMMITTED} AND {BROKEN_OFF}", victim)
        (self._home / faults.HOLD_FILE).unlink()
        self._screen.say(
            f"worker {victim} is killed. {held} of its chunks are in the table and were not acknowledged: "
            f"they run again when its lease of {self._queue.settings.lease:g} s has run out"
        )

    async def _fail(
        self, file: str, row: int, column: str, most_chunks: int = 0, columns: Columns | None = None
    ) -> Sequence[Figure]:
        job = await self._start(file, columns or Columns())
        try:
            await job.result()
            ended = "not at all"
        except JobFailed as error:
            ended = error.ended
        ledger = Ledger(self._target, job.id)
        self._finish(file, ledger.rows(), "stopped")
        self._screen.say(f"stopped: {ledger.reason()}")
        return of_a_stopped_import(ledger, ended, row, column, most_chunks)

    def _finish(self, file: str, rows: int, note: str) -> None:
        del self._watched[file]
        self._screen.show(file, rows, ROWS, note)

    async def _watch(self) -> NoReturn:
        """Show what the imports say of themselves, and see that the workers live."""
        while not (dead := self._crew.dead()):
            for file, job in list(self._watched.items()):
                progress = (await job.info()).progress
                if progress is not None and file in self._watched:
                    self._screen.show(file, progress.done, progress.total or ROWS, progress.note or "")
            await asyncio.sleep(_LOOK)
        raise DemoFailed(", ".join(f"worker {pid} ended by itself, with code {code}" for pid, code in dead.items()))
