"""How signals are counted, and what each asks for."""

from __future__ import annotations

import asyncio
import os
import signal
import time

from aioqueue.worker.signals import Signals


class Target:
    """Notes what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.news = asyncio.Event()

    def drain(self) -> None:
        self.asked.append("drain")
        self.news.set()

    def interrupt(self) -> None:
        self.asked.append("interrupt")
        self.news.set()

    async def next(self) -> None:
        async with asyncio.timeout(5):
            await self.news.wait()
        self.news.clear()


def send(number: signal.Signals = signal.SIGTERM) -> None:
    time.sleep(0.11)  # one that comes sooner, and before the last is answered, is the same one
    os.kill(os.getpid(), number)


async def test_the_first_drains_the_second_interrupts_the_third_forces() -> None:
    forced: list[bool] = []
    target = Target()
    with Signals(lambda: forced.append(True)) as signals, signals.attending(target):
        send()
        await target.next()
        send(signal.SIGINT)
        await target.next()
        assert (target.asked, forced) == (["drain", "interrupt"], [])
        send()
        assert forced == [True]


async def test_one_that_comes_before_anybody_attends_is_kept() -> None:
    target = Target()
    with Signals() as signals:
        send()
        with signals.attending(target):
            assert target.asked == ["drain"]
        send()  # nobody attends any more, and the process lives on
        assert target.asked == ["drain"]


async def test_two_at_once_are_one() -> None:
    target = Target()
    with Signals() as signals, signals.attending(target):
        send()
        os.kill(os.getpid(), signal.SIGINT)
        await target.next()
        await asyncio.sleep(0)
        assert target.asked == ["drain"]


async def test_a_count_that_comes_another_way_is_not_added() -> None:
    target = Target()
    with Signals() as signals, signals.attending(target):
        send()
        signals.reach(1)
        await target.next()
        assert target.asked == ["drain"]
        await asyncio.to_thread(signals.reach, 2)
        await target.next()
        assert target.asked == ["drain", "interrupt"]


async def test_a_signal_whose_count_came_first_by_another_way_is_the_same_one() -> None:
    target = Target()
    with Signals() as signals, signals.attending(target):
        signals.reach(1)
        await target.next()
        send()
        await asyncio.sleep(0)
        assert target.asked == ["drain"]
        send()
        await target.next()
        assert target.asked == ["drain", "interrupt"]


def test_what_was_there_before_is_put_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Signals():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
