"""Finding records by what they say."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from msgspec import Raw

from aioqueue.core.record import Record
from aioqueue.core.state import Phase, State
from aioqueue.drivers.base import RecordQuery, ResultStore

from .jobs import record
from .suite import Contract, needs


async def found(store: ResultStore, **query: Any) -> list[str]:
    """The ids that fit, after checking that the counts agree."""
    asked = RecordQuery(**query)
    records = await store.records(asked, 1000)
    counts = {state: n for state, n in (await store.counts(asked)).items() if n}
    assert counts == Counter(each.state for each in records)
    return [each.id for each in records]


def _world() -> list[Record]:
    return [
        record("a1", task="mail", queue="fast", parent="root", labels={"import": 42, "who": "é"}),
        record("a2", task="mail", queue="slow", labels={"import": "42"}),
        record("b1", task="bill", queue="fast", phase=Phase.RUNNING, labels={"import": 42}),
        record("b2", task="bill", queue="fast", phase=Phase.ENDED, result=Raw(b"1"), parent="root"),
        record("c1", task="bill", queue="slow", phase=Phase.ENDED, state=State.FAILED),
    ]


class Querying(Contract):
    """All that fit every field given, in the order of their ids."""

    @needs(store="queries")
    async def test_a_query_that_asks_for_nothing_finds_all_in_the_order_of_their_ids(self, store: ResultStore) -> None:
        assert await found(store) == []
        await store.save(list(reversed(_world())))
        assert await found(store) == ["a1", "a2", "b1", "b2", "c1"]
        assert list(await store.records(RecordQuery())) == _world()

    @needs(store="queries")
    async def test_records_are_found_by_state_task_queue_and_parent(self, store: ResultStore) -> None:
        await store.save(_world())
        assert await found(store, states=frozenset({State.QUEUED})) == ["a1", "a2"]
        assert await found(store, states=frozenset({State.RUNNING, State.FAILED})) == ["b1", "c1"]
        assert await found(store, states=frozenset({State.EXPIRED})) == []
        assert await found(store, task="bill") == ["b1", "b2", "c1"]
        assert await found(store, queue="slow") == ["a2", "c1"]
        assert await found(store, parent="root") == ["a1", "b2"]
        assert await found(store, task="bill", queue="fast", states=frozenset({State.SUCCEEDED})) == ["b2"]
        assert await found(store, task="mail", parent="nobody") == []

    @needs(store="queries")
    async def test_records_are_found_by_labels_of_the_same_value_and_type(self, store: ResultStore) -> None:
        await store.save(_world())
        assert await found(store, labels={"import": 42}) == ["a1", "b1"]
        assert await found(store, labels={"import": "42"}) == ["a2"]
        assert await found(store, labels={"who": "é"}) == ["a1"]
        assert await found(store, labels={"import": 42, "who": "é"}) == ["a1"]
        assert await found(store, labels={"import": 42, "who": "e"}) == []
        assert await found(store, labels={}) == ["a1", "a2", "b1", "b2", "c1"]
        assert await found(store, labels={"import": 42}, task="bill") == ["b1"]

    @needs(store="queries")
    async def test_labels_are_found_whatever_their_names_and_values(self, store: ResultStore) -> None:
        labels: dict[str, Any] = {
            "a.b": 1, 'say "hi"': "it's", "$[0]": True, "": 0.5, "100%": "%", "ключ": "🦆", "back\\slash": "\\",
            "no": False,
        }  # fmt: skip
        await store.save([record("odd", labels=labels), record("plain", labels={"a": 1})])
        for name, value in labels.items():
            assert await found(store, labels={name: value}) == ["odd"], name
        assert await found(store, labels=labels) == ["odd"]
        assert await found(store, labels={"a": 1}) == ["plain"]

    @needs(store="queries")
    async def test_records_are_listed_a_page_at_a_time(self, store: ResultStore) -> None:
        await store.save([record(f"job-{n:03}", task="even" if n % 2 == 0 else "odd") for n in range(50)])
        listed, after = [], ""
        while page := await store.records(RecordQuery(task="even"), 7, after):
            await asyncio.sleep(0)
            assert len(page) <= 7
            listed += [each.id for each in page]
            after = page[-1].id
        assert listed == [f"job-{n:03}" for n in range(0, 50, 2)]

    @needs(store="queries")
    async def test_what_moved_on_is_found_where_it_is_now(self, store: ResultStore) -> None:
        await store.save([record()])
        await store.save([record(phase=Phase.RUNNING, labels={"now": 1})])
        assert await found(store, states=frozenset({State.QUEUED})) == []
        assert await found(store, states=frozenset({State.RUNNING})) == ["job-1"]
        assert await found(store, labels={"now": 1}) == ["job-1"]
        await store.delete(["job-1"])
        assert await found(store) == []

    @needs(store="queries")
    async def test_the_labels_of_a_record_that_lost_find_nothing(self, store: ResultStore) -> None:
        await store.save([record(labels={"mine": 1})])
        await store.save([record(labels={"theirs": 1})])
        assert await found(store, labels={"mine": 1}) == ["job-1"]
        assert await found(store, labels={"theirs": 1}) == []

    @needs(store="queries")
    async def test_labels_that_a_newer_record_lacks_find_it_no_more(self, store: ResultStore) -> None:
        await store.save([record(labels={"old": 1, "both": 1})])
        await store.save([record(turn=1, labels={"new": 1, "both": 2})])
        assert await found(store, labels={"new": 1}) == ["job-1"]
        assert await found(store, labels={"both": 2}) == ["job-1"]
        assert await found(store, labels={"old": 1}) == []
        assert await found(store, labels={"both": 1}) == []
