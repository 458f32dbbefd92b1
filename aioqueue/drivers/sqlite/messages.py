"""The table of messages: what a transaction does to it. Knows nothing of threads or of loops."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from ...core.codec import decode_record, read_header
from ...core.message import Outgoing
from ..base import Delivery, Doomed, Token
from .statements import as_json, cut, insert, numbers, sql

# So that what is joined stays well below SQLite's limit of 1 GB a value.
MOST_AT_ONCE = 1000

_decode_rows = msgspec.json.Decoder(list[tuple[int, int, int, int, int, int, int | None]]).decode


def rows_of(messages: Iterable[Outgoing], now: float) -> list[tuple[object, ...]]:
    """The rows for publish.sql and insert_message.sql."""
    return [
        (m.id, m.turn, m.queue, m.priority, 0, None, now, m.body)
        if m.due is None or m.due <= now
        else (m.id, m.turn, m.queue, m.priority, 1, m.due, now, m.body)
        for m in messages
    ]


def claim(
    connection: sqlite3.Connection, queue: str, room: int, *, token: int, lease_until: float, worker: str
) -> list[Delivery]:
    """Hold the next messages of a queue."""
    meta, bodies, records = connection.execute(sql("claim"), (queue, min(room, MOST_AT_ONCE))).fetchone()
    rows = _decode_rows(meta)
    if not rows:
        return []
    connection.execute(sql("hold"), (token, lease_until, worker, as_json([row[0] for row in rows])))
    return [
        Delivery(
            token=Token(row[0], token), queue=queue, body=body, redeliveries=row[2], crashes=row[3],
            published=row[4] / 1e6, record=decode_record(record) if record else None,
        )
        for row, body, record in zip(
            rows, cut(bodies, [row[5] for row in rows]), cut(records, [row[6] or 0 for row in rows]), strict=True
        )
    ]  # fmt: skip


def by_claim(tokens: Iterable[Token]) -> Iterator[tuple[int, list[int]]]:
    """Each claim, with its messages: a batch has many messages and few claims, and a statement is for one claim."""
    claims: dict[int, list[int]] = {}
    for token in tokens:
        assert isinstance(token.message, int)
        claims.setdefault(token.claim, []).append(token.message)
    return iter(claims.items())


def ack(connection: sqlite3.Connection, tokens: Iterable[Token]) -> int:
    """Forget those that are still ours. How many were."""
    return sum(
        connection.execute(sql("ack"), (claim, as_json(seqs))).rowcount for claim, seqs in by_claim(tokens)
    )  # fmt: skip


def release(connection: sqlite3.Connection, tokens: Iterable[Token], due: float | None = None) -> int:
    """Give back those that are still ours. How many were."""
    state = 0 if due is None else 1
    return sum(
        connection.execute(sql("release"), (state, due, claim, as_json(seqs))).rowcount
        for claim, seqs in by_claim(tokens)
    )


def held(connection: sqlite3.Connection, tokens: Iterable[Token]) -> set[Token]:
    """Those that are still ours."""
    return {
        Token(seq, claim)
        for claim, seqs in by_claim(tokens)
        for seq in numbers(connection.execute(sql("held"), (claim, as_json(seqs))).fetchone()[0])
    }


def bury(connection: sqlite3.Connection, doomed: Sequence[Doomed], now: float) -> None:
    """Write them to the dead letters. The messages themselves are for the caller to forget."""
    rows = []
    for one in doomed:
        header = read_header(one.delivery.body)
        id, task = (None, None) if header is None else (header.id, header.task)
        rows.append((
            id if isinstance(id, str) else None, task if isinstance(task, str) else None,
            one.delivery.queue, one.reason, now, one.forget, one.delivery.body,
        ))  # fmt: skip
    insert(connection, "insert_dead", rows)
