"""The seams: what a driver offers, as Protocols, and the values that cross them. No behaviour.

A driver is a server. It offers a broker, a result store, or both; one that offers both also commits both at once.
Every method that waits on a server is bounded in time and raises BrokerUnavailable or StoreUnavailable past it; the
layers above repeat the call, so each may be repeated: an answer that was lost costs nothing but the repetition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Protocol

from msgspec import Struct

from ..core.message import Outgoing
from ..core.record import Record
from ..core.state import State


class BrokerCapabilities(Struct, frozen=True, kw_only=True):
    """What a broker can do; production code and the contract suite both read it, so none can claim what is not
    tested."""

    durable: bool  # a message outlives the server's process
    shared: bool  # several processes may use it
    delays: float  # seconds a message can be held back by the broker itself; inf for any
    priorities: bool
    counts_crashes: bool  # deliveries say how often a worker died with the message
    fences: bool  # a delivery has a token of its own, so a late ack changes nothing
    inspects: bool  # counts, peek, dead letters, purge


class StoreCapabilities(Struct, frozen=True, kw_only=True):
    """What a result store can do."""

    durable: bool
    shared: bool
    pushes: bool  # wait() is woken, and does not only poll
    queries: bool  # records() and counts()


class Token(Struct, frozen=True, gc=False):
    """One handing-over of one message; opaque above the driver."""

    message: int | str
    claim: int


class Delivery(Struct, frozen=True, kw_only=True, gc=False):
    """One handing-over of a message to one worker.

    `redeliveries` counts the earlier ones, `crashes` those whose lease ran out. `published` is when the broker took the
    message, seconds since 1970. `record` is the job's record where the broker's server has it at hand and it matters:
    always when this turn may have ended already, and on any turn or delivery but the first.
    """

    token: Token
    queue: str
    body: bytes
    redeliveries: int = 0
    crashes: int = 0
    published: float | None = None
    record: Record | None = None


class DeadLetter(Struct, frozen=True, kw_only=True):
    """A message set aside for a person: raw bytes, and why. Times are seconds since 1970. `id` and `task` are None
    where the bytes do not tell."""

    key: int
    id: str | None
    task: str | None
    queue: str
    reason: str
    died: float
    body: bytes


class Doomed(Struct, frozen=True):
    """A delivery to be set aside, why, and until when it is kept (seconds since 1970)."""

    delivery: Delivery
    reason: str
    forget: float


class QueueCounts(Struct, frozen=True, kw_only=True):
    """How many messages a queue holds."""

    ready: int = 0
    scheduled: int = 0
    held: int = 0
    dead: int = 0


class Lease(Enum):
    """What became of a lease that was to be extended."""

    KEPT = "kept"
    LOST = "lost"


class Keeper(Protocol):
    """Renews leases. Its methods block, and belong to one thread: the keeper's own, with a connection of its own, so
    that leases are renewed while a task blocks the event loop. If `threaded` is false they do not block, and are called
    on the loop."""

    threaded: bool

    def open(self) -> None: ...

    def extend(self, tokens: Sequence[Token], lease: float) -> Mapping[Token, Lease]:
        """Hold these for `lease` seconds from now, and say which are no longer ours."""
        ...

    def release(self, tokens: Sequence[Token]) -> None:
        """Give these back unspent: for a process that is about to end with its loop blocked."""
        ...

    def close(self) -> None: ...


class Consumer(Protocol):
    """One worker's side of a broker: what it receives is settled through it, and by no one else."""

    async def receive(self, room: int) -> Sequence[Delivery]:
        """At least one and at most `room` deliveries, best priority first; waits for the first. After
        `stop_receiving()` it returns at once, with nothing or with what had already arrived. It is never cancelled
        while it reads."""
        ...

    def stop_receiving(self) -> None:
        """Wake `receive` and let it return for good."""
        ...

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Forget these. One that is no longer ours is left as it is."""
        ...

    async def release(self, deliveries: Sequence[Delivery], delay: float = 0.0) -> None:
        """Give these back, unspent, to be delivered again after `delay` seconds. One no longer ours is left as it
        is."""
        ...

    async def dead_letter(self, doomed: Sequence[Doomed]) -> None:
        """Set these aside with their reasons. One no longer ours is left as it is."""
        ...

    async def reclaim(self) -> int:
        """Put back what was held under leases that ran out, counting a crash for each. How many there were."""
        ...

    def keeper(self) -> Keeper: ...

    async def close(self) -> None: ...


class Broker(Protocol):
    """Where messages wait."""

    capabilities: BrokerCapabilities

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        """Take these, all or none; durable when it returns. One whose (id, turn) is already here is not taken twice."""
        ...

    async def consumer(self, queues: Sequence[str], worker: str, lease: float) -> Consumer:
        """A worker's side: it receives from these queues, the first named first, and holds what it gets for `lease`
        seconds at a time."""
        ...

    async def forget(self) -> int:
        """Drop dead letters past their lifetime. How many there were. Servers that do so by themselves do nothing."""
        ...

    # With the capability `inspects`:

    async def counts(self) -> Mapping[str, QueueCounts]: ...

    async def peek(self, queue: str, limit: int = 20) -> Sequence[bytes]:
        """The bodies of the messages next in line, without taking them."""
        ...

    async def dead_letters(self, limit: int = 100, after: int = 0) -> Sequence[DeadLetter]:
        """Dead letters with a key above `after`, oldest first."""
        ...

    async def discard_dead(self, keys: Sequence[int]) -> int: ...

    async def retry_dead(self, replacements: Mapping[int, Outgoing]) -> int:
        """Replace each dead letter by a message, at once. How many were still there."""
        ...

    async def purge(self, queue: str) -> int:
        """Drop what is ready or scheduled in the queue; what is held goes on. How many there were."""
        ...


class RecordQuery(Struct, frozen=True, kw_only=True):
    """Which records: all that fit every field given. `labels` must all be there with these values."""

    states: frozenset[State] | None = None
    task: str | None = None
    queue: str | None = None
    parent: str | None = None
    labels: Mapping[str, Any] | None = None


class ResultStore(Protocol):
    """Where records are kept."""

    capabilities: StoreCapabilities

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def save(self, records: Sequence[Record]) -> Sequence[Record]:
        """Save each that supersedes what is there (see core.record.supersedes), and give the record of each that stands
        now, which may be another's. Durable when it returns; safe to repeat."""
        ...

    async def get(self, ids: Sequence[str]) -> Sequence[Record | None]: ...

    async def wait(self, id: str) -> Record:
        """The record once it is final; waits for ever, the caller bounds it. Cancelling is safe."""
        ...

    async def delete(self, ids: Sequence[str]) -> None: ...

    async def forget(self) -> int:
        """Drop what is past its lifetime. How many there were. Servers that expire keys by themselves do nothing."""
        ...

    # With the capability `queries`:

    async def records(self, query: RecordQuery, limit: int = 100, after: str = "") -> Sequence[Record]:
        """The records that fit, in the order of their ids, which for made ids is the order of enqueueing."""
        ...

    async def counts(self, query: RecordQuery) -> Mapping[State, int]: ...


