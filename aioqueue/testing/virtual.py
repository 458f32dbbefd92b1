"""An event loop whose time is virtual: when nothing is ready it jumps to the next timer, so that hours take
milliseconds, the same way each time. Knows asyncio, nothing of queues.

    async def world(world: World) -> None:
        async with asyncio.timeout(3600):      # a virtual hour
            await asyncio.sleep(1800)
            assert world.clock.monotonic() == 1800

    run_virtual(world, seed=7)
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from dataclasses import dataclass
from random import Random
from typing import Any, TypeVar, TypeVarTuple, Unpack

from .clock import START

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_THREAD_PATIENCE = 30.0  # real seconds that the loop stands still for a function in its executor
_WEEK = 7 * 24 * 3600.0


class Deadlock(RuntimeError):
    """Nothing is ready and nothing is scheduled, so nothing could ever happen again. Names what waits for what."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop with virtual time. While a function runs in its executor, time stands still until the function returns;
    of threads started in other ways it knows nothing. Sockets work, but nobody should wait for another process:
    the loop would jump to its next timer meanwhile.

    `limit` is the virtual second at which the loop gives up: workers with timers of their own never deadlock, they
    tick for ever.
    """

    def __init__(self, limit: float = _WEEK) -> None:
        self._virtual = 0.0
        self._limit = limit
        self._in_threads = 0
        super().__init__(_JumpingSelector(self))

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._virtual

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        future = super().run_in_executor(executor, func, *args)
        self._in_threads += 1
        future.add_done_callback(self._back_from_thread)
        return future

    async def shutdown_default_executor(self, *args: Any, **kwargs: Any) -> None:
        self._in_threads += 1  # it waits for the executor's threads from a thread of its own
        try:
            await super().shutdown_default_executor(*args, **kwargs)
        finally:
            self._in_threads -= 1

    def _back_from_thread(self, _: object) -> None:
        self._in_threads -= 1

    def jump(self, timeout: float | None) -> float:
        """Nothing is ready for `timeout` seconds (None: ever). Gives the real seconds to wait before asking again."""
        if self._in_threads:
            return _THREAD_PATIENCE
        if timeout is None:
            raise Deadlock(
                f"deadlock at {self._virtual:.3f} s: nothing is ready and nothing is scheduled{self._stuck()}"
            )
        if self._virtual + timeout > self._limit:
            raise TimeoutError(f"virtual time ran past its limit of {self._limit:.0f} s{self._stuck()}")
        self._virtual += timeout
        return 0.0

    def _stuck(self) -> str:
        waiting = sorted(_where(task) for task in asyncio.all_tasks(self))
        return "".join(f"\n  {line}" for line in waiting) or "; no task is left"


class _JumpingSelector(selectors.DefaultSelector):
    """Asks the real selector without waiting, and lets the loop jump instead."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0)
        if found or (timeout is not None and timeout <= 0):
            return found
        wait = self._loop.jump(timeout)
        return super().select(wait) if wait else found


def _where(task: asyncio.Task[Any]) -> str:
    stack = task.get_stack(limit=1)
    place = f" at {stack[0].f_code.co_filename}:{stack[0].f_lineno}" if stack else ""
    return f"{task.get_name()} ({getattr(task.get_coro(), '__qualname__', '?')}){place}"


class VirtualClock:
    """A Clock that reads a loop's virtual time."""

    __slots__ = ("_loop", "_start")

    def __init__(self, loop: asyncio.AbstractEventLoop, start: float = START) -> None:
        self._loop = loop
        self._start = start

    def now(self) -> float:
        """Seconds since 1970."""
        return self._start + self._loop.time()

    def monotonic(self) -> float:
        """Seconds since the loop was made."""
        return self._loop.time()


@dataclass(frozen=True, slots=True)
class World:
    """What a world under virtual time is made with, to inject into everything in it."""

    clock: VirtualClock
    random: Random

    def entropy(self, n: int) -> bytes:
        """`n` random bytes, the same for the same seed: for core.ids.Ids."""
        return self.random.randbytes(n)


def run_virtual(main: Callable[[World], Coroutine[Any, Any, T]], seed: int = 0, *, limit: float = _WEEK) -> T:
    """Run `main` to its end on a loop of virtual time, and give what it returns. What it left running is cancelled.

    Raises Deadlock when nothing can happen any more, TimeoutError when `limit` virtual seconds are over.
    """
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(limit)) as runner:
        world = World(VirtualClock(runner.get_loop()), Random(seed))
        return runner.run(main(world))
