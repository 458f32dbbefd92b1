"""Signals: SIGTERM and SIGINT, counted. The first drains, the second interrupts, the third ends the process at once."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol, Self

from .exit import ExitCode

NUMBERS = (signal.SIGTERM, signal.SIGINT)

# Seconds in which a signal that is not answered yet swallows the next: `timeout` and many a wrapper signal their child,
# and then once more their whole group.
_ONE = 0.1


class Drainable(Protocol):
    """What a signal ends in good order: a worker, or what supervises some."""

    def drain(self) -> None: ...

    def interrupt(self) -> None: ...


def exit_forced() -> None:
    """End this process at once. What it held is delivered again when its leases have run out."""
    os._exit(ExitCode.FORCED)


class Signals:
    """Within it, a signal no longer ends the process: it is counted, and passed to whoever attends. One that comes
    before anybody does is kept for whoever comes first; the third calls `force`, whatever the loop is busy with.

    Only in the main thread."""

    def __init__(self, force: Callable[[], object] = exit_forced) -> None:
        self.count = 0
        self._direct = 0  # of them, those that came as signals
        self._force = force
        self._told = 0
        self._last = -_ONE
        self._target: Drainable | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> Self:
        self._before = {number: signal.getsignal(number) for number in NUMBERS}
        self._listen()
        return self

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what getsignal gave, set as it was

    @contextmanager
    def attending(self, target: Drainable) -> Iterator[None]:
        """Pass signals to `target`, on the running loop, for as long as this lasts."""
        loop = asyncio.get_running_loop()
        self._target, self._loop = target, loop
        for number in NUMBERS:
            # The loop's own handler would not run while a task blocks the loop, and a third signal must count then
            # too. It is added for what it does besides: a signal now wakes the loop out of its wait.
            loop.add_signal_handler(number, _nothing)
        self._listen()
        self._tell()
        try:
            yield
        finally:
            for number in NUMBERS:
                loop.remove_signal_handler(number)
            self._listen()
            self._target = self._loop = None

    def _listen(self) -> None:
        for number in NUMBERS:
            signal.signal(number, self._heed)

    def reach(self, count: int) -> None:
        """As if so many signals had come by now: for another way by which the end is asked for. From any thread."""
        if count <= self.count:
            return
        self.count = count
        if count >= 3:
            self._force()
        elif self._loop is not None:
            try:
                self._loop.call_soon_threadsafe(self._tell)
            except RuntimeError:
                return  # the loop has closed: there is nothing left to end

    def _heed(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        answered = self._told >= min(self.count, 2)
        if answered or now - self._last >= _ONE:
            self._last = now
            # Not one more than were counted: a service manager signals parent and child alike, and what the parent
            # passes on may be here before the signal itself is.
            self._direct += 1
            self.reach(self._direct)

    def _tell(self) -> None:
        if self._target is None:
            return
        while self._told < min(self.count, 2):
            self._told += 1
            if self._told == 1:
                self._target.drain()
            else:
                self._target.interrupt()


def _nothing() -> None:
    pass
