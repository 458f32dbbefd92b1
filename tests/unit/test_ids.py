"""Job ids."""

from __future__ import annotations

import os
from random import Random

from aioqueue.core.ids import Ids
from aioqueue.testing import ManualClock


def test_ids_sort_by_the_time_they_were_made() -> None:
    clock = ManualClock()
    ids = Ids(clock)
    made = []
    for _ in range(600):
        made.append(ids())
        clock.advance(0.002)
    assert sorted(made) == made


def test_ids_of_one_moment_never_meet() -> None:
    ids = Ids(ManualClock())
    assert len({ids() for _ in range(10_000)}) == 10_000


def test_an_id_is_32_hexadecimal_characters_of_which_12_are_the_time() -> None:
    clock = ManualClock(1_767_225_600.25)
    made = Ids(clock)()
    assert len(made) == 32
    assert int(made, 16) >> 80 == 1_767_225_600_250


def test_two_makers_at_one_moment_make_different_ids() -> None:
    clock = ManualClock()
    assert Ids(clock)() != Ids(clock)()


def test_the_same_entropy_and_clock_make_the_same_ids() -> None:
    one, two = (Ids(ManualClock(), Random(7).randbytes) for _ in range(2))
    assert [one() for _ in range(300)] == [two() for _ in range(300)]


def test_a_forked_child_makes_other_ids_than_its_parent() -> None:
    ids = Ids(ManualClock())
    ids()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, ids().encode())
        os._exit(0)
    os.close(write)
    mine, theirs = ids(), os.read(read, 32).decode()
    os.close(read)
    os.waitpid(child, 0)
    assert mine != theirs
