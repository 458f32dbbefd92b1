"""What a task returns or raises, the caller gets."""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pydantic
import pytest

from aioqueue import AioQueue, Context, InvalidArguments, JobFailed, ResultTimeout
from aioqueue.errors import MessageTooLarge, NotEncodable

from .world import Ledger, MakeQueue, working


async def test_a_sum_comes_back(make: MakeQueue) -> None:
    queue = make()

    @queue.task
    async def add(a: int, b: int) -> int:
        return a + b

    @queue.task(name="sum")
    async def total(numbers: list[int]) -> int:
        return sum(numbers)

    async with working(queue):
        assert await (await add.enqueue(1, 1)).result(timeout=10) == 2
        assert await (await total.enqueue([1, 2])).result(timeout=10) == 3


async def test_nothing_and_two_values_come_back(make: MakeQueue) -> None:
    queue = make()

    @queue.task
    async def nothing() -> None: ...

    @queue.task
    async def two() -> tuple[int, str]:
        return 1, "b"

    @queue.task
    async def untyped():  # type: ignore[no-untyped-def]
        return 1, "b"

    async with working(queue):
        assert await (await nothing.enqueue()).result(timeout=10) is None  # type: ignore[func-returns-value]
        assert await (await two.enqueue()).result(timeout=10) == (1, "b")
        assert await (await untyped.enqueue()).result(timeout=10) == [1, "b"]


async def test_an_error_for_good_is_raised_again_at_the_caller_with_type_and_text(make: MakeQueue) -> None:
    queue = make()

    @queue.task(retries=0)
    async def fail() -> None:
        raise ValueError("Test error")

    async with working(queue):
        job = await fail.enqueue()
        with pytest.raises(JobFailed, match="Test error") as caught:
            await job.result(timeout=10)
    error = caught.value
    assert (error.job_id, error.ended, error.error_type, error.error_message) == (
        job.id, "retries", "ValueError", "Test error",
    )  # fmt: skip
    assert error.traceback is not None
    assert 'raise ValueError("Test error")' in error.traceback


