"""Ten thousand messages that are none, among good ones."""

from __future__ import annotations

from random import Random

from aioqueue.core.message import Outgoing

from .processes import Story

MOST = 10_000


def malformed(random: Random) -> bytes:
    """Something that is no message of ours."""
    return random.choice(
        [
            random.randbytes(random.randrange(60)),
            b"",
            b"null",
            b"[1, 2, 3]",
            b'{"v": 1}',
            b'{"v": 1, "id": 7, "task": "nap", "enqueued": 1.5}',
            b'{"v": 0, "id": "zero", "task": "nap", "enqueued": 1.5}',
            b'{"v": 1, "id": "half", "task": "nap", "enq',
            b'{"v": 1, "id": "x", "task": "nap", "enqueued": "yesterday"}',
            b"[" * 3000,
            '{"v": 1, "id": "ü", "task": "nap", "enqueued": 1}'.encode("latin-1"),
        ]
    )


async def test_each_is_set_aside_with_its_reason_and_every_good_one_runs(story: Story) -> None:
    random = Random(7)
    broker = (await story.own.open()).broker
    bodies: dict[str, bytes] = {}
    jobs = []
    for batch in range(10):
        messages = [
            Outgoing(f"malformed-{batch}-{number}", 0, "default", 4, None, malformed(random))
            for number in range(MOST // 10)
        ]
        bodies |= {each.id: each.body for each in messages}
        await broker.publish(messages)
        jobs += await story.enqueue_all("nap", 0, times=20)
    worker = story.worker()
    for job in jobs:
        assert await job.result(timeout=120) == 0
    await story.is_over()
    letters = await story.dead_letters()
    assert sorted(each.body for each in letters) == sorted(bodies.values())
    assert all("not a message of ours" in each.reason for each in letters)
    assert story.ledger.runs() == {job.id: 1 for job in jobs}
    assert worker.alive
