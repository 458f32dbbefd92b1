"""Tasks for processes, which import them by name."""

from __future__ import annotations

import os
import signal
import threading

from aioqueue import Abandon, AioQueue, Retry, Snooze

queue = AioQueue("memory://", processes=2, retries=0)


@queue.task(run_in="process")
def pid_and(n: int) -> tuple[int, int]:
    return os.getpid(), n


@queue.task(run_in="process", timeout=1.5)
def hang(path: str) -> None:
    with open(path, "w") as file:
        file.write(str(os.getpid()))
    threading.Event().wait()


@queue.task(run_in="process")
def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@queue.task(run_in="process", retries=1, backoff=0)
def die_once(path: str) -> str:
    if not os.path.exists(path):
        open(path, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return "alive"


class Transient(Exception): ...


@queue.task(run_in="process", retries=2, backoff=0, retry_on=Transient, give_up_on=())
def fail(path: str, kind: str) -> None:
    with open(path, "a") as file:
        file.write(".")
    raise {"transient": Transient, "other": KeyError, "exit": SystemExit, "abandon": Abandon, "retry": Retry}[kind](
        kind
    )


@queue.task(run_in="process")
def snooze(path: str) -> str:
    if not os.path.exists(path):
        open(path, "w").close()
        raise Snooze(0.01)
    return "awake"


@queue.task(run_in="process")
def give(n: int) -> bytes:
    return b"x" if n else 5  # type: ignore[return-value]
