"""AioQueue: the wiring. What it wires lives elsewhere."""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from random import Random
from typing import Any, Concatenate, ParamSpec, Protocol, Self, TypedDict, TypeVar, Unpack, overload

from . import settings as _settings
from .client import Client
from .commit.patience import patiently
from .connection import Connection, connect
from .core.clock import Clock, SystemClock
from .core.context import Context
from .core.events import Event
from .core.ids import Ids
from .core.redact import redact
from .core.results import decode_untyped
from .core.rules import RegisterOptions, make_rules
from .core.signature import NO_OPTIONS, Signature, check_name
from .core.task import Task
from .drivers.base import Commit, ResultStore
from .errors import ConfigurationError, DuplicateTask
from .job import Desk, Job
from .worker.hooks import Hooks, Listener, Middleware
from .worker.worker import Worker

P = ParamSpec("P")
R = TypeVar("R")
Lifespan = Callable[["AioQueue"], AbstractAsyncContextManager[Any]]


class SettingsArguments(TypedDict, total=False):
    """The settings that AioQueue takes as arguments; see settings.Settings. Durations are seconds or a timedelta."""

    queue: str
    retries: int
    timeout: float | timedelta | None
    priority: int
    lease: float | timedelta
    grace: float | timedelta
    max_crashes: int
    max_block: float | timedelta
    max_abandoned: int
    unknown_patience: float | timedelta
    concurrency: int
    threads: int
    processes: int | None
    keep_results: float | timedelta
    keep_failures: float | timedelta
    keep_dead: float | timedelta
    patience: float | timedelta
    max_message: int


class Register(Protocol):
    """What `@queue.task(…)` is: it takes a function, and gives the task with the function's own types."""

    @overload
    def __call__(
        self, function: Callable[Concatenate[Context, P], Coroutine[Any, Any, R]], /
    ) -> Task[Concatenate[Context, P], Coroutine[Any, Any, R], P, R]: ...

    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> Task[P, Coroutine[Any, Any, R], P, R]: ...

    @overload
    def __call__(self, function: Callable[Concatenate[Context, P], R], /) -> Task[Concatenate[Context, P], R, P, R]: ...

    @overload
    def __call__(self, function: Callable[P, R], /) -> Task[P, R, P, R]: ...


