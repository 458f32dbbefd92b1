"""One attempt: from a message to an outcome. It decodes, calls the task, and says how that ended; it never raises.

It does not know the broker: what becomes of the outcome is the orchestrator's business.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable
from enum import Enum
from random import Random
from typing import Any

from ..core.clock import Clock
from ..core.context import Context, enter
from ..core.judge import Policy, TimedOut, as_text, invalid, judge
from ..core.message import Message
from ..core.outcome import Cancelled, Failed, Interrupted, Outcome, Run, Succeeded
from ..core.record import Progress
from ..core.rules import RunIn
from ..core.state import Ended
from ..core.task import Task
from ..drivers.base import Delivery
from ..errors import CodecError, InvalidArguments
from .hooks import Hooks
from .processes import Processes, outcome_of
from .threads import Call, Raised, Threads


class Ending(Enum):
    """Why we asked an attempt to end."""

    TIMEOUT = "it reached its time limit"
    CANCELLED = "it was cancelled"
    STOPPING = "its worker stops"
    LOST = "its lease was lost"


class Surroundings:
    """What all attempts of a worker share."""

    def __init__(
        self,
        *,
        worker: str,
        clock: Clock,
        random: Random,
        hooks: Hooks,
        threads: Threads,
        processes: Processes,
        state: Any,
    ) -> None:
        self.worker = worker
        self.clock = clock
        self.random = random
        self.hooks = hooks
        self.threads = threads
        self.processes = processes
        self.state = state


class Attempt:
    """One run of a message. `timeout` is in seconds, None for none."""

    __slots__ = (
        "announced", "around", "begin", "call", "delivery", "ending", "handle", "message", "policy", "progress",
        "renew_until", "run", "suspect", "task", "timeout", "written",
    )  # fmt: skip

    def __init__(
        self,
        delivery: Delivery,
        message: Message,
        task: Task[..., Any, ..., Any],
        policy: Policy,
        timeout: float | None,
        run: Run,
        around: Surroundings,
        suspect: bool,
        begin: Callable[[Attempt], None],
    ) -> None:
        self.delivery = delivery
        self.message = message
        self.task = task
        self.policy = policy
        self.timeout = timeout
        self.run = run
        self.around = around
        self.suspect = suspect
        self.begin = begin  # called when the body starts: what waits for a thread or a process does not run yet
        self.announced = False
        self.renew_until: float | None = None
        self.ending: Ending | None = None
        self.handle: asyncio.Task[None] | None = None
        self.call: Call | None = None
        self.progress: Progress | None = None
        self.written: Progress | None = None  # the progress that the store has

    async def outcome(self) -> Outcome:
        """Run the task to its end, and say how it ended."""
        task = self.task
        try:
            try:
                args, kwargs = task.parameters.decode(self.message.args, self.message.kwargs)
            except InvalidArguments as error:
                return invalid(error)
            if task.rules.run_in is RunIn.LOOP and not self.around.hooks.middleware:
                context = self._context()
                enter(context)
                self.begin(self)
                value = await (
                    task.function(context, *args, **kwargs) if task.wants_context else task.function(*args, **kwargs)
                )
            else:
                value = await self._elsewhere(args, kwargs)
            return self._returned(value)
        except BaseException as error:
            return self._raised(error)

    def _context(self) -> Context:
        run = self.run
        return Context(
            self.message,
            worker=run.worker,
            attempts=run.attempts,
            redeliveries=self.delivery.redeliveries,
            crashes=run.crashes,
            state=self.around.state,
            report=self._report,
            cancelled=self._is_ending,
        )

    def _report(self, progress: Progress) -> None:
        self.progress = progress

    def _is_ending(self) -> bool:
        return self.ending is not None

    async def _elsewhere(self, args: Any, kwargs: dict[str, Any]) -> Any:
        task = self.task
        context = self._context()
        enter(context)
        if task.wants_context:
            args = (context, *args)
        match task.rules.run_in:
            case RunIn.LOOP:
                return await self._run(context, lambda: task.function(*args, **kwargs))
            case RunIn.THREAD:
                async with self.around.threads.slots:
                    return await self._run(context, lambda: self._in_thread(lambda: task.function(*args, **kwargs)))
            case RunIn.PROCESS:
                async with self.around.processes.slots:
                    return await self._run(context, self._in_process)

    async def _run(self, context: Context, body: Callable[[], Awaitable[Any]]) -> Any:
        # Middleware belongs to the run: its time counts, and its failure spends the attempt.
        self.begin(self)
        return await self.around.hooks.wrap(context, body)()

    async def _in_thread(self, function: Callable[[], Any]) -> Any:
        self.call = self.around.threads.submit(function, contextvars.copy_context())
        try:
            value = await self.call.future
        finally:
            self.call = None  # what middleware does afterwards can be cancelled
        if isinstance(value, Raised):
            raise value.error
        return value

    async def _in_process(self) -> Any:
        message = self.message
        future = self.around.processes.submit(self.task, bytes(message.args), bytes(message.kwargs))
        return self.task.returns.decode(await outcome_of(future))

    def end(self, why: Ending) -> None:
        """Ask the attempt to end: its coroutine is cancelled, a child process killed. A thread can only be asked
        (`Context.cancelled`), and one that does not look is given up in time."""
        if self.ending is None:
            self.ending = why
        if self.handle is not None:
            # Not at once: a task that is cancelled before its first step never comes to its settling.
            self.handle.get_loop().call_soon(self._cancel)

    def _cancel(self) -> None:
        if self.handle is not None and self.call is None:
            self.handle.cancel()

    def give_up(self) -> bool:
        """Wait no longer for a thread that does not end: the attempt ends now, without it. False if it has none."""
        if self.call is None:
            return False
        self.around.threads.give_up(self.call)
        return True

    def _returned(self, value: Any) -> Outcome:
        if self.ending in (None, Ending.STOPPING):
            try:
                return Succeeded(self.task.returns.encode(value))
            except CodecError as error:
                text = as_text(error)
                return Failed(Ended.PERMANENT, f"failed for good: {text.message}", text)
        return self.ended()

    def _raised(self, error: BaseException) -> Outcome:
        if self.ending is not None:
            return self.ended()
        if isinstance(error, asyncio.CancelledError):
            # Nobody asked for this one: the task cancelled itself, or something it awaited was cancelled.
            error = RuntimeError("the task was cancelled from within: something it awaited was cancelled")
        return judge(error, self.run_number, self.policy, self.around.clock.now(), self.around.random)

    @property
    def run_number(self) -> int:
        """Which attempt this is, from 1."""
        return self.message.attempt + 1

    def ended(self) -> Outcome:
        """The outcome of an attempt that we asked to end."""
        match self.ending:
            case Ending.TIMEOUT:
                error = TimedOut(f"no end after its timeout of {self.timeout:g} s")
                return judge(error, self.run_number, self.policy, self.around.clock.now(), self.around.random)
            case Ending.CANCELLED:
                return Cancelled("cancelled by request")
            case _:
                return Interrupted(self.ending.value if self.ending else "")
