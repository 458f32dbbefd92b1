"""Threads for `def` tasks: reused, bounded, and one that hangs holds nothing up. A thread that has done its work tells
nobody that it is idle, so here and there a test looks again and again."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest

from aioqueue.worker.threads import Call, Raised, Threads


def submit(threads: Threads, function: object) -> Call:
    return threads.submit(function, contextvars.copy_context())  # type: ignore[arg-type]


async def test_a_call_gives_what_its_function_returned() -> None:
    threads = Threads(2)
    assert await submit(threads, lambda: 5).future == 5
    threads.close()


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(1), KeyboardInterrupt(), asyncio.CancelledError()])
async def test_whatever_a_function_raises_comes_back_in_a_box(error: BaseException) -> None:
    threads = Threads(1)

    def fail() -> None:
        raise error

    value = await submit(threads, fail).future
    assert isinstance(value, Raised)
    assert value.error is error
    assert await submit(threads, lambda: "alive").future == "alive"
    threads.close()


async def test_a_stop_iteration_comes_back_as_an_error_that_can_be_raised_in_a_coroutine() -> None:
    threads = Threads(1)
    value = await submit(threads, lambda: next(iter(()))).future
    assert isinstance(value.error, RuntimeError)
    threads.close()


async def test_an_idle_thread_is_used_again() -> None:
    threads = Threads(8)
    idents = set()
    for _ in range(20):
        idents.add(await submit(threads, threading.get_ident).future)
        while threads._idle == 0:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert len(idents) == 1
    threads.close()


async def test_calls_run_side_by_side() -> None:
    threads = Threads(3)
    barrier = threading.Barrier(3, timeout=5)
    calls = [submit(threads, barrier.wait) for _ in range(3)]
    assert sorted([await call.future for call in calls]) == [0, 1, 2]
    threads.close()


async def test_a_call_that_is_given_up_ends_for_who_awaits_it_and_is_counted_until_it_ends() -> None:
    threads = Threads(1)
    started, freed = threading.Event(), threading.Event()

    def hang() -> None:
        started.set()
        freed.wait()

    call = submit(threads, hang)
    await asyncio.to_thread(started.wait)
    threads.give_up(call)
    value = await call.future
    assert isinstance(value, Raised)
    assert isinstance(value.error, asyncio.CancelledError)
    assert threads.given_up == 1
    assert await submit(threads, lambda: "another thread").future == "another thread"
    freed.set()
    while threads.given_up:  # noqa: ASYNC110
        await asyncio.sleep(0)
    threads.close()


async def test_a_call_that_has_just_answered_is_not_given_up() -> None:
    threads = Threads(1)
    call = submit(threads, lambda: 5)
    while not call.finished:
        pass  # its answer is on its way, but this loop has not seen it
    threads.give_up(call)
    assert threads.given_up == 0
    assert await call.future == 5
    threads.close()


async def test_closing_ends_idle_threads_and_waits_for_none_that_runs() -> None:
    threads = Threads(2)
    before = threading.active_count()
    freed = threading.Event()
    submit(threads, freed.wait)
    await submit(threads, lambda: None).future
    threads.close()
    freed.set()
    while threading.active_count() > before:  # noqa: ASYNC110
        await asyncio.sleep(0)
    assert threading.active_count() <= before


def test_a_function_that_outlives_its_loop_does_no_harm() -> None:
    freed, ended = threading.Event(), threading.Event()

    def outlive() -> None:
        freed.wait()
        ended.set()

    async def main() -> None:
        threads = Threads(1)
        submit(threads, outlive)
        threads.close()

    asyncio.run(main())
    freed.set()
    assert ended.wait(5)