class AioQueue:
    """A job queue: the tasks it knows, and the way to a broker and a result store.

        queue = AioQueue()          # an SQLite file at the project's root
        queue = AioQueue("memory://")

    It is inert until its first use. `async with queue:` opens it and closes it in good order; without that it opens at
    the first call and stays open. It belongs to the event loop it was opened on.

    `url` and `results` say where messages and results are kept; `results=None` keeps none, and by default they are kept
    where the messages are. `lifespan` is an async context manager of the queue that each worker enters; what it yields
    is `Context.state` in every task. Other settings are those of `settings.Settings`. Raises ConfigurationError.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        results: str | None = "same",
        lifespan: Lifespan | None = None,
        clock: Clock | None = None,
        seed: int | None = None,
        **settings: Unpack[SettingsArguments],
    ) -> None:
        given: dict[str, Any] = dict(settings)
        if url is not None:
            given["url"] = url
        if results != "same":
            given["results"] = results
        self.settings = _settings.load(given)
        self.tasks: dict[str, Task[..., Any, ..., Any]] = {}
        self.lifespan = lifespan
        self.clock: Clock = clock or SystemClock()
        self.random = Random(seed)
        self.hooks = Hooks()
        entropy = os.urandom if seed is None else self.random.randbytes
        self._desk = Desk(self.clock, self._decode, self._opened_store)
        self._client = Client(self.settings, self.clock, Ids(self.clock, entropy), self.random, self._desk, self._ready)
        self._connection: Connection | None = None
        self._left: Connection | None = None
        self._opening: asyncio.Lock | None = None
        self._borrowers = 0  # for how many `opened` lasts
        self._lent = False  # open for them alone

    # Tasks

    @overload
    def task(
        self, function: Callable[Concatenate[Context, P], Coroutine[Any, Any, R]], /
    ) -> Task[Concatenate[Context, P], Coroutine[Any, Any, R], P, R]: ...

    @overload
    def task(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> Task[P, Coroutine[Any, Any, R], P, R]: ...

    @overload
    def task(self, function: Callable[Concatenate[Context, P], R], /) -> Task[Concatenate[Context, P], R, P, R]: ...

    @overload
    def task(self, function: Callable[P, R], /) -> Task[P, R, P, R]: ...

    @overload
    def task(self, **options: Unpack[RegisterOptions]) -> Register: ...

    def task(self, function: Callable[..., Any] | None = None, /, **options: Any) -> Any:  # type: ignore[misc]
        """Register a function as a task: `@queue.task` or `@queue.task(retries=5, …)`.

        Its name on the wire is the function's own, or `name`. Options: queue, priority (0-9, 9 first), retries,
        backoff, timeout (seconds of one attempt, None for none), expires, keep_results, keep_failures, labels,
        retry_on and give_up_on (exceptions), run_in ("loop", "thread" or "process"; a `def` runs in a thread by
        default).

        Raises DuplicateTask, or ConfigurationError if an option or an annotation cannot be.
        """

        def register(function: Callable[..., Any]) -> Task[..., Any, ..., Any]:
            if not inspect.isroutine(function):
                raise ConfigurationError(f"{function!r} is no function; @queue.task takes a def or an async def")
            rules = {key: value for key, value in options.items() if key != "name"}
            wire = check_name(options.get("name", getattr(function, "__name__", "")), "a task's name")
            if wire in self.tasks:
                other = self.tasks[wire]
                raise DuplicateTask(
                    f"task {wire!r} is already {other.__module__}.{other.__name__}; "
                    "give one of the two another name: @queue.task(name=…)"
                )
            task: Task[..., Any, ..., Any] = Task(function, wire, make_rules(function, wire, rules), self._client)
            self.tasks[wire] = task
            return task

        return register if function is None else register(function)

    def middleware(self, function: Middleware) -> Middleware:
        """Wrap every run of a task: `async def (context, call_next) -> result`, where `await call_next()` runs the
        task, or the next middleware. The first registered is the outermost."""
        self.hooks.middleware.append(function)
        return function

    def on(self, event: type[Event]) -> Callable[[Listener], Listener]:
        """Call the function with every event of this kind (see core.events). It cannot change anything: what it raises
        is logged."""

        def register(listener: Listener) -> Listener:
            if inspect.iscoroutinefunction(listener):
                raise ConfigurationError(f"listener {listener!r} is async, and nobody would await it: write a def")
            self.hooks.listen(event, listener)
            return listener

        return register

    # Calls and jobs

    def signature(self, task: str, /, *args: Any, **kwargs: Any) -> Signature[Any]:
        """A call of a task by its name, for a program that cannot import it. The worker checks the arguments."""
        known = self.tasks.get(check_name(task, "a task's name"))
        return Signature(known or task, args, kwargs, NO_OPTIONS, self._client)

    async def enqueue_many(self, signatures: Iterable[Signature[R]]) -> list[Job[R]]:
        """Make jobs of all these calls, in order; durable when it returns. Every call is checked before the first is
        sent. Up to 10,000 are taken all or none; more go in several such batches. Raises DuplicateJob, after the others
        were made, if an id is that of another call."""
        return await self._client.enqueue_many(signatures)

    def job(self, id: str) -> Job[Any]:
        """The job with this id, wherever it was enqueued. Nothing is asked until it is asked."""
        return Job(check_name(id, "a job's id"), self._desk)

    # Workers

    def worker(
        self,
        *,
        name: str | None = None,
        queues: Iterable[str] | None = None,
        concurrency: int | None = None,
        grace: float | timedelta | None = None,
        burst: bool = False,
    ) -> Worker:
        """A worker for this queue; `await it.run()` runs it inside any program, `it.drain()` ends it in good order.

        `queues` are served in this order, by default the one that the settings name, then those that tasks name. With
        `burst` it ends when nothing is left that is due. Raises ConfigurationError.
        """
        given = {"concurrency": concurrency, "grace": grace}
        changed = {key: value for key, value in given.items() if value is not None}
        return Worker(self, name=name, queues=queues, burst=burst, settings=_settings.change(self.settings, changed))

    # Connections

    @property
    def connection(self) -> Connection:
        """What is open. Raises ConfigurationError before it is."""
        if self._connection is None:
            raise ConfigurationError("this queue is not open: use it inside of `async with queue:`")
        return self._connection

    async def open(self) -> Connection:
        """Connect, if that has not happened yet. Raises ConfigurationError, or BrokerUnavailable after `patience`."""
        loop = asyncio.get_running_loop()
        if self._connection is not None and self._connection.left_behind():
            await self._start_anew(self._connection)
        if self._connection is not None:
            self._connection.check(loop)
            return self._connection
        if self._opening is None:
            self._opening = asyncio.Lock()
        async with self._opening:
            if self._connection is None:
                connection = connect(self.settings, self.clock)
                await patiently(connection.open, patience=self.settings.patience, clock=self.clock, random=self.random)
                buffer = self._client.connect(connection.commit)
                connection.flusher = loop.create_task(self._client.send(buffer), name="aioqueue: enqueue")
                connection.stop = buffer.close
                self._connection = connection
        return self._connection

    async def _start_anew(self, left: Connection) -> None:
        if not left.broker.capabilities.durable:
            raise ConfigurationError(
                "the event loop this AioQueue was opened on has ended, and what it kept in memory with it; "
                "use it inside of `async with queue:`"
            )
        self._left = left  # kept: in a forked process, dropping the last reference would close what is its parent's
        self._connection = self._opening = None
        self._client.disconnect()
        await left.let_go()

    async def _ready(self) -> Commit:
        return (await self.open()).commit

    async def _opened_store(self) -> ResultStore | None:
        return (await self.open()).store

    async def close(self) -> None:
        """Send what is on its way, and disconnect. It may be opened again, on another loop too."""
        connection, self._connection, self._opening = self._connection, None, None
        self._lent = False
        if connection is not None:
            self._client.disconnect()
            await connection.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Connection]:
        """Open for as long as this lasts, here or for another worker; left open if it was open before."""
        if self._connection is None and not self._borrowers:
            self._lent = True
        self._borrowers += 1
        try:
            yield await self.open()
        finally:
            self._borrowers -= 1
            if self._lent and not self._borrowers:
                await self.close()

    def _decode(self, task: str, raw: bytes) -> Any:
        known = self.tasks.get(task)
        return decode_untyped(raw) if known is None else known.returns.decode(raw)

    def __repr__(self) -> str:
        return f"<AioQueue {redact(self.settings.url)}, {len(self.tasks)} tasks>"
