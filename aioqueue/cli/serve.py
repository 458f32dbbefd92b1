"""One worker in this process: `aioqueue run` without --processes, and each child of one with it."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..app import AioQueue
from ..core.events import WorkerStarted
from ..worker.exit import ExitCode
from ..worker.signals import Signals
from ..worker.worker import Worker
from . import logs
from .ending import Ending
from .load import load
from .startup import greeting, oddities

log = logging.getLogger("aioqueue.cli")

READY = b"r"


@dataclass(frozen=True, slots=True)
class Serving:
    """What `aioqueue run` was told. `parent` is the socket to the parent, if this is a child of one; of several
    children only the `first` introduces itself. Durations are seconds."""

    target: str | None
    queues: Sequence[str] | None = None
    concurrency: int | None = None
    name: str | None = None
    grace: float | None = None
    burst: bool = False
    parent: int | None = None
    first: bool = True


def serve(told: Serving, signals: Signals) -> int:
    """Run one worker until it ends; the exit code. Raises ConfigurationError, or BrokerUnavailable."""
    parent = None if told.parent is None else _follow(told.parent, signals)
    queue = load(told.target)
    logs.adopt()
    worker = queue.worker(
        name=told.name, queues=told.queues, concurrency=told.concurrency, grace=told.grace, burst=told.burst
    )
    factory, loop = _loop()
    with asyncio.Runner(loop_factory=factory) as runner:
        return int(runner.run(_serve(queue, worker, signals, parent, loop if told.first else None)))


async def _serve(
    queue: AioQueue, worker: Worker, signals: Signals, parent: socket.socket | None, loop: str | None
) -> ExitCode:
    ending = Ending(worker)

    def ready(event: WorkerStarted) -> None:
        ending.started = True
        log.info("ready: %s takes jobs from %s", event.worker, ", ".join(event.queues))
        if parent is not None:
            _tell(parent)

    queue.on(WorkerStarted)(ready)
    with signals.attending(ending):
        async with queue:
            if loop is not None:
                _introduce(queue, worker, loop)
            try:
                code = await worker.run()
            except Exception:
                ending.close(1)
                raise
            log.info("ended: %s", code.name.lower())
            ending.close(code)
    return code


def _introduce(queue: AioQueue, worker: Worker, loop: str) -> None:
    connection = queue.connection
    for line in greeting(queue, worker, connection, loop):
        log.info("%s", line)
    for line in oddities(queue, worker, connection):
        log.warning("%s", line)


def _loop() -> tuple[Callable[[], asyncio.AbstractEventLoop] | None, str]:
    try:
        import uvloop
    except ImportError:
        return None, "asyncio's loop"
    return uvloop.new_event_loop, "uvloop"


def _follow(descriptor: int, signals: Signals) -> socket.socket:
    """The socket to the parent, which sends how many signals there were: a number, so that one which reaches parent
    and child both, as from a service manager, is still one. When the parent dies, however it dies, the socket ends,
    and this process drains."""
    parent = socket.socket(fileno=descriptor)
    parent.set_inheritable(False)

    def listen() -> None:
        try:
            while count := parent.recv(1):
                signals.reach(count[0])
        except OSError:
            pass  # as good as the end
        signals.reach(1)

    threading.Thread(target=listen, name="aioqueue parent", daemon=True).start()
    return parent


def _tell(parent: socket.socket) -> None:
    try:
        parent.send(READY)
    except OSError:
        pass  # it has died; the thread that watches it says so