class Speechless(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class Dumb(Exception):
    def __str__(self) -> str:
        raise SystemExit("not even that")


def recurse() -> None:
    recurse()


def give(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


BLOWS: dict[str, tuple[Callable[[], None], str]] = {
    "SystemExit": (give(SystemExit(3)), "SystemExit"),
    "RecursionError": (recurse, "RecursionError"),
    "KeyboardInterrupt": (give(KeyboardInterrupt()), "KeyboardInterrupt"),
    "GeneratorExit": (give(GeneratorExit()), "GeneratorExit"),
    "StopIteration": (give(StopIteration(1)), "RuntimeError"),
    "StopAsyncIteration": (give(StopAsyncIteration(1)), "RuntimeError|StopAsyncIteration"),
    "no words": (give(Speechless()), "Speechless"),
    "no words at all": (give(Dumb()), "Dumb"),
    "group": (give(ExceptionGroup("both", [ValueError("a"), ValueError("b")])), "ExceptionGroup"),
    "base group": (give(BaseExceptionGroup("both", [KeyboardInterrupt()])), "BaseExceptionGroup"),
    "lone surrogate": (give(ValueError("\ud800")), "ValueError"),
    "endless text": (give(ValueError("x" * 10_000_000)), "ValueError"),
}


@pytest.mark.parametrize("where", ["loop", "thread", "inside of middleware"])
@pytest.mark.parametrize("blow", BLOWS)
async def test_whatever_a_task_raises_its_job_fails_with_it_and_the_worker_lives(
    url: str, blow: str, where: str
) -> None:
    queue = AioQueue(url, retries=0)
    raising, expected = BLOWS[blow]

    @queue.task
    async def on_loop() -> None:
        raising()

    @queue.task
    def in_thread() -> None:
        raising()

    @queue.task
    async def fine() -> int:
        return 1

    if where == "inside of middleware":

        @queue.middleware
        async def through(context: Context, call_next: Callable[[], Awaitable[Any]]) -> Any:
            return await call_next()

    async with working(queue):
        job = await (in_thread if where == "thread" else on_loop).enqueue()
        with pytest.raises(JobFailed) as caught:
            await job.result(timeout=10)
        assert caught.value.error_type in expected.split("|")
        assert await (await fine.enqueue()).result(timeout=10) == 1


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Point:
    x: int
    y: float


class User(pydantic.BaseModel):
    name: str
    born: datetime


MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)


async def test_values_make_the_round_trip_unchanged(make: MakeQueue) -> None:
    queue = make()

    @queue.task
    async def number(value: int) -> int:
        return value

    @queue.task
    async def listed(value: list[int]) -> list[int]:
        return value

    @queue.task
    async def nested(value: dict[str, list[dict[str, str]]]) -> dict[str, list[dict[str, str]]]:
        return value

    @queue.task
    async def raw(value: bytes) -> bytes:
        return value

    @queue.task
    async def rich(
        when: datetime, id: UUID, price: Decimal, colour: Colour, point: Point, user: User
    ) -> tuple[datetime, UUID, Decimal, Colour, Point, User]:
        assert (type(when), type(id), type(price), type(colour), type(point), type(user)) == (
            datetime, UUID, Decimal, Colour, Point, User,
        )  # fmt: skip
        return when, id, price, colour, point, user

    values = (
        MOMENT,
        UUID("12345678123456781234567812345678"),
        Decimal("1.10"),
        Colour.RED,
        Point(1, 2.5),
        User(name="Zoë", born=MOMENT),
    )
    async with working(queue):
        for value in (2**63, -(2**63), 185135722552891243, 0):
            assert await (await number.enqueue(value)).result(timeout=10) == value
        assert await (await listed.enqueue([])).result(timeout=10) == []
        deep = {"ключ": [{"漢字": "🦊\u0000\u2028"}], "": []}
        assert await (await nested.enqueue(deep)).result(timeout=10) == deep
        assert await (await raw.enqueue(bytes(range(256)))).result(timeout=10) == bytes(range(256))
        came = await (await rich.enqueue(*values)).result(timeout=10)
        assert came == values
        assert str(came[2]) == "1.10"


async def test_a_large_text_passes_where_it_is_allowed(make: MakeQueue) -> None:
    large = "x" * 2**20
    for queue in (make(max_message=2**21), make()):

        @queue.task
        async def measure(text: str) -> int:
            return len(text)

        async with working(queue):
            if queue.settings.max_message > 2**20:
                assert await (await measure.enqueue(large)).result(timeout=10) == 2**20
            else:
                with pytest.raises(MessageTooLarge, match="1,048,"):
                    await measure.enqueue(large)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
async def test_what_json_has_no_number_for_is_refused_at_the_caller_and_fails_as_a_result(
    url: str, value: float
) -> None:
    queue = AioQueue(url, retries=0)
    ran = Ledger()

    @queue.task
    async def take(value: float) -> None:
        await ran.note(value)

    @queue.task
    async def give() -> float:
        return value

    async with working(queue):
        with pytest.raises(NotEncodable, match="NaN or infinity"):
            await take.enqueue(value)
        with pytest.raises(JobFailed, match="NaN or infinity"):
            await (await give.enqueue()).result(timeout=10)
    assert ran.entries == []


async def test_a_wrong_call_fails_at_the_caller_and_enqueues_nothing(make: MakeQueue) -> None:
    queue = make()

    @queue.task
    async def add(a: int, b: int) -> int:
        return a + b

    wrong: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
        ((1,), {}), ((1, 2, 3), {}), (("1", 2), {}), ((1, 2), {"c": 3}), ((1, 2), {"b": 2}), ((True, 1.5), {}),
    ]  # fmt: skip
    async with queue:
        for args, kwargs in wrong:
            with pytest.raises(InvalidArguments):
                await add.enqueue(*args, **kwargs)
        assert await queue.connection.broker.counts() == {}


async def test_a_result_that_does_not_come_in_time_is_a_timeout_and_the_job_goes_on(make: MakeQueue) -> None:
    queue = make()
    go = Ledger()

    @queue.task
    async def wait() -> str:
        await go.until(1)
        return "done"

    async with working(queue):
        job = await wait.enqueue()
        with pytest.raises(ResultTimeout) as caught:
            await job.result(timeout=0.01)
        assert isinstance(caught.value, TimeoutError)
        await go.note("go")
        assert await job.result(timeout=10) == "done"
