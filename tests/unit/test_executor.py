"""The executor: slots, limits, and attempts that do not end when they are asked to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any

import pytest

from aioqueue.core.outcome import Interrupted, Outcome, Succeeded
from aioqueue.testing import World, run_virtual
from aioqueue.worker.attempt import Ending
from aioqueue.worker.executor import END_PATIENCE, Executor

DONE = Succeeded(b"1")


class Stub:
    """As much of an attempt as the executor knows."""

    def __init__(
        self, world: World, body: Callable[[], Coroutine[Any, Any, None]], *, timeout: float | None = None
    ) -> None:
        self.body = body
        self.timeout = timeout
        self.suspect = False
        self.renew_until: float | None = None
        self.ending: Ending | None = None
        self.handle: Any = None
        self.announced = False
        self.run_number = 1
        self.run = SimpleNamespace(started=None)
        self.around = SimpleNamespace(clock=world.clock)
        self.message = SimpleNamespace(id="job", task="work")
        self.executor: Any = None

    async def outcome(self) -> Outcome:
        self.executor.begin(self)
        try:
            await self.body()
        except asyncio.CancelledError:
            return self.ended()
        return DONE

    def end(self, why: Ending) -> None:
        self.ending = why
        self.handle.cancel()

    def give_up(self) -> bool:
        return False

    def ended(self) -> Outcome:
        return Interrupted(str(self.ending))


class Scene:
    """An executor, and what ended when."""

    def __init__(self, world: World, concurrency: int = 2, grace: float = 30.0) -> None:
        self.world = world
        self.ended: list[tuple[float, Stub, Outcome]] = []
        self.returned: list[Stub] = []
        self.executor = Executor(concurrency, grace, self._ended, self._returned)

    def _ended(self, attempt: Any, outcome: Outcome) -> None:
        self.ended.append((round(self.world.clock.monotonic(), 3), attempt, outcome))

    def _returned(self, attempts: Any) -> None:
        self.returned += attempts

    def start(self, body: Callable[[], Coroutine[Any, Any, None]], **options: Any) -> Stub:
        stub: Any = Stub(self.world, body, **options)
        stub.executor = self.executor
        self.executor.start(stub)
        given: Stub = stub
        return given


def scene(concurrency: int = 2) -> Callable[[Callable[[Scene], Coroutine[Any, Any, None]]], Callable[[], None]]:
    """The test, with an executor, in virtual time."""

    def wrap(test: Callable[[Scene], Coroutine[Any, Any, None]]) -> Callable[[], None]:
        async def main(world: World) -> None:
            await test(Scene(world, concurrency))

        def run() -> None:
            run_virtual(main, limit=1000)

        run.__name__ = test.__name__
        return run

    return wrap


def sleeping(seconds: float) -> Callable[[], Coroutine[Any, Any, None]]:
    return lambda: asyncio.sleep(seconds)


@scene(concurrency=2)
async def test_room_is_what_is_free_and_is_waited_for(scene: Scene) -> None:
    assert await scene.executor.room() == 2
    scene.start(sleeping(5))
    assert await scene.executor.room() == 1
    scene.start(sleeping(9))
    assert await scene.executor.room() == 1
    assert scene.world.clock.monotonic() == pytest.approx(5)


@scene()
async def test_idle_is_once_nothing_runs(scene: Scene) -> None:
    await scene.executor.idle()
    scene.start(sleeping(5))
    scene.start(sleeping(7))
    await scene.executor.idle()
    assert scene.world.clock.monotonic() == pytest.approx(7)
    assert [outcome for _, _, outcome in scene.ended] == [DONE, DONE]


@scene()
async def test_a_limit_counts_from_the_start_of_the_body_and_leases_are_kept_a_grace_longer(scene: Scene) -> None:
    late = scene.start(sleeping(100), timeout=10)
    in_time = scene.start(sleeping(5), timeout=10)
    await scene.executor.idle()
    assert [(at, attempt) for at, attempt, _ in scene.ended] == [(5, in_time), (10, late)]
    assert late.ending is Ending.TIMEOUT
    assert in_time.ending is None
    assert late.renew_until == pytest.approx(40)


@scene()
async def test_the_first_reason_to_end_is_the_one_that_counts(scene: Scene) -> None:
    stub = scene.start(sleeping(100))
    await asyncio.sleep(1)
    scene.executor.end(stub, Ending.CANCELLED)  # type: ignore[arg-type]
    scene.executor.end(stub, Ending.STOPPING)  # type: ignore[arg-type]
    await scene.executor.idle()
    assert stub.ending is Ending.CANCELLED


@scene(concurrency=1)
async def test_what_does_not_end_in_time_is_abandoned_once_and_holds_no_slot(scene: Scene) -> None:
    freed = asyncio.Event()

    async def stubborn() -> None:
        while not freed.is_set():
            try:
                await freed.wait()
            except asyncio.CancelledError:
                continue

    stub = scene.start(stubborn)
    await asyncio.sleep(1)
    scene.executor.end_all(Ending.STOPPING)
    await scene.executor.room()
    assert scene.world.clock.monotonic() == pytest.approx(1 + END_PATIENCE)
    assert scene.executor.stuck() == 1
    scene.executor.abandon_all()
    freed.set()
    await asyncio.sleep(1)
    assert scene.executor.stuck() == 0
    assert [(attempt, type(outcome)) for _, attempt, outcome in scene.ended] == [(stub, Interrupted)]


@scene()
async def test_one_suspect_is_known_while_it_runs(scene: Scene) -> None:
    assert scene.executor.suspect is None
    stub: Any = Stub(scene.world, sleeping(5))
    stub.executor, stub.suspect = scene.executor, True
    scene.executor.start(stub)
    assert scene.executor.suspect is stub
    await scene.executor.idle()
    assert scene.executor.suspect is None
