"""Time limits by one timer: each passes once, in order, unless it is struck off."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from aioqueue.testing import World, run_virtual
from aioqueue.worker.deadlines import Deadlines


def passed(
    *added: tuple[float, str, float], struck: tuple[tuple[float, str, float], ...] = ()
) -> list[tuple[float, str]]:
    """When which limits passed: `added` and `struck` are (at, item, timeout)."""
    found: list[tuple[float, str]] = []

    async def main(world: World) -> None:
        start = world.clock.monotonic()
        deadlines: Deadlines[str] = Deadlines(lambda item: found.append((world.clock.monotonic() - start, item)))
        steps = [(at, 0, item, timeout) for at, item, timeout in added]
        steps += [(at, 1, item, timeout) for at, item, timeout in struck]
        for at, strike, item, timeout in sorted(steps):
            await asyncio.sleep(start + at - world.clock.monotonic())
            (deadlines.strike if strike else deadlines.add)(item, timeout)
        await asyncio.sleep(1000)

    run_virtual(main)
    return [(round(at, 6), item) for at, item in found]


def test_limits_pass_at_their_time_whatever_the_order_they_were_added_in() -> None:
    assert passed((0, "a", 30), (1, "b", 5), (2, "c", 30), (3, "d", 1)) == [(4, "d"), (6, "b"), (30, "a"), (32, "c")]


def test_what_is_struck_off_in_time_does_not_pass() -> None:
    assert passed((0, "a", 10), (0, "b", 10), struck=((9, "a", 10),)) == [(10, "b")]


def test_striking_off_twice_or_what_was_never_added_does_no_harm() -> None:
    assert passed((0, "a", 10), struck=((1, "a", 10), (2, "a", 10), (3, "z", 99))) == []


def test_after_closing_nothing_passes() -> None:
    async def main(world: World) -> None:
        found: list[str] = []
        deadlines: Deadlines[str] = Deadlines(found.append)
        deadlines.add("a", 1)
        deadlines.close()
        await asyncio.sleep(10)
        assert found == []

    run_virtual(main)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 50), st.none() | st.integers(0, 60)), max_size=20))
def test_each_limit_passes_exactly_once_unless_it_was_struck_off_before(
    jobs: list[tuple[int, int, int | None]],
) -> None:
    added = [(float(at), f"job-{i:02}", float(timeout)) for i, (at, timeout, _) in enumerate(jobs)]
    struck = [
        (at + after, f"job-{i:02}", float(timeout))
        for i, (at, timeout, after) in enumerate(jobs)
        if after is not None and after != timeout
    ]
    expected = sorted(
        (at + timeout, f"job-{i:02}")
        for i, (at, timeout, after) in enumerate(jobs)
        if after is None or after >= timeout
    )
    assert sorted(passed(*added, struck=tuple(struck))) == expected
