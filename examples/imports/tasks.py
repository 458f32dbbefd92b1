"""The two tasks of an import: the import itself, and each of its chunks.

    aioqueue run examples.imports.tasks:queue

Both are safe to run twice, as a job is when its worker dies: the import makes its chunks under derived ids, so that the
second time it finds those that are there, and a chunk's rows have a key.
"""

from __future__ import annotations

import asyncio
import os
from asyncio import to_thread
from collections.abc import Collection
from pathlib import Path

from aioqueue import Abandon, AioQueue, Context, Job, JobCancelled, JobFailed, exponential

from . import faults
from .source import BadFile, Chunk, Columns, check, read, split
from .target import Stopped, Target

queue = AioQueue()

HOME = Path(os.environ.get("IMPORTS_HOME", "."))  # where the target's database is
target = Target(HOME / "target.db")

_EVERY = 0.2  # seconds between two reports of progress


@queue.task(retries=5, backoff=exponential(0.2, cap=2), give_up_on=(BadFile, FileNotFoundError, Stopped))
def import_chunk(ctx: Context, import_id: str, file: str, columns: Columns, chunk: Chunk) -> int:
    """Put one chunk's rows into the table; how many were new. A plain `def`, so it runs in a thread."""
    with target.execution(import_id, chunk.number, ctx.job_id, ctx.attempt) as execution:
        faults.slow()
        rows = read(Path(file), columns, chunk)
        rows = faults.locked_halfway(rows, chunk.rows, chunk=chunk.number, attempt=ctx.attempt)
        new = target.insert(execution, import_id, rows)
        faults.hold(HOME, chunk.number)
        return new


# Before the chunks of other imports, which may be many.
@queue.task(retries=5, priority=5, give_up_on=FileNotFoundError)
async def import_file(ctx: Context, file: str, columns: Columns) -> int:
    """Import the whole file; how many rows of it are in the table at the end. It fails at once, and stops its chunks,
    if the file is not what the mapping says."""
    execution = await to_thread(target.begin, ctx.job_id, 0, ctx.job_id, ctx.attempt)
    try:
        rows = await _import(ctx, Path(file), columns)
    except BaseException as error:
        await to_thread(target.end, execution, error)
        raise
    await to_thread(target.end, execution)
    return rows


async def _import(ctx: Context, path: Path, columns: Columns) -> int:
    jobs: list[Job[int]] = []
    try:
        await to_thread(check, path, columns)
        chunks = await to_thread(split, path)
        jobs = await queue.enqueue_many(
            import_chunk.options(id=f"{ctx.job_id}-{chunk.number}").s(ctx.job_id, str(path), columns, chunk)
            for chunk in chunks
        )
        return await _follow(ctx, jobs, sum(chunk.rows for chunk in chunks))
    except (BadFile, JobFailed, JobCancelled) as error:
        raise Abandon(await _stop(ctx, jobs, error)) from error


async def _follow(ctx: Context, jobs: Collection[Job[int]], total: int) -> int:
    """Report progress until all chunks have succeeded. Raises JobFailed or JobCancelled as soon as one has not."""
    waiting = {asyncio.ensure_future(job.result()) for job in jobs}
    rows = 0
    try:
        while waiting:
            done, waiting = await asyncio.wait(waiting, timeout=_EVERY, return_when=asyncio.FIRST_EXCEPTION)
            rows = await to_thread(target.rows, ctx.job_id)
            ctx.progress(rows, total, f"{len(jobs) - len(waiting)} of {len(jobs)} chunks")
            for chunk in done:
                chunk.result()
        return rows
    finally:
        for chunk in waiting:
            chunk.cancel()


async def _stop(ctx: Context, jobs: Collection[Job[int]], error: Exception) -> str:
    """Stop the import: no more rows come in, and chunks that have not started never will. Why it was stopped."""
    reason = error.error_message if isinstance(error, JobFailed) else str(error)
    reason = await to_thread(target.stop, ctx.job_id, reason)
    await asyncio.gather(*(job.cancel("its import was stopped") for job in jobs))
    return reason
