"""Calls that mypy must reject: each line marked as an error, and no other."""

from __future__ import annotations

from aioqueue import AioQueue, Context

queue = AioQueue("memory://", lease="15 s")  # error: arg-type
unknown = AioQueue("memory://", leas=15)  # error: call-arg


@queue.task
async def add(a: int, b: int = 2) -> int:
    return a + b


@queue.task
async def greet(context: Context, name: str, *, loud: bool = False) -> str:
    return name


@queue.task
def crunch(data: bytes) -> int:
    return len(data)


async def calls(context: Context) -> None:
    await add.enqueue()  # error: call-arg
    await add.enqueue("1", 2)  # error: arg-type
    await add.enqueue(1, 2, 3)  # error: call-arg
    await add.enqueue(1, c=3)  # error: call-arg
    await add.enqueue(1, b="2")  # error: arg-type
    await add.enqueue(1, delay=5)  # error: call-arg
    await greet.enqueue(context, "Ann")  # error: arg-type call-arg
    await greet.enqueue("Ann", True)  # error: call-arg
    await greet.enqueue(5)  # error: arg-type
    await crunch.enqueue("text")  # error: arg-type

    add.options(delay="5")  # error: arg-type
    add.options(nosuch=5)  # error: call-arg
    add.options(priority="high")  # error: arg-type
    await add.options(delay=5).enqueue("1")  # error: arg-type
    await add.options(delay=5).enqueue()  # error: call-arg

    text: str = await (await add.enqueue(1)).result()  # error: assignment
    number: int = add(1)  # error: assignment
    await crunch(b"x")  # error: misc
    await greet("Ann")  # error: call-arg arg-type
    _ = text, number


@queue.task(retires=5)  # error: call-overload untyped-decorator
async def misspelt() -> None: ...


@queue.task(run_in="fork")  # error: call-overload untyped-decorator
async def forked() -> None: ...
