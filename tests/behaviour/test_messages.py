"""Messages that are not as they should be: forged, malformed, from another version of the code."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from msgspec import Raw, structs

from aioqueue import AioQueue, JobFailed, Retry, State
from aioqueue.core.codec import decode, outgoing
from aioqueue.core.message import VERSION, Message, Outgoing
from aioqueue.core.record import queued
from aioqueue.drivers.base import DeadLetter, Entry
from aioqueue.testing import World

from .world import Ledger, MakeQueue, at_work, in_state, in_virtual_time, one_server, queue_in, until, working

MANY = 10_000


def message(queue: AioQueue, id: str, task: str = "add", args: str = "[1, 2]", **fields: Any) -> Message:
    return Message(v=VERSION, id=id, task=task, enqueued=queue.clock.now(), args=Raw(args.encode()), **fields)


async def send(queue: AioQueue, *forged: Message) -> None:
    """Enqueue these as another program would, whose calls nobody checked."""
    connection = await queue.open()
    await connection.commit.enqueue([Entry(outgoing(each), queued(each)) for each in forged])


async def publish(queue: AioQueue, *bodies: bytes) -> None:
    connection = await queue.open()
    await connection.broker.publish([Outgoing(f"raw-{i:06}", 0, "default", 4, None, b) for i, b in enumerate(bodies)])


async def letters(queue: AioQueue) -> list[DeadLetter]:
    return list(await queue.connection.broker.dead_letters(limit=MANY * 2))


async def some_letters(queue: AioQueue, count: int = 1) -> list[DeadLetter]:
    """Once there are so many: where messages and results are kept apart, a job fails before its message is set
    aside."""

    async def look() -> list[DeadLetter]:
        found = await letters(queue)
        return found if len(found) >= count else []

    return await until(look)


@pytest.mark.parametrize("args", ['["one", 2]', "[1]", "[1, 2, 3]", '{"a": 1}', "null", "[1, 99999999999999999999e99]"])
async def test_a_call_forged_on_the_wire_is_set_aside_and_whoever_waits_for_it_hears_why(
    make: MakeQueue, args: str
) -> None:
    queue = make()

    @queue.task
    async def add(a: int, b: int) -> int:
        return a + b

    async with working(queue):
        await send(queue, message(queue, "forged", args=args))
        with pytest.raises(JobFailed) as caught:
            await queue.job("forged").result(timeout=10)
        assert caught.value.ended == "invalid"
        assert [(letter.id, letter.task) for letter in await some_letters(queue)] == [("forged", "add")]
        assert await (await add.enqueue(1, 2)).result(timeout=10) == 3


async def test_bytes_whose_id_can_be_read_fail_the_job_of_that_id(make: MakeQueue) -> None:
    queue = make()
    async with working(queue):
        good = message(queue, "broken")
        body = json.dumps({"v": 1, "id": "broken", "task": "add", "enqueued": "yesterday"}).encode()
        entry = Entry(structs.replace(outgoing(good), body=body), queued(good))
        await queue.connection.commit.enqueue([entry])
        with pytest.raises(JobFailed) as caught:
            await queue.job("broken").result(timeout=10)
        assert caught.value.ended == "invalid"
        (letter,) = await some_letters(queue)
        assert letter.body == body
        assert "enqueued" in letter.reason


MALFORMED = [
    b"", b"{", b"null", b"[]", b"\xff\xfe", b'"text"', b"{}", b'{"v": 1}', b'{"v": "1", "id": "a", "task": "add"}',
    b'{"v": 1, "id": 5, "task": "add", "enqueued": 1}', b'{"v": 0, "id": "old", "task": "add", "enqueued": 1}',
    b'{"v": 1, "id": "a1", "task": "add", "enqueued": 1, "turn": "x"}', b"[" * 5000, b"\x00" * 100,
    b'{"v": 1, "id": "", "task": "add", "enqueued": null}', b'{"v": 1, "id": "\\ud800", "task": "add"}',
    b'{"v": 1, "id": "big", "task": "add", "enqueued": 1, "turn": 99999999999999999999999}',
]  # fmt: skip


async def test_malformed_messages_are_set_aside_each_with_its_reason_and_every_good_one_runs(make: MakeQueue) -> None:
    queue = make()
    ran = Ledger()

    @queue.task
    async def add(a: int, b: int) -> None:
        await ran.note(a)

    count = MANY if queue.settings.results == "same" else 1_000
    async with working(queue):
        await publish(queue, *(MALFORMED[n % len(MALFORMED)] for n in range(count)))
        await queue.enqueue_many(add.s(n, 1) for n in range(100))
        assert sorted(await ran.until(100)) == list(range(100))
        found = await some_letters(queue, count)
        assert len(found) == count
        assert all(letter.reason.startswith("set aside: ") for letter in found)
        assert sorted(letter.body for letter in found) == sorted(MALFORMED[n % len(MALFORMED)] for n in range(count))


async def test_old_and_new_messages_run_when_a_task_has_gained_an_optional_argument(make: MakeQueue) -> None:
    queue = make()

    @queue.task
    async def greet(name: str, greeting: str = "hello") -> str:
        return f"{greeting} {name}"

    async with working(queue):
        await send(queue, message(queue, "old", "greet", '["Ann"]'), message(queue, "new", "greet", '["Ann", "hi"]'))
        assert await queue.job("old").result(timeout=10) == "hello Ann"
        assert await queue.job("new").result(timeout=10) == "hi Ann"


async def test_fields_that_this_version_does_not_know_survive_a_retry(make: MakeQueue) -> None:
    queue = make()
    seen = Ledger()

    @queue.task(retries=1, backoff=0)
    async def add(a: int, b: int) -> int:
        if not seen.entries:
            await seen.note("first")
            raise Retry
        return a + b

    await queue.open()
    try:
        known = message(queue, "later", then=Raw(b'{"x":1}'))
        body = json.dumps({**json.loads(outgoing(known).body), "future": {"deep": [1, None]}}).encode()
        await queue.connection.commit.enqueue([Entry(structs.replace(outgoing(known), body=body), queued(known))])
        async with working(queue) as worker:
            await seen.until(1)
            worker.drain()
            await until(in_state(queue.job("later"), State.RETRYING))
            (waiting,) = await queue.connection.broker.peek("default")
        fields = json.loads(waiting)
        assert fields["future"] == {"deep": [1, None]}
        assert fields["then"] == {"x": 1}
        assert (fields["turn"], fields["attempt"]) == (1, 1)
    finally:
        await queue.close()


@in_virtual_time
async def test_a_message_of_a_newer_format_is_put_off_and_then_set_aside_with_its_bytes(world: World) -> None:
    queue = queue_in(world, unknown_patience=600)
    body = json.dumps({"v": VERSION + 1, "id": "newer", "task": "add", "news": True}).encode()
    deliveries = 0
    async with working(queue):
        broker = queue.connection.broker
        await publish(queue, body)
        start = world.clock.now()
        found = await until(broker.dead_letters, 1)
        assert 600 <= found[0].died - start <= 600 + 60
        assert found[0].body == body
        assert "newer" in found[0].reason
        info = await queue.job("newer").info()
        assert (info.state, info.how) == (State.FAILED, "unknown")
        deliveries = queue.connection.commit.broker.messages.__len__()  # type: ignore[attr-defined]
    assert deliveries == 0


@in_virtual_time
async def test_a_task_nobody_knows_is_put_off_with_growing_pauses_and_set_aside_in_the_end(world: World) -> None:
    queue = queue_in(world, unknown_patience=3600)
    moments: list[float] = []
    async with working(queue):
        job = await queue.signature("nobody", 1).enqueue()
        take = queue.connection.broker.take  # type: ignore[attr-defined]

        def watched(messages: Any) -> None:
            moments.append(world.clock.now())
            take(messages)

        queue.connection.broker.take = watched  # type: ignore[attr-defined]
        with pytest.raises(JobFailed, match="no worker knew task 'nobody'") as caught:
            await job.result()
        assert caught.value.ended == "unknown"
        (letter,) = await queue.connection.broker.dead_letters()
        assert decode(letter.body).task == "nobody"
    moments = sorted(set(moments))
    pauses = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert 0.5 <= pauses[0] <= 2
    assert all(30 <= pause <= 61 for pause in pauses[8:])
    assert len(pauses) < 140


@in_virtual_time
async def test_each_of_two_workers_runs_what_it_knows_and_nothing_is_set_aside(world: World) -> None:
    one, two = queue_in(world), queue_in(world, seed=8)
    ran = Ledger()

    @one.task
    async def red(n: int) -> None:
        await ran.note(("one", "red", n))

    @two.task
    async def blue(n: int) -> None:
        await ran.note(("two", "blue", n))

    async with one_server(one, two), at_work(one), at_work(two):
        for n in range(10):
            await one.signature("blue", n).enqueue()
            await two.signature("red", n).enqueue()
        entries = await ran.until(20)
        assert await letters(one) == []
    assert sorted(entries) == [("one", "red", n) for n in range(10)] + [("two", "blue", n) for n in range(10)]


async def test_a_producer_that_cannot_import_a_task_calls_it_by_name_with_the_same_options(shared: MakeQueue) -> None:
    worker, producer = shared(), shared()

    @worker.task
    async def add(a: int, b: int) -> int:
        return a + b

    async with working(worker), producer:
        call = producer.signature("add", 15, b=25).options(retries=3, delay=0.05, labels={"import": 7})
        job = await call.enqueue()
        assert await job.result(timeout=10) == 40
        info = await job.info()
        assert (info.attempts, info.labels, info.due is not None) == (4, {"import": 7}, True)


async def test_a_wrong_argument_by_name_is_a_dead_letter_that_the_producer_sees(shared: MakeQueue) -> None:
    worker, producer = shared(), shared()

    @worker.task
    async def add(a: int, b: int) -> int:
        return a + b

    async with working(worker), producer:
        job = await producer.signature("add", "fifteen", 25).enqueue()
        with pytest.raises(JobFailed, match="'a'") as caught:
            await job.result(timeout=10)
        assert caught.value.ended == "invalid"
        assert [letter.id for letter in await some_letters(producer)] == [job.id]
