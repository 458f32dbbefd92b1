"""The watchdog: sees from a thread of its own when the event loop is blocked, says by what, and ends a process whose
loop stays blocked."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable

from ..core.events import LoopBlocked
from .exit import ExitCode
from .hooks import Hooks

log = logging.getLogger("aioqueue.worker")

_TICK = 0.5  # seconds between looks; also the most that a short block may go unseen
_WORTH_A_WORD = 1.0  # seconds of blocking that are reported


class Watchdog:
    """Watches the loop it is run on. Past `max_block` seconds it calls `give_back`, on its own thread, and exits."""

    def __init__(self, max_block: float, hooks: Hooks, give_back: Callable[[], int]) -> None:
        self._max_block = max_block
        self._hooks = hooks
        self._give_back = give_back
        self._stop = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._watched = threading.get_ident()
        self._beat = time.monotonic()
        self._reported: tuple[float, str] | None = None  # how long it was blocked when that was said, and by what

    async def run(self) -> None:
        """Watch until cancelled."""
        threading.Thread(target=self._serve, name="aioqueue watchdog", daemon=True).start()
        try:
            await asyncio.Event().wait()
        finally:
            self._stop.set()

    def _alive(self) -> None:
        now = time.monotonic()
        blocked, self._beat = now - self._beat, now
        if self._reported is not None:
            said, stack = self._reported
            self._reported = None
            # The loop may have come back just before the word was out.
            blocked = max(blocked, said)
            log.warning("the event loop runs again, after %.1f s", blocked)
            self._hooks.send(LoopBlocked(blocked, stack))

    def _serve(self) -> None:
        say_at = _WORTH_A_WORD
        looked = time.monotonic()
        while not self._stop.wait(_TICK):
            now = time.monotonic()
            # What this thread overslept, the whole process stood still: stopped, or without a processor.
            self._beat += max(0.0, now - looked - _TICK)
            looked = now
            try:
                self._loop.call_soon_threadsafe(self._alive)
            except RuntimeError:
                return  # the loop has closed
            blocked = now - self._beat
            if blocked < _WORTH_A_WORD:
                say_at = _WORTH_A_WORD
            elif blocked >= self._max_block:
                self._exit(blocked)
            elif blocked >= say_at:
                say_at = blocked * 4
                self._say(blocked)

    def _say(self, blocked: float) -> None:
        stack = self._stack()
        self._reported = (blocked, stack)
        log.warning(
            "the event loop has been blocked for %.1f s; use await, a def task, or run_in='process'. It is at:\n%s",
            blocked, stack,
        )  # fmt: skip

    def _exit(self, blocked: float) -> None:
        log.critical(
            "the event loop has been blocked for %.0f s, longer than max_block; this process ends. It is at:\n%s",
            blocked, self._stack(),
        )  # fmt: skip
        try:
            log.critical("%d jobs that had not started were given back", self._give_back())
        except Exception:
            log.exception("jobs that had not started could not be given back; their leases will run out")
        for handler in logging.getLogger().handlers:
            handler.flush()
        os._exit(ExitCode.BLOCKED)

    def _stack(self) -> str:
        frame = sys._current_frames().get(self._watched)
        return "".join(traceback.format_stack(frame)[-15:]) if frame else "(its thread has ended)"
