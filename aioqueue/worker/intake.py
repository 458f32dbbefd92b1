"""The intake: from a delivery to a running attempt, or to its end if it may not run. What stands between the two is
`admit`; here it gets the facts, and its word is carried out."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from msgspec import UNSET

from ..core import codec
from ..core.admit import Conclude, Drop, Rules, Start, admit, deferral
from ..core.clock import Clock
from ..core.events import JobStarted
from ..core.judge import Policy
from ..core.message import Message
from ..core.outcome import Outcome, Run, conclude
from ..core.record import Record
from ..core.retry import DEFAULT
from ..core.state import Ended as How
from ..core.state import Phase, State
from ..core.task import Task
from ..drivers.base import Delivery, ResultStore
from ..errors import NewerFormat, NotDecodable
from ..settings import Settings
from .attempt import Attempt, Surroundings
from .executor import Executor
from .keeper import Holdings
from .orchestrator import Ended, Orchestrator

log = logging.getLogger("aioqueue.worker")

SUSPECT_PAUSES = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0)  # seconds; see _give_back_suspects


class _Plan:
    """What holds for all jobs of one task that override nothing: worked out at the first."""

    __slots__ = ("keep_failures", "keep_results", "policy", "task", "timeout")

    def __init__(self, task: Task[..., Any, ..., Any], settings: Settings) -> None:
        rules = task.rules
        retries = settings.retries if rules.retries is None else rules.retries
        self.task = task
        self.policy = Policy(retries, rules.backoff or DEFAULT, rules.retry_on, rules.give_up_on)
        self.timeout = settings.timeout if rules.timeout is UNSET else rules.timeout
        self.keep_results = settings.keep_results if rules.keep_results is None else rules.keep_results
        self.keep_failures = settings.keep_failures if rules.keep_failures is None else rules.keep_failures


class Intake:
    """Takes deliveries in."""

    def __init__(
        self,
        tasks: Mapping[str, Task[..., Any, ..., Any]],
        settings: Settings,
        around: Surroundings,
        executor: Executor,
        orchestrator: Orchestrator,
        holdings: Holdings,
        gate: ResultStore | None,
    ) -> None:
        self._tasks = tasks
        self._settings = settings
        self._around = around
        self._executor = executor
        self._orchestrator = orchestrator
        self._holdings = holdings
        self._gate = gate
        self._plans: dict[str, _Plan] = {}
        self._rules = Rules(settings.max_crashes, settings.unknown_patience)
        self._clock: Clock = around.clock
        self._random: Random = around.random

    async def take(self, deliveries: Sequence[Delivery]) -> None:
        """Start, conclude or drop each. Suspects in excess are given back before anything starts: should the one that
        starts take this process down, they must not have been in its hands."""
        now = self._clock.now()
        ready: list[Attempt] = []
        excess: list[Delivery] = []
        suspected = self._executor.suspect is not None
        for delivery in deliveries:
            self._holdings.take(delivery)
        for delivery, message, record in await self._read_all(deliveries, now):
            attempt = self._admit(delivery, message, record, now)
            if attempt is None:
                continue
            if attempt.suspect and suspected:
                excess.append(delivery)
                continue
            suspected = suspected or attempt.suspect
            ready.append(attempt)
        if excess:
            await self._give_back_suspects(excess)
        told = self._around.hooks.wanted(JobStarted)
        for attempt in ready:
            self._holdings.run(attempt)
            self._executor.start(attempt)
            if told:
                self._tell(attempt, now)

    async def _give_back_suspects(self, excess: Sequence[Delivery]) -> None:
        # Not all for the same time: they would all come to the worker that looks first, which can start but one of
        # them. So wherever no suspect runs the next one comes soon.
        later: dict[float, list[Delivery]] = {}
        first = self._random.randrange(len(SUSPECT_PAUSES))
        for number, delivery in enumerate(excess, first):
            later.setdefault(SUSPECT_PAUSES[number % len(SUSPECT_PAUSES)], []).append(delivery)
        for pause, deliveries in later.items():
            await self._orchestrator.release(deliveries, pause)

    async def _read_all(
        self, deliveries: Sequence[Delivery], now: float
    ) -> list[tuple[Delivery, Message, Record | None]]:
        read = [
            (delivery, message, delivery.record)
            for delivery in deliveries
            if (message := self._read(delivery, now)) is not None
        ]
        if self._gate is None or not read:
            return read
        # The broker's server does not hold the records: one read for the batch says what has ended already.
        try:
            records = await self._gate.get([message.id for _, message, _ in read])
        except Exception:
            # Kept, they would be renewed for ever and never run.
            await self._orchestrator.release([delivery for delivery, _, _ in read])
            raise
        return [(delivery, message, record) for (delivery, message, _), record in zip(read, records, strict=True)]

    def _tell(self, attempt: Attempt, now: float) -> None:
        message = attempt.message
        waited = max(0.0, now - max(message.enqueued, message.due or 0.0))
        event = JobStarted(message.id, message.task, attempt.run_number, attempt.delivery.redeliveries, waited)
        self._around.hooks.send(event)

    def _read(self, delivery: Delivery, now: float) -> Message | None:
        try:
            return codec.decode(delivery.body)
        except NewerFormat as error:
            self._put_off(delivery, str(error), now)
        except NotDecodable as error:
            self._set_aside(delivery, How.INVALID, f"set aside: {error}", now)
        return None

    def _put_off(self, delivery: Delivery, reason: str, now: float) -> None:
        waited = now - (delivery.published or now)
        if waited >= self._settings.unknown_patience:
            return self._set_aside(delivery, How.UNKNOWN, f"set aside after {waited:.0f} s: {reason}", now)
        log.warning("a message is left for a newer worker: %s", reason)
        self._orchestrator.give_back(delivery, deferral(delivery.redeliveries, self._random))

    def _set_aside(self, delivery: Delivery, how: How, reason: str, now: float) -> None:
        record = _record_of_unreadable(delivery, how, reason, now, self._settings.keep_failures)
        log.error("a message on queue %r is %s", delivery.queue, reason)
        self._orchestrator.buffer.add(Ended(delivery, None, record, reason))

    def _admit(self, delivery: Delivery, message: Message, record: Record | None, now: float) -> Attempt | None:
        task = self._tasks.get(message.task)
        word = admit(
            message, record, delivery.crashes, known=task is not None, now=now, rules=self._rules, random=self._random
        )
        match word:
            case Start(suspect):
                assert task is not None
                return self._attempt(delivery, message, task, record, suspect)
            case Conclude(outcome):
                self._conclude(delivery, message, record, outcome, now)
            case Drop(standing):
                log.debug("job %s: this turn has ended already, as %s", message.id, standing.state)
                self._orchestrator.buffer.add(Ended(delivery, message, standing))
        return None

    def _attempt(
        self, delivery: Delivery, message: Message, task: Task[..., Any, ..., Any], record: Record | None, suspect: bool
    ) -> Attempt:
        plan = self._plan(task)
        policy = plan.policy
        if message.retries is not None or message.backoff is not None:
            retries = policy.retries if message.retries is None else message.retries
            policy = Policy(retries, message.backoff or policy.backoff, policy.retry_on, policy.give_up_on)
        timeout = plan.timeout if message.timeout is UNSET else message.timeout
        run = self._run(delivery, message, record, plan, policy)
        return Attempt(delivery, message, task, policy, timeout, run, self._around, suspect, self._executor.begin)

    def _plan(self, task: Task[..., Any, ..., Any]) -> _Plan:
        plan = self._plans.get(task.name)
        if plan is None:
            plan = self._plans[task.name] = _Plan(task, self._settings)
        return plan

    def _run(
        self, delivery: Delivery, message: Message, record: Record | None, plan: _Plan | None, policy: Policy | None
    ) -> Run:
        keep: Any = self._settings if plan is None else plan
        return Run(
            worker=self._around.worker,
            delivery=delivery.redeliveries,
            crashes=delivery.crashes,
            attempts=None if policy is None else policy.retries + 1,
            keep_results=keep.keep_results if message.keep_results is None else message.keep_results,
            keep_failures=keep.keep_failures if message.keep_failures is None else message.keep_failures,
            last_error=None if record is None else record.error,
        )

    def _conclude(
        self, delivery: Delivery, message: Message, record: Record | None, outcome: Outcome, now: float
    ) -> None:
        task = self._tasks.get(message.task)
        run = self._run(delivery, message, record, None if task is None else self._plan(task), None)
        self._orchestrator.buffer.add(Ended(delivery, message, conclude(message, run, outcome, now)))


def _record_of_unreadable(delivery: Delivery, how: How, reason: str, now: float, keep: float) -> Record | None:
    """The record of a message of which little more than the id can be read; None if not even that."""
    header = codec.read_header(delivery.body)
    if header is None or not isinstance(header.id, str) or not 0 < len(header.id) <= 255:
        return None
    turn = header.turn if type(header.turn) is int and 0 <= header.turn < 2**31 else 0
    return Record(
        id=header.id,
        task=header.task if isinstance(header.task, str) else "?",
        state=State.FAILED,
        turn=turn,
        phase=Phase.ENDED,
        delivery=delivery.redeliveries,
        queue=delivery.queue,
        crashes=delivery.crashes,
        enqueued=delivery.published or now,
        ended=now,
        how=how,
        reason=reason,
        forget=now + keep,
    )