class Coordination(Protocol):
    """Small shared facts, each with an expiry in seconds."""

    async def put_if_absent(self, key: str, value: bytes, ttl: float) -> bytes:
        """The value that stands: ours if there was none."""
        ...

    async def compare_and_set(self, key: str, expected: bytes | None, value: bytes | None, ttl: float) -> bool:
        """Replace `expected` by `value` (None: absent). Whether it was so."""
        ...

    async def get(self, key: str) -> bytes | None: ...

    async def lease(self, key: str, holder: str, limit: int, ttl: float) -> bool:
        """Whether `holder` is, or now becomes, one of at most `limit` holders of `key` for `ttl` seconds."""
        ...

    async def unlease(self, key: str, holder: str) -> None: ...


class Entry(Struct, frozen=True, gc=False):
    """A job to be enqueued: its message, and the record it starts with."""

    message: Outgoing
    record: Record


class Transition(Struct, frozen=True, kw_only=True, gc=False):
    """A turn's end: the record it leaves, what follows, and the delivery it settles. With `dead` the message is set
    aside instead of forgotten."""

    delivery: Delivery
    record: Record
    publish: tuple[Outgoing, ...] = ()
    dead: Doomed | None = None


class Standing(Enum):
    """What became of a transition."""

    APPLIED = "applied"
    SUPERSEDED = "superseded"  # another record stands, and nothing was done: decide from that one
    LOST = "lost"  # the delivery is no longer ours, and nothing was done


class Applied(Struct, frozen=True, gc=False):
    """What became of a transition, and the record that stands, where it is known."""

    standing: Standing
    record: Record | None = None


class Commit(Protocol):
    """How a broker and a store change together. Atomic where they are one server, else in the order that loses
    nothing."""

    async def enqueue(self, entries: Sequence[Entry]) -> Sequence[Record]:
        """Save the records and publish the messages, all or none. The record that stands for each: another's than ours
        means the job existed already, and nothing was made. Safe to repeat."""
        ...

    async def apply(self, consumer: Consumer, transitions: Sequence[Transition]) -> Sequence[Applied]:
        """Apply each transition whole or not at all. Safe to repeat."""
        ...


class Driver(Struct, frozen=True, kw_only=True):
    """What one URL opened. `label` says what it is connected to, without secrets. `commit` is there if broker and store
    are one server."""

    label: str
    broker: Broker | None = None
    store: ResultStore | None = None
    coordination: Coordination | None = None
    commit: Commit | None = None
