"""Several workers as child processes: started, told of signals, and started again when they die."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
import time
from collections.abc import Sequence

from ..worker.exit import ExitCode

log = logging.getLogger("aioqueue.cli")

_FIRST_PAUSE, _LAST_PAUSE = 0.1, 30.0  # seconds before a child that died is started again
_SETTLED = 60.0  # seconds of life after which the next pause is the first one again
_KILL = 1.0  # seconds that children have to go after the third signal


class Child:
    """One process, and the socket by which each side learns of the other's death."""

    def __init__(self, process: asyncio.subprocess.Process, line: socket.socket) -> None:
        self.process = process
        self.line = line

    def tell(self, count: int) -> None:
        """Say how many signals there were. Not by a signal: it may hear one by itself, and must not count it twice."""
        try:
            self.line.send(bytes([count]))
        except OSError:
            pass  # it has ended by itself meanwhile

    async def ready(self) -> bool:
        """Wait until it takes jobs; false if it is gone before."""
        try:
            return bool(await asyncio.get_running_loop().sock_recv(self.line, 1))
        except OSError:
            return False

    async def ended(self) -> int:
        """Its exit code; negative if a signal killed it."""
        return await self.process.wait()


class Children:
    """Runs `count` children of a command, to which each one's own options are added."""

    def __init__(self, command: Sequence[str], count: int, *, name: str | None, burst: bool) -> None:
        self._command = command
        self._count = count
        self._name = name
        self._burst = burst
        self._asked = asyncio.Event()
        self._running: dict[int, Child] = {}
        self._tried = asyncio.Event()  # the first child takes jobs, or has ended
        self._introduced = False

    async def run(self) -> int:
        """Run them until they have ended by request; the worst of their exit codes."""
        log.info("starting %d workers", self._count)
        async with asyncio.TaskGroup() as group:
            keeping = [group.create_task(self._keep(0))]
            # The first says what is wrong, if something is, and the others need not say it again.
            await self._tried.wait()
            keeping += [group.create_task(self._keep(index)) for index in range(1, self._count)]
        codes = [task.result() for task in keeping]
        return int(ExitCode.USAGE) if ExitCode.USAGE in codes else max(codes)

    def drain(self) -> None:
        """Ask all to end."""
        self._asked.set()
        self._tell_all(1)

    def interrupt(self) -> None:
        """Ask all to end now."""
        self._tell_all(2)

    def force(self) -> None:
        """Have all end at once."""
        self._tell_all(3)
        asyncio.get_running_loop().call_later(_KILL, self._kill_all)

    def _tell_all(self, count: int) -> None:
        for child in self._running.values():
            child.tell(count)

    def _kill_all(self) -> None:
        for child in self._running.values():
            child.process.kill()

    async def _keep(self, index: int) -> int:
        pause = _FIRST_PAUSE
        while not self._asked.is_set():
            born = time.monotonic()
            code = await self._one_life(index)
            if code == ExitCode.USAGE:
                self.drain()
            self._tried.set()
            if self._asked.is_set():
                # Killed by a signal of its own: it had not even started.
                return 0 if code == -signal.SIGTERM else _as_exit_code(code)
            if code == ExitCode.DRAINED and self._burst:
                return code
            if time.monotonic() - born >= _SETTLED:
                pause = _FIRST_PAUSE
            log.warning("worker %d ended by itself (%s) and is started again in %.1f s", index + 1, _said(code), pause)
            await self._pause(pause)
            pause = min(_LAST_PAUSE, pause * 2)
        return 0

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._asked.wait()
        except TimeoutError:
            pass

    async def _one_life(self, index: int) -> int:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        try:
            with theirs:
                process = await asyncio.create_subprocess_exec(
                    *self._arguments(index, theirs.fileno()),
                    pass_fds=[theirs.fileno()],
                    # A terminal's Ctrl-C goes to its whole process group: they are to hear of it from us.
                    start_new_session=True,
                )
            child = self._running[index] = Child(process, ours)
            log.info("worker %d is process %d", index + 1, process.pid)
            if self._asked.is_set():
                child.tell(1)
            if index == 0 and not self._introduced and await child.ready():
                self._introduced = True
                self._tried.set()
            return await child.ended()
        finally:
            self._running.pop(index, None)
            ours.close()

    def _arguments(self, index: int, line: int) -> list[str]:
        own = ["--parent", str(line)]
        if self._name is not None:
            own += ["--name", f"{self._name}-{index + 1}"]
        if index == 0 and not self._introduced:
            own.append("--first")
        return [sys.executable, "-m", "aioqueue", "run", *self._command, *own]


def _as_exit_code(code: int) -> int:
    return code if code >= 0 else 128 - code


def _said(code: int) -> str:
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"
