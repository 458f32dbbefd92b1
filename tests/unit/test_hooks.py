"""Middleware and listeners."""

from __future__ import annotations

from typing import Any, cast

import pytest

from aioqueue import Context
from aioqueue.core.events import Event, JobReleased, WorkerStopped
from aioqueue.worker.hooks import CallNext, Hooks

NOBODY = cast(Context, None)


async def test_middleware_nests_with_the_first_outermost() -> None:
    hooks, seen = Hooks(), list[str]()

    def around(name: str) -> None:
        async def run(context: Context, call_next: CallNext) -> Any:
            seen.append(f">{name}")
            result = await call_next()
            seen.append(f"<{name}")
            return f"{name}({result})"

        hooks.middleware.append(run)

    around("a")
    around("b")

    async def body() -> str:
        seen.append("body")
        return "x"

    assert await hooks.wrap(NOBODY, body)() == "a(b(x))"
    assert seen == [">a", ">b", "body", "<b", "<a"]


async def test_middleware_may_leave_the_task_out_or_swallow_its_error() -> None:
    hooks = Hooks()

    async def swallow(context: Context, call_next: CallNext) -> Any:
        try:
            return await call_next()
        except ValueError:
            return "caught"

    hooks.middleware.append(swallow)

    async def body() -> str:
        raise ValueError

    assert await hooks.wrap(NOBODY, body)() == "caught"


def test_a_listener_hears_its_kind_of_event_and_those_below_it() -> None:
    hooks, every, some = Hooks(), list[Event](), list[Event]()
    hooks.listen(Event, every.append)
    hooks.listen(JobReleased, some.append)
    hooks.send(JobReleased("a", "t"))
    hooks.send(WorkerStopped("w", 0, 0))
    assert every == [JobReleased("a", "t"), WorkerStopped("w", 0, 0)]
    assert some == [JobReleased("a", "t")]


def test_an_event_nobody_listens_to_is_not_wanted() -> None:
    hooks = Hooks()
    assert not hooks.wanted(JobReleased)
    hooks.listen(WorkerStopped, lambda event: None)
    assert not hooks.wanted(JobReleased)
    hooks.listen(Event, lambda event: None)
    assert hooks.wanted(JobReleased)


def test_a_listener_that_fails_is_logged_and_keeps_nobody_from_hearing(caplog: pytest.LogCaptureFixture) -> None:
    hooks, heard = Hooks(), list[Event]()

    def fail(event: Event) -> None:
        raise RuntimeError("broken listener")

    hooks.listen(Event, fail)
    hooks.listen(Event, heard.append)
    hooks.send(JobReleased("a", "t"))
    assert len(heard) == 1
    assert "broken listener" in caplog.text
