"""Threads for `def` tasks: as many as are needed, up to a bound.

The standard ThreadPoolExecutor will not do: at exit it waits for its threads, and a task that hangs would keep the
process from ending. These are daemons, and one that is given up no longer counts against the bound.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextvars import Context as Variables
from typing import Any


class Call:
    """One call on its way through a thread."""

    __slots__ = ("abandoned", "finished", "function", "future", "loop")

    def __init__(self, function: Callable[[], Any], loop: asyncio.AbstractEventLoop) -> None:
        self.function = function
        self.loop = loop
        self.future: asyncio.Future[Any] = loop.create_future()
        self.abandoned = False
        self.finished = False

    def run(self) -> None:
        try:
            value, error = self.function(), None
        except BaseException as raised:
            # StopIteration cannot be set on a future; SystemExit must not end the thread unseen.
            value, error = (
                None,
                RuntimeError("the task raised StopIteration") if isinstance(raised, StopIteration) else raised,
            )
        try:
            self.loop.call_soon_threadsafe(self._tell, value, error)
        except RuntimeError:
            return  # the loop has closed: the task outlived its worker

    def _tell(self, value: Any, error: BaseException | None) -> None:
        if self.future.done():
            return
        if error is None:
            self.future.set_result(value)
        else:
            self.future.set_result(Raised(error))


class Raised:
    """An error that came out of a call. In a box: a future refuses or mistreats some (StopIteration, SystemExit)."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


class Threads:
    """A pool of threads. Callers take one of its `slots` first: those are the bound."""

    def __init__(self, most: int) -> None:
        self._line: deque[Call] = deque()
        self._changed = threading.Condition()
        self._idle = 0
        self._count = 0
        self._closed = False
        self.slots = asyncio.Semaphore(most)
        self.given_up = 0  # threads that run on though nobody waits for them

    def submit(self, function: Callable[[], Any], variables: Variables) -> Call:
        """Run `function` in a thread, within these context variables."""
        call = Call(lambda: variables.run(function), asyncio.get_running_loop())
        with self._changed:
            self._line.append(call)
            if self._idle >= len(self._line):
                self._changed.notify()
            else:
                self._start()
        return call

    def give_up(self, call: Call) -> None:
        """Wait no longer for this call: it ends now for whoever awaits it, and another thread takes its thread's
        place."""
        with self._changed:
            if call.finished:
                return  # its answer is on its way to the loop
            call.abandoned = True
            self._count -= 1
            self.given_up += 1
        if not call.future.done():
            call.future.set_result(Raised(asyncio.CancelledError()))

    def close(self) -> None:
        """Let idle threads end. Running calls go on, and hold nothing up."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _start(self) -> None:
        self._count += 1
        threading.Thread(target=self._serve, name="aioqueue task", daemon=True).start()

    def _serve(self) -> None:
        while (call := self._next()) is not None:
            call.run()
            with self._changed:
                call.finished = True
                if call.abandoned:
                    self.given_up -= 1
                    return  # its place was given away

    def _next(self) -> Call | None:
        with self._changed:
            while not self._line:
                if self._closed:
                    self._count -= 1
                    return None
                self._idle += 1
                self._changed.wait()
                self._idle -= 1
            return self._line.popleft()
