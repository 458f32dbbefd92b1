"""What is measured: each figure's name, unit and aim, and the hand-written limit it is held against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Figure:
    """One number. `aims` are by driver, "" for any; `limits` names the figure of the hand-written work, by driver."""

    name: str
    title: str
    unit: str
    more_is_better: bool = False
    aims: Mapping[str, float] = field(default_factory=dict)
    limits: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Group:
    """Figures that one run of one function measures: `benchmarks.<module>.<function>`. `drivers` is None for any, and
    else those it makes sense for; "" is a group that needs no driver at all."""

    name: str
    module: str
    function: str
    figures: tuple[Figure, ...]
    drivers: frozenset[str] | None = None


def _rate(name: str, title: str, aims: Mapping[str, float], limits: Mapping[str, str] | None = None) -> Figure:
    return Figure(name, title, "jobs/s", True, aims, limits or {})


NO_DRIVER = frozenset({""})

# The limits first: all others are held against them.
GROUPS = (
    Group("limit.sqlite", "limit", "sqlite", (
        _rate("limit.sqlite.enqueue.1", "by hand: enqueued, one a transaction", {}),
        _rate("limit.sqlite.settle.1", "by hand: claimed and settled, one a transaction", {}),
        _rate("limit.sqlite.enqueue.100", "by hand: enqueued, a hundred a transaction", {}),
        _rate("limit.sqlite.settle.100", "by hand: claimed and settled, a hundred a transaction", {}),
    ), frozenset({"sqlite"})),
    Group("limit.memory", "limit", "memory", (
        _rate("limit.memory.enqueue", "by hand: a future awaited for each of 100 callers", {}),
        _rate("limit.memory.tasks", "by hand: a task of the loop for each job, 100 at once", {}),
        _rate("limit.memory.codec", "by hand: also decode the call, encode result and record", {}),
    ), frozenset({"memory"})),
    Group("enqueue.one", "enqueue", "one_by_one", (
        _rate("enqueue.one", "enqueue, one by one", {}, {"sqlite": "limit.sqlite.enqueue.1"}),
    )),
    Group("enqueue.100", "enqueue", "from_many", (
        _rate("enqueue.100", "enqueue, from 100 coroutines", {"sqlite": 30_000},
              {"sqlite": "limit.sqlite.enqueue.100", "memory": "limit.memory.enqueue"}),
    )),
    Group("enqueue.many", "enqueue", "in_batches", (
        _rate("enqueue.many", "enqueue_many", {"sqlite": 80_000}, {"sqlite": "limit.sqlite.enqueue.100"}),
    )),
    Group("drain.short", "drain", "short", (
        _rate("drain.short", "drain, short jobs with results", {"memory": 30_000, "sqlite": 15_000},
              {"sqlite": "limit.sqlite.settle.100", "memory": "limit.memory.tasks"}),
        Figure("drain.cpu", "  worker CPU per job", "us"),
        Figure("drain.memory", "  peak memory", "MiB"),
    )),
    Group("drain.two", "drain", "short_by_two", (
        _rate("drain.two", "drain, short jobs, two worker processes", {}, {"sqlite": "limit.sqlite.settle.100"}),
    )),
    Group("drain.naps", "drain", "naps", (
        Figure("drain.naps", "drain, sleeps of 50 ms, of the ideal", "%", True, {"": 93}),
    )),
    Group("latency", "latency", "round_trips", (
        Figure("latency.p50", "round trip, p50", "ms", aims={"": 5}),
        Figure("latency.p99", "round trip, p99", "ms"),
        Figure("latency.start.p50", "  from enqueue to start, p50", "ms"),
        Figure("latency.start.p99", "  from enqueue to start, p99", "ms"),
    )),
    Group("delay", "delay", "two_seconds", (
        Figure("delay.p50", "lateness of a delay of 2 s, p50", "ms"),
        Figure("delay.p99", "lateness of a delay of 2 s, p99", "ms"),
    )),
    Group("idle", "idle", "idle", (
        Figure("idle.cpu", "idle worker, of one core", "%", aims={"": 1}),
    )),
    Group("startup", "startup", "imports", (
        Figure("startup.aioqueue", "import aioqueue", "ms", aims={"": 100}),
        Figure("startup.asyncio", "  of which import asyncio", "ms"),
        Figure("startup.python", "  Python itself, beside it", "ms"),
    ), NO_DRIVER),
)  # fmt: skip


def chosen(only: list[str] | None) -> list[Group]:
    """The groups whose name begins with one of these; all by default. A limit comes with what is held against it."""
    if not only:
        return list(GROUPS)
    wanted = [group for group in GROUPS if any(group.name.startswith(each) for each in only)]
    against = {limit for group in wanted for figure in group.figures for limit in figure.limits.values()}
    return [group for group in GROUPS if group in wanted or any(figure.name in against for figure in group.figures)]
