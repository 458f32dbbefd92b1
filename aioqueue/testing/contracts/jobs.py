"""Messages and records to test with, and ways to take them from a broker."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Raw

from aioqueue.core.codec import decode, outgoing
from aioqueue.core.message import VERSION, Message, Outgoing
from aioqueue.core.record import Error, Progress, Record
from aioqueue.core.state import Ended, Phase, State
from aioqueue.drivers.base import Broker, Consumer, Delivery
from aioqueue.testing.clock import START

_lasts = itertools.count()


def message(id: str = "job-1", **fields: Any) -> Message:
    """A message of that job."""
    usual: dict[str, Any] = {"v": VERSION, "task": "contract.task", "enqueued": START, "args": Raw(b"[1]")}
    return Message(id=id, **(usual | fields))


def out(id: str = "job-1", **fields: Any) -> Outgoing:
    """The same, ready to publish."""
    return outgoing(message(id, **fields))


def outs(n: int, prefix: str = "job", **fields: Any) -> list[Outgoing]:
    """`n` of them, whose ids are in the order of publishing."""
    return [out(f"{prefix}-{i:06}", **fields) for i in range(n)]


def raw(id: str, body: bytes) -> Outgoing:
    """A message with any bytes for a body."""
    return Outgoing(id, 0, "default", 4, None, body)


def ids(deliveries: Iterable[Delivery]) -> list[str]:
    """Whose messages these are."""
    return [decode(delivery.body).id for delivery in deliveries]


async def take(consumer: Consumer, n: int) -> list[Delivery]:
    """`n` deliveries, in as many calls as it needs."""
    found: list[Delivery] = []
    while len(found) < n:
        await asyncio.sleep(0)  # where the bound can end what would go on for ever in a driver that never waits
        some = await consumer.receive(n - len(found))
        assert some, "receive() gave nothing, though nobody had stopped it"
        found += some
    return found


async def rest(broker: Broker, consumer: Consumer, queue: str = "default") -> list[Delivery]:
    """All that is there to be taken: a last message is published behind it, and taken as the sign that all has come."""
    last = out(f"last-{next(_lasts)}", queue=queue, priority=0)
    await broker.publish([last])
    found: list[Delivery] = []
    while True:
        await asyncio.sleep(0)
        some = await consumer.receive(100)
        assert some, "receive() gave nothing, though nobody had stopped it"
        signs = [delivery for delivery in some if delivery.body == last.body]
        found += [delivery for delivery in some if delivery.body != last.body]
        if signs:
            await consumer.ack(signs)
            return found


def record(id: str = "job-1", turn: int = 0, phase: Phase = Phase.PENDING, **fields: Any) -> Record:
    """A record that has come so far; an ended one has succeeded."""
    state = {Phase.PENDING: State.QUEUED, Phase.RUNNING: State.RUNNING, Phase.ENDED: State.SUCCEEDED}[phase]
    usual: dict[str, Any] = {"task": "contract.task", "state": state}
    return Record(id=id, turn=turn, phase=phase, **(usual | fields))


def full_record(id: str = "job-1") -> Record:
    """A record with every field set to something that is easy to lose."""
    return Record(
        id=id, task="shop.näme", state=State.FAILED, turn=3, phase=Phase.ENDED, delivery=7, queue="mail", priority=9,
        attempt=4, attempts=4, crashes=1, enqueued=START + 0.123456, due=START + 1.5, started=START + 2.25,
        ended=START + 3.75, how=Ended.RETRIES, reason="failed: it 'broke' \"twice\"\n\u2028 \x00 🦆",
        error=Error("ValueError", "naïve \x00", "Traceback …\n  line"), result=Raw(b'{"b":1.0,"a":[1e2,"\\u00e9"]}'),
        progress=Progress(0.5, 1.0, "half"), worker="host:1:a", args=Raw(b"[123456789012345678901234567890, 1.0]"),
        kwargs=Raw(b'{"x": null}'), by="user:7", labels={"import": 42, "dry": True, "rate": 0.5, "who": "é"},
        parent="parent-1", root="root-1", forget=START + 86_400.0,
    )  # fmt: skip


def bodies(deliveries: Iterable[Delivery]) -> list[bytes]:
    """The bytes of each."""
    return [delivery.body for delivery in deliveries]


def due_at(moments: Sequence[float], prefix: str = "due") -> list[Outgoing]:
    """A message for each of these moments."""
    return [out(f"{prefix}-{i:06}", due=due) for i, due in enumerate(moments)]
