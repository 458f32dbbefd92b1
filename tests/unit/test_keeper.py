"""The keeper of leases, on its own thread: what it renews, what it tells, and that nothing stops it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from aioqueue.drivers.base import Delivery, Lease, Token
from aioqueue.errors import BrokerUnavailable
from aioqueue.testing import ManualClock
from aioqueue.worker.keeper import Holdings, LeaseKeeper

LEASE = 0.06


def delivery(n: int) -> Delivery:
    return Delivery(token=Token(n, 1), queue="default", body=b"")


def attempt(n: int, *, started: float | None = 1.0, renew_until: float | None = None) -> Any:
    return SimpleNamespace(delivery=delivery(n), run=SimpleNamespace(started=started), renew_until=renew_until)


class Server:
    """A keeper whose server can be away, and forget leases."""

    threaded = True

    def __init__(self) -> None:
        self.calls: list[list[Token]] = []
        self.threads: set[int] = set()
        self.lost: set[Token] = set()
        self.failures: list[Exception] = []
        self.unopened = 0
        self.renewed = threading.Semaphore(0)
        self.closed = threading.Event()

    def open(self) -> None:
        self.threads.add(threading.get_ident())
        if self.unopened:
            self.unopened -= 1
            raise BrokerUnavailable("away")

    def extend(self, tokens: Sequence[Token], lease: float) -> Mapping[Token, Lease]:
        assert lease == LEASE
        self.threads.add(threading.get_ident())
        self.calls.append(list(tokens))
        self.renewed.release()
        if self.failures:
            raise self.failures.pop()
        return {token: Lease.LOST if token in self.lost else Lease.KEPT for token in tokens}

    def release(self, tokens: Sequence[Token]) -> None: ...

    def close(self) -> None:
        self.threads.add(threading.get_ident())
        self.closed.set()


async def renewals(server: Server, holdings: Holdings, count: int) -> list[list[Token]]:
    """Run a keeper for so many renewals; what was lost."""
    lost: list[list[Token]] = []
    keeper = LeaseKeeper(server, holdings, ManualClock(), LEASE, lambda tokens: lost.append(list(tokens)))
    running = asyncio.create_task(keeper.run())
    for _ in range(count):
        assert await asyncio.to_thread(server.renewed.acquire, timeout=5)
    running.cancel()
    await asyncio.wait({running})
    assert await asyncio.to_thread(server.closed.wait, 5)
    return lost


async def test_it_opens_renews_and_closes_on_one_thread_of_its_own() -> None:
    server, holdings = Server(), Holdings()
    holdings.take(delivery(1))
    holdings.run(attempt(2))
    assert await renewals(server, holdings, 2) == []
    assert server.calls[0] == [Token(1, 1), Token(2, 1)]
    assert len(server.threads) == 1
    assert threading.get_ident() not in server.threads


async def test_it_renews_while_the_loop_is_blocked() -> None:
    server, holdings = Server(), Holdings()
    holdings.take(delivery(1))
    keeper = LeaseKeeper(server, holdings, ManualClock(), LEASE, lambda tokens: None)
    running = asyncio.create_task(keeper.run())
    await asyncio.sleep(0)
    for _ in range(3):
        assert server.renewed.acquire(timeout=5)  # blocks the loop
    running.cancel()
    await asyncio.wait({running})


async def test_what_was_let_go_is_not_renewed() -> None:
    server, holdings = Server(), Holdings()
    holdings.take(delivery(1))
    holdings.take(delivery(2))
    holdings.let_go(delivery(1))
    await renewals(server, holdings, 1)
    assert server.calls[0] == [Token(2, 1)]
    assert len(holdings) == 1


async def test_an_attempt_far_past_its_limit_is_left_to_its_lease() -> None:
    holdings = Holdings()
    holdings.run(attempt(1, renew_until=10.0))
    holdings.run(attempt(2, renew_until=None))
    assert holdings.to_renew(9.9) == [Token(1, 1), Token(2, 1)]
    assert holdings.to_renew(10.0) == [Token(2, 1)]


async def test_lost_leases_are_told_on_the_loop() -> None:
    server, holdings = Server(), Holdings()
    server.lost = {Token(2, 1)}
    holdings.take(delivery(1))
    holdings.take(delivery(2))
    lost = await renewals(server, holdings, 3)
    assert lost
    assert all(tokens == [Token(2, 1)] for tokens in lost)


async def test_a_server_that_is_away_or_fails_is_asked_again() -> None:
    server, holdings = Server(), Holdings()
    server.unopened = 2
    server.failures = [BrokerUnavailable("away"), ValueError("a bug")]
    holdings.take(delivery(1))
    await renewals(server, holdings, 4)
    assert len(server.calls) >= 4


def test_what_was_received_and_has_not_begun_is_what_a_blocked_process_can_give_back() -> None:
    holdings = Holdings()
    holdings.take(delivery(1))
    holdings.run(attempt(2, started=None))
    holdings.run(attempt(3, started=5.0))
    assert holdings.not_started() == [Token(1, 1), Token(2, 1)]
