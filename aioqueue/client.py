"""The client: turns calls into messages, and takes those made at the same time to the broker together.

It knows how to bind, encode and publish; what runs them is the worker's business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from random import Random
from typing import Any, TypeVar

from msgspec import Raw, Struct
from msgspec.structs import replace

from .commit.group import GroupCommit
from .commit.patience import AWAY, patiently
from .core import codec
from .core.arguments import encode_untyped
from .core.clock import Clock
from .core.context import running_message
from .core.message import EMPTY_KWARGS, VERSION, Message
from .core.record import Record, queued, same_call
from .core.rules import Rules
from .core.signature import NO_OPTIONS, Options, Signature
from .core.task import Task
from .drivers.base import Commit, Entry
from .errors import BrokerUnavailable, DuplicateJob, MessageTooLarge, NotEncodable
from .job import Desk, Job
from .settings import Settings

R = TypeVar("R")

_NO_RULES = Rules()
_BATCH = 10_000  # calls that enqueue_many takes all or none


class _Pending(Struct, eq=False):
    """A job on its way, and who waits for it."""

    entry: Entry
    done: asyncio.Future[Record]


class Client:
    """Enqueues. Safe from thousands of concurrent callers, who share commits; each gets its own answer."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        ids: Callable[[], str],
        random: Random,
        desk: Desk,
        ready: Callable[[], Awaitable[Commit]],
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.desk = desk
        self._ids = ids
        self._random = random
        self._ready = ready
        self._loop: asyncio.AbstractEventLoop | None = None
        self._buffer: GroupCommit[_Pending] | None = None
        self.now = clock.now

    def connect(self, commit: Commit) -> GroupCommit[_Pending]:
        """Send through this commit from now on. The caller runs `send` with the buffer that is given back."""
        self._loop = asyncio.get_running_loop()
        # Bound to its commit: what is on its way when the queue is closed goes where it was meant to.
        self._buffer = GroupCommit(partial(self._write, commit))
        return self._buffer

    async def send(self, buffer: GroupCommit[_Pending]) -> None:
        """Send what gathers in the buffer, until it is closed and everything is sent."""
        try:
            await buffer.run()
        finally:
            for pending in buffer.rest():
                _fail(pending, BrokerUnavailable("the queue was closed first; nothing was enqueued"))

    def disconnect(self) -> None:
        """Connect anew at the next call."""
        self._buffer = None

    async def enqueue(
        self, task: Task[..., Any, ..., Any] | str, args: tuple[Any, ...], kwargs: Mapping[str, Any], options: Options
    ) -> Job[Any]:
        """Make a job of the call; durable when this returns. See Task.enqueue."""
        entry = self._entry(task, args, kwargs, options)
        while True:
            buffer = self._buffer
            if buffer is None or asyncio.get_running_loop() is not self._loop:
                await self._ready()
            elif buffer.full():
                await buffer.room()  # by then the queue may have been closed, and be another one
            else:
                break
        pending = _Pending(entry, asyncio.get_running_loop().create_future())
        buffer.add(pending)
        try:
            winner = await pending.done
        except asyncio.CancelledError:
            # What no write has taken yet is not enqueued; what a write has taken may be.
            buffer.withdraw(pending)
            raise
        return self._job(entry, winner)

    async def enqueue_many(self, signatures: Iterable[Signature[R]]) -> list[Job[R]]:
        """Make jobs of all these calls, durable when this returns; see AioQueue.enqueue_many."""
        entries: list[Entry] = []
        for call in signatures:
            entries.append(self._entry(call.task, call.args, call.kwargs, call.how))
            if len(entries) % 1000 == 0:
                await asyncio.sleep(0)  # other handlers live on this loop too
        commit = await self._ready()
        winners: list[Record] = []
        for start in range(0, len(entries), _BATCH):
            winners += await self._patiently(commit, entries[start : start + _BATCH])
        others = "of the other calls jobs were made"
        return [self._job(entry, winner, others) for entry, winner in zip(entries, winners, strict=True)]

    def _job(self, entry: Entry, winner: Record, otherwise: str = "nothing was enqueued") -> Job[Any]:
        ours = entry.record
        if winner is not ours and not same_call(winner, ours):
            raise DuplicateJob(
                f"job {ours.id} exists already, as a call of {winner.task!r} with other arguments; "
                f"{otherwise}: choose another id"
            )
        return Job(ours.id, self.desk)

    def _entry(
        self, task: Task[..., Any, ..., Any] | str, args: tuple[Any, ...], kwargs: Mapping[str, Any], options: Options
    ) -> Entry:
        if isinstance(task, str):
            name, rules = task, _NO_RULES
            raw_args, raw_kwargs = encode_untyped(task, args, kwargs)
        else:
            name, rules = task.name, task.rules
            raw_args, raw_kwargs = task.parameters.encode(args, kwargs)
        message = self._message(name, rules, Raw(raw_args), Raw(raw_kwargs) if raw_kwargs else EMPTY_KWARGS, options)
        try:
            out = codec.outgoing(message)
        except UnicodeEncodeError as error:
            raise NotEncodable(
                f"task {name!r}: an option of the call holds text that UTF-8 has no bytes for; nothing was enqueued"
            ) from error
        if len(out.body) > self.settings.max_message:
            raise MessageTooLarge(
                f"task {name!r}: the message has {len(out.body):,} bytes, {self.settings.max_message:,} are allowed; "
                "nothing was enqueued: pass a reference to the data instead of the data"
            )
        return Entry(out, queued(message))

    def _message(self, name: str, rules: Rules, args: Raw, kwargs: Raw, options: Options) -> Message:
        settings = self.settings
        now = self.clock.now()
        priority = options.priority if options.priority is not None else rules.priority
        expires = options.expires
        if expires is None and rules.expires is not None:
            expires = now + rules.expires
        due = options.eta
        if options.delay:
            due = now + options.delay
        parent = running_message()
        by, labels, headers, root = options.by, options.labels, options.headers, None
        if rules.labels:
            labels = {**rules.labels, **(labels or {})}
        if parent is not None:
            by = by or parent.by
            root = parent.root or parent.id
            if parent.labels:
                labels = {**parent.labels, **(labels or {})}
            if parent.headers:
                headers = {**parent.headers, **(headers or {})}
        message = Message(
            v=VERSION,
            id=options.id or self._ids(),
            task=name,
            enqueued=now,
            args=args,
            kwargs=kwargs,
            queue=options.queue or rules.queue or settings.queue,
            priority=settings.priority if priority is None else priority,
            due=due if due is not None and due > now else None,
            expires=expires,
            by=by,
            labels=labels,
            parent=None if parent is None else parent.id,
            root=root,
        )
        if options is NO_OPTIONS:
            return message
        return replace(
            message,
            retries=options.retries,
            backoff=options.backoff,
            timeout=options.timeout,
            keep_results=options.keep_results,
            keep_failures=options.keep_failures,
            headers=headers,
        )

    async def _write(self, commit: Commit, batch: list[_Pending]) -> None:
        try:
            winners = await self._patiently(commit, [pending.entry for pending in batch])
        except asyncio.CancelledError:
            for pending in batch:
                _fail(pending, BrokerUnavailable("the queue was closed meanwhile; the job may or may not be enqueued"))
            raise
        except Exception as error:
            if len(batch) > 1 and not isinstance(error, AWAY):
                # One message that cannot be taken fails its own caller only.
                for pending in batch:
                    await self._write(commit, [pending])
                return
            for pending in batch:
                _fail(pending, error)
            return
        for pending, winner in zip(batch, winners, strict=True):
            if not pending.done.done():
                pending.done.set_result(winner)

    async def _patiently(self, commit: Commit, entries: list[Entry]) -> list[Record]:
        # Repeating is safe: an entry whose answer was lost is found by its id.
        winners = await patiently(
            lambda: commit.enqueue(entries),
            patience=self.settings.patience,
            clock=self.clock,
            random=self._random,
        )
        return list(winners)


def _fail(pending: _Pending, error: Exception) -> None:
    if not pending.done.done():
        pending.done.set_exception(error)
