"""Calls that type-check, and what they give. mypy checks this file; nothing runs it."""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, assert_type

from aioqueue import AioQueue, Context, Job, JobInfo, Signature, exponential

queue = AioQueue("memory://")


@queue.task
async def add(a: int, b: int = 2) -> int:
    return a + b


@queue.task(retries=5, backoff=exponential(2), timeout=timedelta(minutes=1), retry_on=OSError)
async def greet(context: Context, name: str, *, loud: bool = False) -> str:
    return f"{context.job_id} {name}"


@queue.task
def crunch(data: bytes) -> list[float]:
    return [float(byte) for byte in data]


@queue.task(run_in="thread")
def with_context(context: Context, n: int) -> None: ...


async def calls(context: Context) -> None:
    assert_type(await add.enqueue(1, 2), Job[int])
    assert_type(await add.enqueue(1, b=2), Job[int])
    assert_type(await (await add.enqueue(1)).result(timeout=10), int)
    assert_type(await (await greet.enqueue("Ann", loud=True)).result(), str)
    assert_type(await (await crunch.enqueue(b"x")).result(), list[float])
    assert_type(await with_context.enqueue(1), Job[None])
    assert_type(await greet.options(delay=5, by="user:7", labels={"n": 1}).enqueue("Ann"), Job[str])
    assert_type(await add.options(delay=timedelta(hours=1), timeout=None).enqueue(1), Job[int])

    coroutine = add(1, 2)
    _: Coroutine[Any, Any, int] = coroutine
    assert_type(await coroutine, int)
    assert_type(await greet(context, "Ann"), str)
    assert_type(crunch(b"x"), list[float])

    assert_type(add.s(1, 2), Signature[int])
    assert_type(await add.s(1).enqueue(), Job[int])
    assert_type(await queue.enqueue_many(add.s(n) for n in range(3)), list[Job[int]])
    assert_type(await queue.signature("other", 1).enqueue(), Job[Any])
    assert_type(await (await add.enqueue(1)).info(), JobInfo)
    assert_type(await (await add.enqueue(1)).cancel(), bool)
