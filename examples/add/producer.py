"""The smallest producer: a job that may be tried again three times, starts in 5 s, and has 10 s to give its result."""

import asyncio

from worker import add, queue  # type: ignore[import-not-found]  # it is beside this file


async def main() -> None:
    print(f"sending a job to {queue!r}", flush=True)
    async with queue:
        job = await add.options(retries=3, delay=5).enqueue(15, 25)
        print(await job.result(timeout=10))


asyncio.run(main())
