"""The contract of coordination: small shared facts, each with an expiry."""

from __future__ import annotations

import asyncio

from aioqueue.drivers.base import Coordination
from aioqueue.testing.clock import ManualClock

from .suite import Contract

TTL = 30.0


class CoordinationContract(Contract):
    """Every case of `drivers.base.Coordination`."""

    async def test_what_was_never_put_is_absent(self, coordination: Coordination) -> None:
        assert await coordination.get("key") is None

    async def test_the_first_value_put_stands_and_later_ones_are_told(self, coordination: Coordination) -> None:
        assert await coordination.put_if_absent("key", b"one\x00\xff", TTL) == b"one\x00\xff"
        assert await coordination.put_if_absent("key", b"two", TTL) == b"one\x00\xff"
        assert await coordination.get("key") == b"one\x00\xff"
        assert await coordination.put_if_absent("other", b"two", TTL) == b"two"

    async def test_an_empty_value_is_a_value(self, coordination: Coordination) -> None:
        assert await coordination.put_if_absent("key", b"", TTL) == b""
        assert await coordination.put_if_absent("key", b"two", TTL) == b""
        assert await coordination.get("key") == b""
        assert not await coordination.compare_and_set("key", None, b"two", TTL)

    async def test_a_value_is_gone_after_its_time_and_not_before(
        self, coordination: Coordination, clock: ManualClock
    ) -> None:
        await coordination.put_if_absent("key", b"one", TTL)
        await self.elapse(clock, TTL - 1)
        assert await coordination.get("key") == b"one"
        await self.elapse(clock, 2)
        assert await coordination.get("key") is None
        assert await coordination.put_if_absent("key", b"two", TTL) == b"two"

    async def test_putting_in_vain_does_not_prolong_what_stands(
        self, coordination: Coordination, clock: ManualClock
    ) -> None:
        await coordination.put_if_absent("key", b"one", TTL)
        await self.elapse(clock, TTL - 1)
        await coordination.put_if_absent("key", b"two", TTL)
        await self.elapse(clock, 2)
        assert await coordination.get("key") is None

    async def test_of_fifty_who_put_at_once_one_wins_and_all_are_told(self, coordination: Coordination) -> None:
        told = await asyncio.gather(*(coordination.put_if_absent("key", b"%d" % n, TTL) for n in range(50)))
        assert len(set(told)) == 1
        assert await coordination.get("key") == told[0]

    async def test_a_value_is_replaced_only_if_it_is_as_expected(self, coordination: Coordination) -> None:
        assert await coordination.compare_and_set("key", None, b"one", TTL)
        assert not await coordination.compare_and_set("key", None, b"two", TTL)
        assert not await coordination.compare_and_set("key", b"other", b"two", TTL)
        assert await coordination.get("key") == b"one"
        assert await coordination.compare_and_set("key", b"one", b"two", TTL)
        assert await coordination.get("key") == b"two"

    async def test_a_value_is_removed_only_if_it_is_as_expected(self, coordination: Coordination) -> None:
        await coordination.put_if_absent("key", b"one", TTL)
        assert not await coordination.compare_and_set("key", b"other", None, TTL)
        assert await coordination.compare_and_set("key", b"one", None, TTL)
        assert await coordination.get("key") is None
        assert not await coordination.compare_and_set("key", b"one", b"two", TTL)
        assert await coordination.compare_and_set("key", None, None, TTL)

    async def test_replacing_a_value_starts_its_time_anew(self, coordination: Coordination, clock: ManualClock) -> None:
        await coordination.put_if_absent("key", b"one", TTL)
        await self.elapse(clock, TTL - 1)
        assert await coordination.compare_and_set("key", b"one", b"two", TTL)
        await self.elapse(clock, TTL - 1)
        assert await coordination.get("key") == b"two"
        await self.elapse(clock, 2)
        assert not await coordination.compare_and_set("key", b"two", b"three", TTL)
        assert await coordination.compare_and_set("key", None, b"three", TTL)

    async def test_of_fifty_who_replace_one_value_at_once_one_succeeds(self, coordination: Coordination) -> None:
        await coordination.put_if_absent("key", b"start", TTL)
        won = await asyncio.gather(*(coordination.compare_and_set("key", b"start", b"%d" % n, TTL) for n in range(50)))
        assert won.count(True) == 1
        assert await coordination.get("key") == b"%d" % won.index(True)

    async def test_no_more_than_the_limit_hold_a_lease(self, coordination: Coordination) -> None:
        assert await coordination.lease("key", "a", 2, TTL)
        assert await coordination.lease("key", "b", 2, TTL)
        assert not await coordination.lease("key", "c", 2, TTL)
        assert await coordination.lease("other", "c", 2, TTL)
        assert await coordination.lease("key", "a", 2, TTL)

    async def test_a_lease_given_up_is_free_for_another(self, coordination: Coordination) -> None:
        await coordination.lease("key", "a", 1, TTL)
        await coordination.unlease("key", "b")
        assert not await coordination.lease("key", "b", 1, TTL)
        await coordination.unlease("key", "a")
        await coordination.unlease("key", "a")
        assert await coordination.lease("key", "b", 1, TTL)
        assert not await coordination.lease("key", "a", 1, TTL)

    async def test_a_lease_not_renewed_is_free_after_its_time_and_not_before(
        self, coordination: Coordination, clock: ManualClock
    ) -> None:
        await coordination.lease("key", "a", 1, TTL)
        await self.elapse(clock, TTL - 1)
        assert not await coordination.lease("key", "b", 1, TTL)
        await self.elapse(clock, 2)
        assert await coordination.lease("key", "b", 1, TTL)
        assert not await coordination.lease("key", "a", 1, TTL)

    async def test_a_lease_renewed_stays(self, coordination: Coordination, clock: ManualClock) -> None:
        await coordination.lease("key", "a", 1, TTL)
        for _ in range(5):
            await self.elapse(clock, TTL - 1)
            assert await coordination.lease("key", "a", 1, TTL)
            await self.elapse(clock, 2)
            assert not await coordination.lease("key", "b", 1, TTL)

    async def test_who_asks_in_vain_does_not_prolong_the_lease(
        self, coordination: Coordination, clock: ManualClock
    ) -> None:
        await coordination.lease("key", "a", 1, TTL)
        await self.elapse(clock, TTL - 1)
        await coordination.lease("key", "b", 1, TTL)
        await self.elapse(clock, 2)
        assert await coordination.lease("key", "c", 1, TTL)

    async def test_of_fifty_who_ask_at_once_as_many_as_the_limit_get_a_lease(self, coordination: Coordination) -> None:
        got = await asyncio.gather(*(coordination.lease("key", f"holder-{n}", 7, TTL) for n in range(50)))
        assert got.count(True) == 7
        again = await asyncio.gather(*(coordination.lease("key", f"holder-{n}", 7, TTL) for n in range(50)))
        assert again == got

    async def test_leases_and_values_of_one_name_do_not_meet(self, coordination: Coordination) -> None:
        await coordination.put_if_absent("key", b"one", TTL)
        assert await coordination.lease("key", "a", 1, TTL)
        await coordination.unlease("key", "a")
        assert await coordination.get("key") == b"one"

    async def test_the_wall_clock_set_forward_ends_no_lease(
        self, coordination: Coordination, clock: ManualClock
    ) -> None:
        await coordination.lease("key", "a", 1, TTL)
        clock.step_wall(7200)
        assert not await coordination.lease("key", "b", 1, TTL)

    async def test_the_wall_clock_set_back_prolongs_no_lease(
        self, coordination: Coordination, clock: ManualClock
    ) -> None:
        await coordination.lease("key", "a", 1, TTL)
        clock.step_wall(-7200)
        await self.elapse(clock, TTL + 1)
        assert await coordination.lease("key", "b", 1, TTL)
