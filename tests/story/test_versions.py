"""Two versions of a program on one queue at once, as in every roll-out."""

from __future__ import annotations

import time
from signal import SIGTERM

import msgspec
import pytest

from aioqueue import JobFailed
from aioqueue.core.message import Outgoing

from .processes import Story

OLD, NEW = "tests.story.versions.old:queue", "tests.story.versions.new:queue"


async def test_what_both_versions_send_runs_on_both(story: Story) -> None:
    old, new = story.worker(OLD, concurrency=1), story.worker(NEW, concurrency=1)
    await story.ready(old, new)
    plain = await story.enqueue_all("greet", "Ann", times=40)
    for job in plain:
        assert await job.result(timeout=60) == "hello Ann"
    assert {each.pid for each in story.ledger.notes("begin")} == {old.pid, new.pid}


async def test_a_task_that_only_the_new_version_knows_waits_for_it(story: Story) -> None:
    old = story.worker(OLD)
    await story.ready(old)
    job = await story.enqueue("part", "Ann")
    await old.says("knows no task 'part'")
    old.signal(SIGTERM)
    await old.ended()
    new = story.worker(NEW)
    assert await job.result(timeout=60) == "bye Ann"
    assert [each.pid for each in story.ledger.notes("begin", job=job.id)] == [new.pid]
    assert (await job.info()).attempt == 1


async def test_an_argument_that_only_the_new_version_knows_is_refused_by_the_old_one_in_words(story: Story) -> None:
    story.worker(OLD)
    job = await story.enqueue("greet", "Ann", "good morning")
    with pytest.raises(JobFailed) as failed:
        await job.result(timeout=60)
    assert failed.value.ended == "invalid"
    (letter,) = await story.dead_letters()
    assert letter.id == job.id
    assert "too many" in letter.reason
    assert msgspec.json.decode(letter.body)["args"] == ["Ann", "good morning"], "nothing of it is lost"


async def test_a_message_of_a_newer_format_is_left_for_a_newer_worker_and_set_aside_in_the_end(story: Story) -> None:
    body = msgspec.json.encode({"v": 2, "id": "from-the-future", "task": {"in": "another shape"}})
    worker = story.worker(unknown_patience=2)
    await story.ready(worker)
    connection = await story.own.open()
    published = time.time()
    await connection.broker.publish([Outgoing("from-the-future", 0, "default", 4, None, body)])
    after = await story.enqueue("nap", 0)
    assert await after.result(timeout=60) == 0, "the others run meanwhile"
    await worker.says("left for a newer worker")
    await story.is_over()
    (letter,) = await story.dead_letters()
    assert letter.died - published >= 2
    assert letter.body == body
    assert "message format 2 is newer" in letter.reason
    with pytest.raises(JobFailed) as failed:
        await story.own.job("from-the-future").result(timeout=60)
    assert failed.value.ended == "unknown"
