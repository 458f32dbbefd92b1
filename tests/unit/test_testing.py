"""The clocks and the loop that tests of queues run on."""

from __future__ import annotations

import asyncio
import time

import pytest

import aioqueue.testing
from aioqueue.drivers.base import Consumer
from aioqueue.drivers.memory import open_memory
from aioqueue.testing import Deadlock, ManualClock, VirtualClock, VirtualLoop, World, run_virtual
from aioqueue.testing.contracts.jobs import ids, out

HOUR = 3600.0


def test_a_manual_clock_stands_still_until_it_is_turned() -> None:
    clock = ManualClock(100.0)
    assert (clock.now(), clock.monotonic()) == (100.0, 0.0)
    clock.advance(5)
    assert (clock.now(), clock.monotonic()) == (105.0, 5.0)


def test_the_wall_clock_may_be_set_while_no_time_passes() -> None:
    clock = ManualClock(100.0)
    clock.step_wall(-50)
    assert (clock.now(), clock.monotonic()) == (50.0, 0.0)


def test_time_does_not_pass_backwards() -> None:
    with pytest.raises(ValueError, match="step_wall"):
        ManualClock().advance(-1)


def test_hours_of_sleep_take_no_time_and_end_in_the_right_order() -> None:
    async def main(world: World) -> list[tuple[float, int]]:
        woken: list[tuple[float, int]] = []

        async def sleeper(n: int) -> None:
            await asyncio.sleep((100 - n) * HOUR)
            woken.append((world.clock.monotonic(), n))

        await asyncio.gather(*(sleeper(n) for n in range(100)))
        return woken

    started = time.monotonic()
    assert run_virtual(main) == [((100 - n) * HOUR, n) for n in reversed(range(100))]
    assert time.monotonic() - started < 5


def test_timeouts_are_virtual_too() -> None:
    async def main(world: World) -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(HOUR):
                await asyncio.Event().wait()
        return world.clock.now()

    assert run_virtual(main) == ManualClock().now() + HOUR


def test_the_same_seed_makes_the_same_world() -> None:
    async def main(world: World) -> list[object]:
        await asyncio.sleep(world.random.uniform(0, HOUR))
        return [world.clock.now(), world.random.random(), world.entropy(10)]

    assert run_virtual(main, seed=7) == run_virtual(main, seed=7)
    assert run_virtual(main, seed=7) != run_virtual(main, seed=8)


def test_a_deadlock_is_an_error_that_names_who_waits_where() -> None:
    async def stuck() -> None:
        await asyncio.Event().wait()

    async def main(world: World) -> None:
        await asyncio.create_task(stuck(), name="the-stuck-one")

    with pytest.raises(Deadlock, match=r"nothing is scheduled[\s\S]*the-stuck-one.*stuck.*test_testing.py:\d+"):
        run_virtual(main)


def test_a_world_that_only_ticks_ends_at_its_limit() -> None:
    async def main(world: World) -> None:
        while True:  # noqa: ASYNC110 - a worker's timers look like this
            await asyncio.sleep(60)

    with pytest.raises(TimeoutError, match="limit of 3600 s"):
        run_virtual(main, limit=HOUR)


def test_what_a_world_leaves_running_is_cancelled() -> None:
    ended = []

    async def forever() -> None:
        try:
            await asyncio.sleep(HOUR)
        finally:
            ended.append(True)

    async def main(world: World) -> None:
        ended.append(False)
        world_tasks.append(asyncio.create_task(forever()))
        await asyncio.sleep(0)

    world_tasks: list[asyncio.Task[None]] = []
    run_virtual(main)
    assert ended == [False, True]


def test_time_stands_still_while_a_function_runs_in_a_thread() -> None:
    def slowly() -> str:
        time.sleep(0.05)
        return "done"

    async def main(world: World) -> tuple[str, float]:
        ticking = asyncio.create_task(asyncio.sleep(HOUR))
        found = await asyncio.to_thread(slowly)
        ticking.cancel()
        return found, world.clock.monotonic()

    assert run_virtual(main) == ("done", 0.0)


def test_a_clock_may_be_made_for_any_virtual_loop() -> None:
    loop = VirtualLoop()
    clock = VirtualClock(loop, start=50.0)
    loop.run_until_complete(asyncio.sleep(10))
    loop.close()
    assert (clock.now(), clock.monotonic()) == (60.0, 10.0)


def test_a_day_of_a_whole_queue_takes_no_time() -> None:
    async def main(world: World) -> list[tuple[float, str]]:
        driver = open_memory("memory://", clock=world.clock)
        assert driver.broker is not None
        done: list[tuple[float, str]] = []

        async def work(consumer: Consumer) -> None:
            while some := await consumer.receive(10):
                done.extend((world.clock.monotonic(), id) for id in ids(some))
                await asyncio.sleep(world.random.uniform(0, 10))
                await consumer.ack(some)

        start = world.clock.now()
        await driver.broker.publish([out(f"job-{n}", due=start + n * HOUR) for n in range(24)])
        consumers = [await driver.broker.consumer(["default"], f"worker-{n}", 15.0) for n in range(3)]
        async with asyncio.TaskGroup() as group:
            for consumer in consumers:
                group.create_task(work(consumer))
            await asyncio.sleep(24 * HOUR)
            for consumer in consumers:
                consumer.stop_receiving()
        return done

    done = run_virtual(main)
    assert [id for _, id in done] == [f"job-{n}" for n in range(24)]
    assert [round(at / HOUR, 6) for at, _ in done] == list(range(24))


def test_the_public_names_are_these() -> None:
    assert aioqueue.testing.__all__ == [
        "Deadlock", "ManualClock", "VirtualClock", "VirtualLoop", "World", "run_virtual",
    ]  # fmt: skip
