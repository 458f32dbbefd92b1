"""Which record stands: the rule of core.record.supersedes, kept by a store."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence

from msgspec import Raw

from aioqueue.core.record import Error, Progress, Record, replace, supersedes
from aioqueue.core.state import Phase, State
from aioqueue.drivers.base import Driver, ResultStore

from .jobs import full_record, record
from .suite import Contract, needs


class Saving(Contract):
    """Round trips, and one outcome that stands."""

    async def test_a_record_comes_back_as_it_was_saved(self, store: ResultStore) -> None:
        whole = full_record()
        assert list(await store.save([whole])) == [whole]
        assert list(await store.get([whole.id])) == [whole]

    async def test_a_record_with_nothing_but_its_essentials_comes_back(self, store: ResultStore) -> None:
        bare = Record(id="bare", task="t", state=State.QUEUED)
        await store.save([bare])
        assert list(await store.get(["bare"])) == [bare]

    async def test_a_result_of_a_megabyte_comes_back_to_the_byte(self, store: ResultStore) -> None:
        large = record(phase=Phase.ENDED, result=Raw(b'"' + b"x" * 1_000_000 + b'"'))
        await store.save([large])
        assert list(await store.get([large.id])) == [large]

    async def test_ids_and_names_may_hold_any_printable_characters(self, store: ResultStore) -> None:
        odd = [record("a b:'\"{}*%_\\;--é🦆", task="näme '\"%"), record("A"), record("a")]
        await store.save(odd)
        assert list(await store.get([each.id for each in odd])) == odd

    async def test_unknown_ids_give_none_in_their_places(self, store: ResultStore) -> None:
        known = record("known")
        await store.save([known])
        assert list(await store.get(["who", "known", "else", "known"])) == [None, known, None, known]
        assert list(await store.get([])) == []
        assert list(await store.save([])) == []

    async def test_five_thousand_records_are_saved_read_and_deleted_at_once(self, store: ResultStore) -> None:
        many = [record(f"job-{i:06}") for i in range(5000)]
        assert list(await store.save(many)) == many
        names = [each.id for each in many]
        assert list(await store.get(names)) == many
        await store.delete(names)
        assert set(await store.get(names)) == {None}

    async def test_a_deleted_record_is_gone_and_may_be_saved_anew(self, store: ResultStore) -> None:
        ended, fresh = record(turn=5, phase=Phase.ENDED), record()
        await store.save([ended, record("other")])
        await store.delete([ended.id, "unknown"])
        assert list(await store.get([ended.id, "other"])) == [None, record("other")]
        assert list(await store.save([fresh])) == [fresh]

    async def test_a_record_stands_against_what_it_supersedes_and_falls_to_the_rest(self, store: ResultStore) -> None:
        for old, new in _pairs(turns=(0, 1)):
            await store.save([old])
            winner = new if supersedes(new, old) else old
            assert list(await store.save([new])) == [winner], f"{new}\nagainst\n{old}"
            assert list(await store.get([old.id])) == [winner]

    async def test_the_rule_holds_for_whole_batches(self, store: ResultStore) -> None:
        pairs = _pairs()
        await store.save([old for old, _ in pairs])
        winners = [new if supersedes(new, old) else old for old, new in pairs]
        assert list(await store.save([new for _, new in pairs])) == winners
        assert list(await store.get([old.id for old, _ in pairs])) == winners

    async def test_the_first_end_of_a_turn_stands_and_is_returned_to_the_second(self, store: ResultStore) -> None:
        first = record(phase=Phase.ENDED, result=Raw(b"1"), delivery=1, worker="a")
        second = replace(first, state=State.FAILED, result=None, delivery=2, worker="b", error=Error("E", "m"))
        await store.save([first])
        assert list(await store.save([second])) == [first]
        assert list(await store.get([first.id])) == [first]

    async def test_a_save_repeated_because_its_answer_was_lost_gives_the_same_answer(self, store: ResultStore) -> None:
        for each in (record(), record(phase=Phase.RUNNING, delivery=1), record(phase=Phase.ENDED, result=Raw(b"1"))):
            assert list(await store.save([each])) == [each]
            assert list(await store.save([each])) == [each]

    async def test_news_of_a_running_job_replace_what_the_same_delivery_said(self, store: ResultStore) -> None:
        said = record(phase=Phase.RUNNING, delivery=2, progress=Progress(1, 3))
        news = replace(said, progress=Progress(2, 3))
        await store.save([said])
        assert list(await store.save([news])) == [news]

    async def test_news_from_an_older_delivery_are_not_taken(self, store: ResultStore) -> None:
        newer = record(phase=Phase.RUNNING, delivery=2, worker="b", progress=Progress(1, 3))
        older = record(phase=Phase.RUNNING, delivery=1, worker="a", progress=Progress(3, 3))
        await store.save([newer])
        assert list(await store.save([older])) == [newer]
        assert list(await store.get([newer.id])) == [newer]

    async def test_news_that_come_after_the_end_change_nothing(self, store: ResultStore) -> None:
        ended = record(phase=Phase.ENDED, result=Raw(b"1"), delivery=1)
        await store.save([ended])
        assert list(await store.save([record(phase=Phase.RUNNING, delivery=9)])) == [ended]

    async def test_a_reopened_job_replaces_its_end(self, store: ResultStore) -> None:
        failed = record(phase=Phase.ENDED, state=State.FAILED, forget=1e10)
        again = record(turn=1)
        await store.save([failed])
        assert list(await store.save([again])) == [again]
        assert list(await store.get([again.id])) == [again]

    async def test_of_several_records_of_one_job_in_a_batch_the_rule_picks_one(self, store: ResultStore) -> None:
        steps = [record(), record(phase=Phase.RUNNING, delivery=1), record(phase=Phase.ENDED, result=Raw(b"1"))]
        for n, order in enumerate(itertools.permutations(steps)):
            batch = [replace(each, id=f"job-{n}") for each in order]
            winners = await store.save(batch)
            end = replace(steps[2], id=f"job-{n}")
            assert list(await store.get([end.id])) == [end]
            assert list(winners[batch.index(end) :]) == [end] * (3 - batch.index(end))

    async def test_of_two_ends_in_one_batch_the_first_stands(self, store: ResultStore) -> None:
        first, second = record(phase=Phase.ENDED, result=Raw(b"1")), record(phase=Phase.ENDED, result=Raw(b"2"))
        assert list(await store.save([first, second])) == [first, first]
        assert list(await store.get([first.id])) == [first]

    async def test_of_fifty_ends_saved_at_once_one_stands_and_all_are_told(self, store: ResultStore) -> None:
        ends = [record(phase=Phase.ENDED, result=Raw(b"%d" % n), delivery=n) for n in range(50)]
        winners = await asyncio.gather(*(store.save([end]) for end in ends))
        [standing] = await store.get(["job-1"])
        assert standing in ends
        assert [winner for [winner] in winners] == [standing] * 50

    @needs(store="durable")
    async def test_what_was_saved_is_there_after_a_restart(self, driver: Driver, store: ResultStore) -> None:
        await store.save([full_record()])
        again = (await self.reopen(driver)).store
        assert again is not None
        assert list(await again.get([full_record().id])) == [full_record()]


def _pairs(turns: Sequence[int] = (0, 1, 2)) -> list[tuple[Record, Record]]:
    """A job for each pair of (turn, phase, delivery): what is there, and what comes."""
    steps = [
        (turn, phase, delivery)
        for turn, phase, delivery in itertools.product(turns, Phase, (1, 2))
        if delivery == 1 or phase is Phase.RUNNING
    ]
    return [
        (
            record(f"job-{n:04}", *old[:2], delivery=old[2], worker="old"),
            record(f"job-{n:04}", *new[:2], delivery=new[2], worker="new"),
        )
        for n, (old, new) in enumerate(itertools.product(steps, steps))
    ]
