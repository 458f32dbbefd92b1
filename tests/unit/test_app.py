"""AioQueue: inert until used, one event loop, tasks by name, and clear errors."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from aioqueue import AioQueue, ConfigurationError, Context
from aioqueue.connection import Connection, connect
from aioqueue.core.clock import Clock
from aioqueue.core.events import Event
from aioqueue.errors import DuplicateTask
from aioqueue.settings import Settings


def test_a_queue_is_inert_until_it_is_used(tmp_path: Path) -> None:
    queue = AioQueue(f"sqlite:///{tmp_path}/jobs.db")

    @queue.task
    async def work() -> None: ...

    work.options(delay=5).s()
    queue.job("x")
    queue.worker()
    queue.signature("work")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ConfigurationError, match="not open"):
        _ = queue.connection


def test_what_is_no_function_is_refused_as_a_task() -> None:
    queue = AioQueue("memory://")
    wrongs: list[Any] = [partial(print, 1), Path, 7]
    for wrong in wrongs:
        with pytest.raises(ConfigurationError, match="is no function"):
            queue.task(wrong)


def test_it_opens_at_the_first_call_and_when_a_job_is_asked_after(tmp_path: Path) -> None:
    async def main() -> None:
        queue = AioQueue(f"sqlite:///{tmp_path}/jobs.db")
        job = await queue.signature("work").enqueue()
        await queue.close()
        other = AioQueue(f"sqlite:///{tmp_path}/jobs.db")
        assert (await other.job(job.id).info()).task == "work"
        await other.close()

    asyncio.run(main())


def test_it_opens_anew_when_the_loop_it_was_opened_on_has_ended(tmp_path: Path) -> None:
    queue = AioQueue(f"sqlite:///{tmp_path}/jobs.db")

    async def enqueue() -> str:
        return (await queue.signature("work").enqueue()).id

    async def ask(id: str) -> str:
        async with queue:
            return (await queue.job(id).info()).state

    first, second = asyncio.run(enqueue()), asyncio.run(enqueue())
    assert first != second
    assert [asyncio.run(ask(first)), asyncio.run(ask(second))] == ["queued", "queued"]


def test_what_was_kept_in_memory_ends_with_its_loop_and_says_so() -> None:
    queue = AioQueue("memory://")

    async def enqueue() -> None:
        await queue.signature("work").enqueue()

    asyncio.run(enqueue())
    with pytest.raises(ConfigurationError, match="has ended, and what it kept in memory with it"):
        asyncio.run(enqueue())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of threads beside a fork: what is tried here
def test_a_forked_process_opens_its_own_connections(tmp_path: Path) -> None:
    queue = AioQueue(f"sqlite:///{tmp_path}/jobs.db")

    async def enqueue(id: str) -> None:
        await queue.signature("work").options(id=id).enqueue()

    async def count() -> int:
        async with queue:
            return (await queue.connection.broker.counts())["default"].ready

    asyncio.run(enqueue("parent"))
    child = os.fork()
    if not child:
        code = 1
        try:
            asyncio.run(enqueue("child"))
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    asyncio.run(enqueue("parent again"))
    assert asyncio.run(count()) == 3


def test_it_says_so_when_it_is_used_from_a_second_event_loop() -> None:
    queue = AioQueue("memory://")

    async def use() -> None:
        await queue.signature("work").enqueue()

    async def ask() -> None:
        await queue.job("x").info()

    async def batch() -> None:
        await queue.enqueue_many([queue.signature("work")])

    async def close() -> None:
        await queue.close()

    with asyncio.Runner() as first, asyncio.Runner() as second:
        first.run(use())
        for wrong in (use, ask, batch):
            with pytest.raises(ConfigurationError, match="another event loop"):
                second.run(asyncio.wait_for(wrong(), 10))
        first.run(close())
        second.run(use())
        second.run(close())


def test_many_first_calls_at_once_open_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[int] = []

    def counted(settings: Settings, clock: Clock) -> Connection:
        opened.append(1)
        return connect(settings, clock)

    monkeypatch.setattr("aioqueue.app.connect", counted)

    async def main() -> None:
        async with AioQueue("memory://") as queue:
            await queue.close()
            await asyncio.gather(*(queue.signature("work", n).enqueue() for n in range(50)))

    asyncio.run(main())
    assert len(opened) == 2


def test_two_functions_cannot_have_one_name() -> None:
    queue = AioQueue("memory://")

    @queue.task
    async def work() -> None: ...

    with pytest.raises(DuplicateTask, match=r"already .*work; give one of the two another name"):

        @queue.task(name="work")
        async def other() -> None: ...

    @queue.task(name="mine.work")
    async def third() -> None: ...

    assert set(queue.tasks) == {"work", "mine.work"}


def test_one_set_of_options_registers_any_number_of_functions() -> None:
    queue = AioQueue("memory://")
    register = queue.task(retries=7)

    @register
    async def one() -> None: ...

    @register
    async def two() -> None: ...

    assert [task.rules.retries for task in queue.tasks.values()] == [7, 7]
    named = queue.task(name="three")
    named(one.function)
    with pytest.raises(DuplicateTask):
        named(two.function)


NAIVE = datetime(2026, 1, 1)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"eta": NAIVE}, "time zone"),
        ({"expires": NAIVE}, "time zone"),
        ({"delay": -1}, "delay"),
        ({"delay": float("nan")}, "delay"),
        ({"delay": 1, "eta": NAIVE}, "not both"),
        ({"priority": 10}, "0 to 9"),
        ({"priority": True}, "0 to 9"),
        ({"retries": -1}, "retries"),
        ({"retries": 1.5}, "retries"),
        ({"retries": 2**31}, "retries"),
        ({"timeout": 0}, "timeout is 0"),
        ({"backoff": lambda n, e: 1}, "cannot travel"),
        ({"backoff": []}, "at least one"),
        ({"id": ""}, "id is ''"),
        ({"id": "a\nb"}, "printable"),
        ({"id": "x" * 256}, "255"),
        ({"queue": ""}, "queue"),
        ({"by": "\ud800"}, "printable"),
        ({"labels": {"a": None}}, "labels"),
        ({"labels": {"a": float("inf")}}, "labels"),
        ({"labels": {1: "a"}}, "labels"),
        ({"headers": {"a": 1}}, "headers"),
        ({"nosuch": 1}, "no option 'nosuch'"),
    ],
)
def test_a_wrong_option_of_a_call_is_refused_by_name(options: dict[str, Any], match: str) -> None:
    queue = AioQueue("memory://")

    @queue.task
    async def work() -> None: ...

    with pytest.raises(ConfigurationError, match=match):
        work.options(**options)
    with pytest.raises(ConfigurationError, match=match):
        queue.signature("work").options(**options)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"retires": 1}, "did you mean 'retries'"),
        ({"name": ""}, "task's name"),
        ({"timeout": 0}, "timeout is 0"),
        ({"priority": -1}, "0 to 9"),
        ({"retry_on": ValueError("no class")}, "no exception class"),
        ({"give_up_on": [int]}, "no exception class"),
        ({"run_in": "fork"}, "'loop', 'thread' or 'process'"),
        ({"run_in": "thread"}, "it is async"),
        ({"backoff": "soon"}, "no retry rule"),
        ({"keep_results": -1}, "keep_results"),
    ],
)
def test_a_wrong_option_of_a_task_is_refused_at_registration(options: dict[str, Any], match: str) -> None:
    queue = AioQueue("memory://")
    with pytest.raises(ConfigurationError, match=match):

        @queue.task(**options)
        async def work() -> None: ...

    assert queue.tasks == {}


def test_a_plain_function_does_not_run_on_the_loop_and_a_context_goes_first() -> None:
    queue = AioQueue("memory://")
    with pytest.raises(ConfigurationError, match="would block the loop"):

        @queue.task(run_in="loop")
        def blocking() -> None: ...

    with pytest.raises(ConfigurationError, match="goes first"):

        @queue.task
        async def late(a: int, context: Context) -> None: ...

    with pytest.raises(ConfigurationError, match="top of a module"):

        @queue.task(run_in="process")
        def local() -> None: ...


def test_calling_a_task_calls_the_function_and_nothing_else() -> None:
    queue = AioQueue("memory://")

    @queue.task
    async def add(a: int, b: int) -> int:
        """Adds."""
        return a + b

    @queue.task
    def plain(a: int) -> int:
        return a + 1

    assert asyncio.run(add(1, 2)) == 3
    assert plain(1) == 2
    assert (add.__name__, add.__doc__) == ("add", "Adds.")
    with pytest.raises(ConfigurationError, match="not open"):
        _ = queue.connection


@pytest.mark.parametrize("url", ["nonsense", "nosuch://", "memory://host", "sqlite://", "sqlite:///"])
def test_a_url_that_no_driver_takes_is_refused(url: str) -> None:
    async def main() -> None:
        await AioQueue(url).open()

    with pytest.raises(ConfigurationError):
        asyncio.run(main())


def test_a_worker_wants_a_list_of_queues() -> None:
    queue = AioQueue("memory://")
    wrong: Any
    for wrong in ("mail", []):
        with pytest.raises(ConfigurationError, match="list of names"):
            queue.worker(queues=wrong)


def test_its_repr_hides_passwords() -> None:
    assert "secret" not in repr(AioQueue("plugin://user:secret@host/0"))


def test_a_listener_is_a_plain_function() -> None:
    async def listener(event: Event) -> None: ...

    with pytest.raises(ConfigurationError, match="nobody would await it"):
        AioQueue("memory://").on(Event)(listener)


def test_a_generator_is_no_task() -> None:
    queue = AioQueue("memory://")

    def numbers() -> Iterator[int]:
        yield 1

    async def letters() -> AsyncIterator[str]:
        yield "a"

    for function in (numbers, letters):
        with pytest.raises(ConfigurationError, match="never run"):
            queue.task(function)
