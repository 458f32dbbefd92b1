"""When a job that failed is tried again, when it is given up, and when it starts at all."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from math import inf, nan
from typing import Any

import pytest

from aioqueue import (
    Abandon,
    AioQueue,
    Backoff,
    Context,
    JobCancelled,
    JobFailed,
    Retry,
    Snooze,
    State,
    exponential,
    fibonacci,
    fixed,
    intervals,
)
from aioqueue.testing import World, run_virtual

from .world import LONGEST, Ledger, MakeQueue, at_work, in_state, in_virtual_time, queue_in, until, working


def pauses_of(times: int, backoff: Any, *, on_call: bool = False, seed: int = 7) -> list[float]:
    """The pauses between the attempts of a job that fails each time."""
    started: list[float] = []

    async def main(world: World) -> None:
        queue = queue_in(world, seed=seed)

        async def fail() -> None:
            started.append(world.clock.now())
            raise ValueError("again")

        task = queue.task(name="fail", retries=times, **({} if on_call else {"backoff": backoff}))(fail)
        async with working(queue):
            call = task.options(backoff=backoff) if on_call else task
            job = await call.enqueue()
            with pytest.raises(JobFailed) as caught:
                await job.result()
            assert caught.value.ended == "retries"

    run_virtual(main, limit=LONGEST)
    return [later - earlier for earlier, later in itertools.pairwise(started)]


def grows(attempt: int, error: BaseException) -> float:
    assert isinstance(error, ValueError)
    return attempt * 7.0


RULES: list[tuple[Any, list[float]]] = [
    (exponential(2, 10, jitter=False), [2, 4, 8, 10, 10]),
    (fixed(3), [3, 3, 3, 3, 3]),
    (5, [5, 5, 5, 5, 5]),
    (timedelta(minutes=1), [60] * 5),
    (intervals([1, 10]), [1, 10, 10, 10, 10]),
    ([1, 2, 3], [1, 2, 3, 3, 3]),
    (fibonacci(2), [2, 2, 4, 6, 10]),
    (grows, [7, 14, 21, 28, 35]),
]


@pytest.mark.parametrize(("rule", "expected"), RULES)
def test_each_retry_rule_is_followed(rule: Any, expected: list[float]) -> None:
    assert pauses_of(5, rule) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(("rule", "expected"), [each for each in RULES if not callable(each[0])])
def test_each_retry_rule_that_can_travel_is_followed_when_the_call_brings_it(rule: Any, expected: list[float]) -> None:
    assert pauses_of(5, rule, on_call=True) == pytest.approx(expected, abs=0.01)


def test_full_jitter_draws_each_pause_from_zero_to_the_rule_and_the_seed_decides_which() -> None:
    rule: Backoff = exponential(8, 64)
    pauses = pauses_of(6, rule)
    for pause, most in zip(pauses, [8, 16, 32, 64, 64, 64], strict=True):
        assert 0 <= pause <= most + 0.01
    assert pauses == pauses_of(6, rule)
    assert pauses != pauses_of(6, rule, seed=8)


@in_virtual_time
async def test_only_the_errors_worth_it_are_retried(world: World) -> None:
    queue = queue_in(world)
    attempts: dict[str, int] = {}

    @queue.task(retries=3, backoff=1, retry_on=(OSError, ValueError), give_up_on=FileNotFoundError)
    async def fail(context: Context, kind: str) -> None:
        attempts[kind] = context.attempt
        raise {"os": OSError, "file": FileNotFoundError, "value": ValueError, "key": KeyError}[kind](kind)

    async with working(queue):
        for kind, count, ended in (
            ("os", 4, "retries"), ("file", 1, "permanent"), ("value", 4, "retries"), ("key", 1, "permanent")
        ):  # fmt: skip
            with pytest.raises(JobFailed) as caught:
                await (await fail.enqueue(kind)).result()
            assert (attempts[kind], caught.value.ended) == (count, ended)


@in_virtual_time
async def test_a_task_says_when_it_is_to_be_tried_again(world: World) -> None:
    queue = queue_in(world)
    started: list[float] = []

    @queue.task(retries=2, backoff=1000)
    async def fail() -> None:
        started.append(world.clock.now())
        raise Retry("not yet", after=timedelta(seconds=30) if len(started) == 1 else 5)

    async with working(queue):
        job = await fail.enqueue()
        info = await until(in_state(job, State.RETRYING), 1)
        assert info is not None
        assert info.next_run is not None
        assert info.next_run.timestamp() == pytest.approx(started[0] + 30, abs=0.01)
        assert "not yet" in (info.reason or "")
        with pytest.raises(JobFailed) as caught:
            await job.result()
    assert caught.value.ended == "retries"
    assert [at - started[0] for at in started] == pytest.approx([0, 30, 35], abs=0.01)


@in_virtual_time
async def test_a_task_gives_its_job_up_whatever_retries_are_left(world: World) -> None:
    queue = queue_in(world)

    @queue.task(retries=9)
    async def fail() -> None:
        raise Abandon("no such address")

    async with working(queue):
        with pytest.raises(JobFailed, match="no such address") as caught:
            await (await fail.enqueue()).result()
    assert (caught.value.ended, caught.value.error_type) == ("permanent", "Abandon")


@in_virtual_time
async def test_a_snooze_spends_no_attempt(world: World) -> None:
    queue = queue_in(world)
    started: list[tuple[float, int]] = []

    @queue.task(retries=0)
    async def work(context: Context) -> str:
        started.append((world.clock.now(), context.attempt))
        if len(started) < 4:
            await asyncio.sleep(1)
            raise Snooze(60, "not ready")
        return "ready"

    async with working(queue):
        job = await work.enqueue()
        await asyncio.sleep(30)
        info = await job.info()
        assert (info.state, info.attempt) == (State.SCHEDULED, 0)
        assert info.ran == pytest.approx(1, abs=0.01)
        assert info.next_run is not None
        assert info.next_run.timestamp() == pytest.approx(started[0][0] + 61, abs=0.01)
        assert "not ready" in (info.reason or "")
        assert await job.result() == "ready"
    assert [at - started[0][0] for at, _ in started] == pytest.approx([0, 61, 122, 183], abs=0.01)
    assert [attempt for _, attempt in started] == [1, 1, 1, 1]


SOON: Any = "soon"
ENDLESS = [
    Snooze(inf), Snooze(nan), Snooze(SOON), Snooze(1e300), Retry(after=inf), Retry(after=nan), Retry(after=SOON),
]  # fmt: skip


@pytest.mark.parametrize("word", ENDLESS, ids=lambda word: str(vars(word)))
def test_a_pause_without_end_fails_the_job_instead_of_running_it_in_a_hot_loop(word: Exception) -> None:
    runs: list[int] = []

    async def main(world: World) -> None:
        queue = queue_in(world)

        @queue.task
        async def work() -> None:
            runs.append(1)
            raise word

        async with working(queue):
            with pytest.raises(JobFailed) as caught:
                await (await work.enqueue()).result()
            assert caught.value.ended == "permanent"

    run_virtual(main, limit=LONGEST)
    assert runs == [1]


@pytest.mark.parametrize("word", [Abandon("\ud800"), Snooze(1, "\ud800"), Retry("\ud800", after=1)], ids=repr)
async def test_text_that_no_store_can_hold_does_not_keep_a_job_from_ending(url: str, word: Exception) -> None:
    queue = AioQueue(url, retries=0)
    runs: list[int] = []

    @queue.task
    async def work() -> None:
        runs.append(1)
        if len(runs) == 1:
            raise word

    async with working(queue):
        job = await work.enqueue()
        await until(in_state(job, State.FAILED, State.SCHEDULED))
        assert "\\ud800" in str((await job.info()).reason)
    assert runs == [1]


@pytest.mark.parametrize("rule", [lambda n, e: -1.0, lambda n, e: nan, lambda n, e: 1 / 0, lambda n, e: "soon"])
def test_a_retry_rule_that_misbehaves_fails_the_job_visibly(rule: Any) -> None:
    async def main(world: World) -> None:
        queue = queue_in(world)

        @queue.task(retries=3, backoff=rule)
        async def fail() -> None:
            raise ValueError

        async with working(queue):
            with pytest.raises(JobFailed) as caught:
                await (await fail.enqueue()).result()
            assert caught.value.ended == "permanent"

    run_virtual(main, limit=LONGEST)


@in_virtual_time
async def test_a_call_may_bring_its_own_number_of_retries(world: World) -> None:
    queue = queue_in(world)
    runs: list[int | None] = []

    @queue.task(retries=5, backoff=0.1)
    async def fail(context: Context) -> None:
        runs.append(context.attempts)
        raise ValueError

    async with working(queue):
        with pytest.raises(JobFailed):
            await (await fail.options(retries=1).enqueue()).result()
    assert runs == [2, 2]


@in_virtual_time
async def test_what_could_not_start_in_time_expires(world: World) -> None:
    queue = queue_in(world)
    ran: list[str] = []

    @queue.task
    async def work(name: str) -> None:
        ran.append(name)

    async with queue:
        late = await work.options(expires=60).enqueue("late")
        by_hour = await work.options(expires=datetime.fromtimestamp(world.clock.now() + 3600, UTC)).enqueue("in time")
        await asyncio.sleep(61)
        async with at_work(queue):
            await by_hour.result()
            with pytest.raises(JobCancelled, match="expired"):
                await late.result()
        assert (await late.info()).state is State.EXPIRED
    assert ran == ["in time"]


@pytest.mark.parametrize("delay", [0.1, 2.0])
async def test_a_delayed_job_is_never_early(make: MakeQueue, delay: float) -> None:
    queue = make()
    ledger = Ledger()

    @queue.task
    async def work(kind: str) -> None:
        await ledger.note((kind, queue.clock.now()))

    async with working(queue):
        start = queue.clock.now()
        await work.options(delay=delay).enqueue("delay")
        await work.options(eta=datetime.now(UTC) + timedelta(seconds=delay)).enqueue("eta")
        for _, at in await ledger.until(2):
            assert start + delay <= at <= start + delay + 3


async def test_a_thousand_jobs_due_at_the_same_moment_all_run_once_and_none_early(make: MakeQueue) -> None:
    queue = make()
    ledger = Ledger()

    @queue.task
    async def work(n: int) -> None:
        await ledger.note((n, queue.clock.now()))

    async with working(queue):
        due = datetime.now(UTC) + timedelta(seconds=1)
        await queue.enqueue_many(work.s(n).options(eta=due) for n in range(1000))
        entries = await ledger.until(1000)
    assert sorted(n for n, _ in ledger.entries) == list(range(1000))
    assert min(at for _, at in entries) >= due.timestamp()


@in_virtual_time
async def test_a_long_delay_is_kept_to_the_second(world: World) -> None:
    queue = queue_in(world)
    started: list[float] = []

    @queue.task
    async def work() -> None:
        started.append(world.clock.now())

    async with working(queue):
        start = world.clock.now()
        await (await work.options(delay=timedelta(hours=1)).enqueue()).result()
    assert started == [pytest.approx(start + 3600, abs=0.01)]
