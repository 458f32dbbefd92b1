"""The worker: takes messages, runs and settles them, until it is drained. Here are its phases; each step is a file."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from random import Random
from typing import Any, Protocol

from ..commit.patience import AWAY, Pauses
from ..core.clock import Clock, SystemClock
from ..core.events import JobReleased, WorkerStarted, WorkerStopped
from ..core.events import LeaseLost as LeaseLostEvent
from ..core.outcome import Interrupted, Outcome, conclude, released
from ..core.task import Task
from ..drivers.base import Broker, Commit, Consumer, ResultStore, Token
from ..errors import ConfigurationError
from ..settings import Settings
from .attempt import Attempt, Ending, Surroundings
from .executor import END_PATIENCE, Executor
from .exit import ExitCode
from .hooks import Hooks
from .intake import Intake
from .keeper import Holdings, LeaseKeeper
from .orchestrator import Ended, Orchestrator
from .processes import Processes
from .reporter import Reporter
from .threads import Threads
from .upkeep import Upkeep
from .watchdog import Watchdog

log = logging.getLogger("aioqueue.worker")

SUSPECT_TRIAL = 5.0  # seconds that a suspect runs before anything else is taken; poison mostly works at once


class Connected(Protocol):
    """What a worker needs of an open connection."""

    @property
    def broker(self) -> Broker: ...

    @property
    def store(self) -> ResultStore | None: ...

    @property
    def commit(self) -> Commit: ...

    @property
    def gate(self) -> ResultStore | None: ...


class Host(Protocol):
    """What a worker needs of the queue it works for."""

    tasks: dict[str, Task[..., Any, ..., Any]]
    clock: Clock
    random: Random
    hooks: Hooks
    lifespan: Callable[[Any], AbstractAsyncContextManager[Any]] | None

    def opened(self) -> AbstractAsyncContextManager[Connected]: ...


class Worker:
    """One worker. `run()` once; `drain()` and `interrupt()` from anywhere on the same loop end it."""

    def __init__(
        self, host: Host, *, name: str | None, queues: Iterable[str] | None, burst: bool, settings: Settings
    ) -> None:
        self.host = host
        self.settings = settings
        self.name = name or f"{socket.gethostname()}:{os.getpid()}"
        self.queues = _queues(host.tasks, settings, queues)
        self.burst = burst
        self.exit_code = ExitCode.DRAINED
        self._draining = asyncio.Event()
        self._interrupting = asyncio.Event()
        self._consumer: Consumer | None = None

    async def run(self) -> ExitCode:
        """Take and run jobs until drained; how that ended. The lifespan is entered before the first job and left after
        the last. Raises ConfigurationError, and what the lifespan raises. Cancelling it interrupts the worker: it ends
        in good order, and then the cancellation goes on."""
        working = asyncio.ensure_future(self._work())
        try:
            return await asyncio.shield(working)
        except asyncio.CancelledError:
            self.interrupt()
            await working
            raise

    async def _work(self) -> ExitCode:
        async with AsyncExitStack() as stack:
            connection = await stack.enter_async_context(self.host.opened())
            state = None
            if self.host.lifespan is not None:
                state = await stack.enter_async_context(self.host.lifespan(self.host))
            consumer = await self._consume(connection.broker)
            if consumer is None:
                return self.exit_code
            stack.push_async_callback(consumer.close)
            shift = Shift(self, connection, consumer, state)
            stack.callback(shift.close)
            self._consumer = consumer
            if self._draining.is_set():
                consumer.stop_receiving()
            self.host.hooks.send(WorkerStarted(self.name, self.queues))
            self.exit_code = await shift.run()
            self.host.hooks.send(WorkerStopped(self.name, shift.orchestrator.released, shift.stuck()))
        return self.exit_code

    def drain(self) -> None:
        """Take nothing new, finish what runs within the grace period, and end."""
        self._draining.set()
        if self._consumer is not None:
            self._consumer.stop_receiving()

    def interrupt(self) -> None:
        """End now: running attempts are interrupted, and their jobs given back unspent."""
        self.drain()
        self._interrupting.set()

    @property
    def draining(self) -> asyncio.Event:
        """Set once the worker takes nothing new."""
        return self._draining

    @property
    def interrupting(self) -> asyncio.Event:
        """Set once running attempts are to end."""
        return self._interrupting

    async def _consume(self, broker: Broker) -> Consumer | None:
        # None: it was drained while the broker was away.
        pauses = Pauses(self.host.random)
        while True:
            try:
                return await broker.consumer(self.queues, self.name, self.settings.lease)
            except AWAY as error:
                if self._draining.is_set():
                    return None
                log.warning("the broker is away, trying again: %s", error)
                await asyncio.sleep(pauses.next())


class Shift:
    """One run of a worker: its parts, put together, and its phases in order."""

    def __init__(self, worker: Worker, connection: Connected, consumer: Consumer, state: Any) -> None:
        host, settings = worker.host, worker.settings
        self.worker = worker
        self.connection = connection
        self.consumer = consumer
        self.clock = host.clock
        self.hooks = host.hooks
        self.holdings = Holdings()
        self.threads = Threads(settings.threads)
        self.processes = Processes(settings.processes)
        self.around = Surroundings(
            worker=worker.name, clock=host.clock, random=host.random, hooks=host.hooks, threads=self.threads,
            processes=self.processes, state=state,
        )  # fmt: skip
        self.orchestrator = Orchestrator(
            connection.commit, consumer, self.holdings, host.hooks, host.clock, host.random, settings.keep_dead,
            connection.store,
        )  # fmt: skip
        self.executor = Executor(settings.concurrency, settings.grace, self._ended, self._returned)
        self.intake = Intake(
            host.tasks, settings, self.around, self.executor, self.orchestrator, self.holdings, connection.gate
        )
        self.keeper = consumer.keeper()
        self.tried: Attempt | None = None  # the suspect that has run for a while
        self.found_empty = False  # a burst worker drains because nothing was left

    async def run(self) -> ExitCode:
        """Receive until drained, then finish or give back what runs."""
        async with asyncio.TaskGroup() as group:
            settling = group.create_task(self.orchestrator.run())
            services = [group.create_task(service) for service in self._services()]
            failure = await self._receive_or_fail()
            code = await self._finish()
            self.orchestrator.buffer.close()
            if code is ExitCode.INTERRUPTED:
                await self._settle_within(settling, END_PATIENCE)
            else:
                await settling
            for service in services:
                service.cancel()
        if failure is not None:
            raise failure
        return code

    async def _settle_within(self, settling: asyncio.Task[None], limit: float) -> None:
        await asyncio.wait((settling,), timeout=limit)
        if not settling.done():
            log.critical("what ended here could not be stored; those jobs run again once their leases have run out")
            settling.cancel()

    def _services(self) -> list[Any]:
        settings = self.worker.settings
        upkeep = Upkeep(self.consumer, self.connection.broker, self.connection.store, self.worker.host.random)
        services = [
            LeaseKeeper(self.keeper, self.holdings, self.clock, settings.lease, self._lost).run(),
            upkeep.run(),
            self._drain_when_stuck(),
        ]
        if self.connection.store is not None:
            services.append(Reporter(self.connection.store, self.executor, self.clock).run())
        if isinstance(self.clock, SystemClock):
            services.append(Watchdog(settings.max_block, self.hooks, self._give_back_unstarted).run())
        if self.worker.burst:
            services.append(self._drain_when_empty())
        return services

    async def _receive_or_fail(self) -> Exception | None:
        try:
            await self._receive()
        except Exception as error:
            # Whatever it is, what runs must be given back before this worker ends with it.
            log.critical("no more jobs can be taken, so this worker ends: %s", error)
            self.worker.interrupt()
            return error
        return None

    async def _receive(self) -> None:
        draining = self.worker.draining
        pauses = Pauses(self.worker.host.random)
        while not draining.is_set():
            await self._try_suspect()
            room = await self._room()
            if draining.is_set():
                return
            try:
                deliveries = await self.consumer.receive(room)
                if draining.is_set() and not self.found_empty:
                    return await self.orchestrator.release(deliveries)
                await self.intake.take(deliveries)
                pauses.reset()
            except AWAY as error:
                log.warning("no jobs can be taken, trying again: %s", error)
                await asyncio.sleep(pauses.next())

    async def _try_suspect(self) -> None:
        """Take nothing while a suspect is new. Should it take this process down, all that was claimed counts as
        crashed, and another suspect, claimed and not yet given back, would be set aside for it."""
        suspect = self.executor.suspect
        loop = asyncio.get_running_loop()
        until = loop.time() + SUSPECT_TRIAL
        while suspect is not None and suspect is not self.tried and suspect is self.executor.suspect:
            if self.worker.draining.is_set() or loop.time() >= until:
                self.tried = suspect
            await asyncio.sleep(0.02)

    async def _room(self) -> int:
        room_now = self.executor.free()
        if room_now > 0 and not self.orchestrator.buffer.full():
            return room_now
        room = asyncio.ensure_future(self._space())
        drained = asyncio.ensure_future(self.worker.draining.wait())
        try:
            await asyncio.wait((room, drained), return_when=asyncio.FIRST_COMPLETED)
            return room.result() if room.done() else 0
        finally:
            room.cancel()
            drained.cancel()

    async def _space(self) -> int:
        if self.orchestrator.buffer.full():
            await self.orchestrator.buffer.room()
        return await self.executor.room()

    async def _finish(self) -> ExitCode:
        if not self.found_empty:
            self.executor.close_line()
        if not await self._idle_within(self.worker.settings.grace):
            self.executor.end_all(Ending.STOPPING)
            await self._idle_within(END_PATIENCE, interruptible=False)
            self.executor.abandon_all()
            await self._idle_within(1.0, interruptible=False)  # threads that were given up end their attempts now
            self.executor.abandon_all()  # but for those whose middleware hangs
            return ExitCode.INTERRUPTED
        return ExitCode.ABANDONED if self.stuck() > self.worker.settings.max_abandoned else ExitCode.DRAINED

    async def _idle_within(self, limit: float, *, interruptible: bool = True) -> bool:
        idle = asyncio.ensure_future(self._settled())
        interrupted = asyncio.ensure_future(self.worker.interrupting.wait())
        try:
            waiting = (idle, interrupted) if interruptible else (idle,)
            await asyncio.wait(waiting, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
            return idle.done()
        finally:
            idle.cancel()
            interrupted.cancel()

    async def _settled(self) -> None:
        await self.executor.idle()
        await self.orchestrator.buffer.drained()

    def _returned(self, attempts: Sequence[Attempt]) -> None:
        for attempt in attempts:
            self.orchestrator.give_back(attempt.delivery)

    def _ended(self, attempt: Attempt, outcome: Outcome) -> None:
        if isinstance(outcome, Interrupted):
            return self._interrupted(attempt)
        attempt.run.progress = attempt.progress
        record = conclude(attempt.message, attempt.run, outcome, self.clock.now())
        self.orchestrator.buffer.add(Ended(attempt.delivery, attempt.message, record))

    def _interrupted(self, attempt: Attempt) -> None:
        message = attempt.message
        if attempt.ending is Ending.LOST:
            log.warning(
                "job %s (%s): its lease was lost while it ran; its outcome was dropped", message.id, message.task
            )
            self.holdings.let_go(attempt.delivery)
            self.hooks.send(LeaseLostEvent(message.id, message.task))
            return
        log.info("job %s (%s) is given back unspent: this worker stops", message.id, message.task)
        record = released(message, attempt.run) if attempt.announced else None
        self.orchestrator.give_back(attempt.delivery, record=record)
        self.hooks.send(JobReleased(message.id, message.task))

    def _lost(self, tokens: Sequence[Token]) -> None:
        for token in tokens:
            attempt = self.holdings.attempt(token)
            if attempt is not None:
                self.executor.end(attempt, Ending.LOST)

    def _give_back_unstarted(self) -> int:
        # On the watchdog's thread: a keeper of its own, since each belongs to one thread.
        tokens = self.holdings.not_started()
        keeper = self.consumer.keeper()
        keeper.open()
        keeper.release(tokens)
        keeper.close()
        return len(tokens)

    def stuck(self) -> int:
        """How many attempts run on though nobody waits for them."""
        return self.executor.stuck() + self.threads.given_up

    async def _drain_when_stuck(self) -> None:
        most = self.worker.settings.max_abandoned
        while self.stuck() <= most:  # noqa: ASYNC110 - threads that end tell nobody
            await asyncio.sleep(1.0)
        log.critical(
            "%d attempts would not end, more than max_abandoned (%d): this worker drains and ends", self.stuck(), most
        )
        self.worker.drain()

    async def _drain_when_empty(self) -> None:
        while True:
            await self._settled()
            try:
                counts = await self.connection.broker.counts()
            except AWAY as error:
                log.debug("whether anything is left is not known: %s", error)
                await asyncio.sleep(1.0)
                continue
            if not len(self.holdings) and not any(counts[q].ready for q in self.worker.queues if q in counts):
                # What was claimed while we counted is on its way to us, and is still run.
                self.found_empty = True
                return self.worker.drain()
            await asyncio.sleep(0.1)

    def close(self) -> None:
        """Let go of threads, children and limits."""
        self.executor.close()
        self.threads.close()
        self.processes.close()


def _queues(
    tasks: Mapping[str, Task[..., Any, ..., Any]], settings: Settings, given: Iterable[str] | None
) -> tuple[str, ...]:
    if given is None:
        # A task that names a queue wants it served, by whoever knows the task.
        given = (settings.queue, *(task.rules.queue for task in tasks.values() if task.rules.queue is not None))
    queues = tuple(dict.fromkeys(given))
    if isinstance(given, str) or not queues:
        raise ConfigurationError(f"queues is {given!r}: give a list of names")
    return queues
