"""The executor: slots for so many attempts at once, and a short line before them. It starts them, holds them to their
limits, and hands on how each ended. Taking messages and settling them is not its business."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence

from ..core.outcome import Outcome
from .attempt import Attempt, Ending
from .deadlines import Deadlines
from .pace import LONGEST_WAIT, Pace

log = logging.getLogger("aioqueue.worker")

END_PATIENCE = 5.0  # seconds an attempt has to end once it was asked to


class Executor:
    """At most `concurrency` attempts run at once. `ended` is called, once, with each attempt and its outcome, and
    `returned` with those that are given back from the line without having run; neither may raise or wait."""

    def __init__(
        self,
        concurrency: int,
        grace: float,
        ended: Callable[[Attempt, Outcome], None],
        returned: Callable[[Sequence[Attempt]], None],
    ) -> None:
        self.concurrency = concurrency
        self.line: deque[Attempt] = deque()  # received ahead, and waiting for a slot
        self.running: dict[Attempt, None] = {}  # in the order they were given a slot
        self.abandoned: set[Attempt] = set()  # asked to end, and running on all the same; they hold no slot
        self.suspect: Attempt | None = None
        self._grace = grace
        self._ended = ended
        self._returned = returned
        self._pace = Pace(concurrency)
        self._closed_line = False
        self._loop = asyncio.get_running_loop()
        self._deadlines: Deadlines[Attempt] = Deadlines(self._too_late)
        self._space = asyncio.Event()
        self._space.set()
        self._idle = asyncio.Event()
        self._idle.set()

    def free(self) -> int:
        """For how many attempts there is room: those that have a slot at once, and those that get one in a moment."""
        return self.concurrency + self._pace.ahead() - len(self.running) - len(self.line)

    async def room(self) -> int:
        """As `free`; waits for the first."""
        while (free := self.free()) <= 0:
            self._space.clear()
            await self._space.wait()
        return free

    async def idle(self) -> None:
        """Wait until nothing runs, and nothing waits to."""
        await self._idle.wait()

    def start(self, attempt: Attempt) -> None:
        """Give the attempt a slot, as soon as one is free."""
        if attempt.suspect:
            self.suspect = attempt
        self._idle.clear()
        if len(self.running) < self.concurrency:
            self._launch(attempt)
            return
        self.line.append(attempt)
        if len(self.line) == 1:
            self._loop.call_later(LONGEST_WAIT, self._check_line, attempt)
        if self._closed_line:
            self.return_line()

    def _launch(self, attempt: Attempt) -> None:
        self.running[attempt] = None
        attempt.handle = self._loop.create_task(self._run(attempt))

    def _check_line(self, first: Attempt) -> None:
        if not self.line:
            return
        if self.line[0] is first:
            self._pace.broke()
            self.return_line()
        else:
            self._loop.call_later(LONGEST_WAIT, self._check_line, self.line[0])

    def return_line(self) -> None:
        """Give back what waits for a slot: another worker may have one."""
        waiting = list(self.line)
        self.line.clear()
        if self.suspect in waiting:
            self.suspect = None
        if not self.running:
            self._idle.set()
        if waiting:
            self._returned(waiting)

    def close_line(self) -> None:
        """Start nothing any more but what has a slot already."""
        self._closed_line = True
        self.return_line()

    def begin(self, attempt: Attempt) -> None:
        """The attempt's body starts now: so does its time."""
        around = attempt.around
        attempt.run.started = around.clock.now()
        if attempt.timeout is not None:
            attempt.renew_until = around.clock.monotonic() + attempt.timeout + self._grace
            self._deadlines.add(attempt, attempt.timeout)

    async def _run(self, attempt: Attempt) -> None:
        outcome = await attempt.outcome()
        if attempt in self.abandoned:
            self.abandoned.discard(attempt)
            log.warning(
                "job %s: the abandoned attempt has ended after all; its outcome was dropped", attempt.message.id
            )
        else:
            self._finish(attempt, outcome)

    def _finish(self, attempt: Attempt, outcome: Outcome) -> None:
        running = self.running
        del running[attempt]
        if attempt.timeout is not None:
            self._deadlines.strike(attempt, attempt.timeout)
        if attempt is self.suspect:
            self.suspect = None
        self._pace.ended += 1
        if self.line:
            self._launch(self.line.popleft())
        elif not running:
            self._idle.set()
        self._space.set()
        self._ended(attempt, outcome)

    def end(self, attempt: Attempt, why: Ending) -> None:
        """Ask a running attempt to end. One that does not within END_PATIENCE is abandoned."""
        if attempt in self.running and attempt.ending is None:
            attempt.end(why)
            self._loop.call_later(END_PATIENCE, self._abandon, attempt)

    def end_all(self, why: Ending) -> None:
        """Ask all running attempts to end."""
        for attempt in list(self.running):
            self.end(attempt, why)

    def abandon_all(self) -> None:
        """Wait no longer for attempts that were asked to end."""
        for attempt in list(self.running):
            self._abandon(attempt)

    def stuck(self) -> int:
        """How many attempts run on though nobody waits for them any more."""
        return len(self.abandoned)

    def _too_late(self, attempt: Attempt) -> None:
        log.warning(
            "job %s (%s): attempt %d reached its timeout of %g s",
            attempt.message.id, attempt.message.task, attempt.run_number, attempt.timeout,
        )  # fmt: skip
        self.end(attempt, Ending.TIMEOUT)

    def _abandon(self, attempt: Attempt) -> None:
        if attempt not in self.running:
            return
        log.error(
            "job %s (%s): attempt %d was asked to end (%s) and runs on; it is abandoned, and what it does is dropped",
            attempt.message.id, attempt.message.task, attempt.run_number, attempt.ending and attempt.ending.value,
        )  # fmt: skip
        if attempt.give_up():
            return  # a thread: the attempt goes on without it, and ends now
        self.abandoned.add(attempt)
        self._finish(attempt, attempt.ended())

    def close(self) -> None:
        """Forget all limits."""
        self._deadlines.close()
