"""The bytes of a message: written down, read in full or not at all, and kind to what is not known."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, Raw

from aioqueue.core.codec import decode, decode_record, encode, encode_record, next_turn, outgoing, read_header
from aioqueue.core.message import VERSION, Backoff, Message, Unknown
from aioqueue.core.record import Record
from aioqueue.core.state import State
from aioqueue.errors import NewerFormat, NotDecodable

SMALL = Message(v=VERSION, id="01j", task="shop.send_welcome", enqueued=1767225600.25, args=Raw(b'[7,"hello"]'))


def test_a_message_is_the_json_that_the_format_says() -> None:
    assert encode(SMALL) == (
        b'{"v":1,"id":"01j","task":"shop.send_welcome","enqueued":1767225600.25,"args":[7,"hello"]}'
    )


def test_a_message_of_the_first_format_can_be_read_for_ever() -> None:
    body = (
        b'{"v":1,"id":"a","task":"t","enqueued":1,"args":[1.0],"kwargs":{"k":null},"turn":3,"attempt":2,"queue":"q",'
        b'"priority":9,"due":5.5,"expires":6,"retries":0,"backoff":{"kind":"intervals","jitter":false,"steps":[1,2]},'
        b'"timeout":null,"keep_results":7,"keep_failures":8,"by":"me","labels":{"n":1,"b":true,"s":"x","f":0.5},'
        b'"headers":{"h":"v"},"parent":"p","root":"r","unknown":{"since":1,"times":2},"then":[{"x":1}],"key":"k",'
        b'"unique":{"u":1},"limits":[1]}'
    )
    assert decode(body) == Message(
        v=1, id="a", task="t", enqueued=1.0, args=Raw(b"[1.0]"), kwargs=Raw(b'{"k":null}'), turn=3, attempt=2,
        queue="q", priority=9, due=5.5, expires=6.0, retries=0,
        backoff=Backoff("intervals", jitter=False, steps=(1.0, 2.0)), timeout=None, keep_results=7.0,
        keep_failures=8.0, by="me", labels={"n": 1, "b": True, "s": "x", "f": 0.5}, headers={"h": "v"}, parent="p",
        root="r", unknown=Unknown(1.0, 2), then=Raw(b'[{"x":1}]'), key="k", unique=Raw(b'{"u":1}'), limits=Raw(b"[1]"),
    )  # fmt: skip


def test_arguments_travel_to_the_byte() -> None:
    strange = Raw(b'[1.0, 1e2,"\\u00e9",123456789012345678901234567890]')
    message = msgspec.structs.replace(SMALL, args=strange)
    assert bytes(decode(encode(message)).args) == bytes(strange)


def test_no_timeout_and_no_word_of_a_timeout_are_two_things() -> None:
    assert decode(encode(SMALL)).timeout is UNSET
    assert decode(encode(msgspec.structs.replace(SMALL, timeout=None))).timeout is None


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\xfe", b"hello", b"[]", b"7", b"null", b"{}", b'{"v":1}', encode(SMALL)[:-1], encode(SMALL) + b"x",
     b'{"v":1,"id":7,"task":"t","enqueued":1}', b'{"v":1,"id":"a","task":"t","enqueued":"now"}',
     b'{"v":0,"id":"a","task":"t","enqueued":1}', b'{"v":-1,"id":"a","task":"t","enqueued":1}',
     b'{"v":"2","id":"a","task":"t","enqueued":1}', b'{"v":true,"id":"a","task":"t","enqueued":1}',
     b'{"v":1,"id":"\xff","task":"t","enqueued":1}', b'{"v":1,"id":"a","task":"t","enqueued":1,"args":[}',
     b"[" * 100_000, b'{"v":1,"id":"a","task":"t","enqueued":1,"zzz":' + b"[" * 100_000],
)  # fmt: skip
def test_what_is_no_message_of_ours_is_not_decodable(body: bytes) -> None:
    with pytest.raises(NotDecodable) as caught:
        decode(body)
    assert not isinstance(caught.value, NewerFormat)


@pytest.mark.parametrize("body", [
    b'{"v":2,"id":"a","task":"t","enqueued":1}', b'{"v":2}', b'{"v":99,"id":{"new":"shape"},"job":[]}',
])  # fmt: skip
def test_a_message_of_a_format_to_come_says_so_whatever_its_shape(body: bytes) -> None:
    with pytest.raises(NewerFormat, match="newer"):
        decode(body)


@given(st.binary() | st.text().map(str.encode))
def test_decoding_any_bytes_gives_a_message_or_not_decodable(body: bytes) -> None:
    try:
        assert decode(body).v == VERSION
    except NotDecodable:
        pass
    read_header(body)


def test_the_header_can_be_read_where_the_rest_cannot() -> None:
    header = read_header(b'{"v":1,"id":"a","task":"t","enqueued":"rubbish"}')
    assert header is not None
    assert (header.v, header.id, header.task) == (1, "a", "t")
    assert read_header(b"[1]") is None
    assert read_header(b"\xff") is None


def test_a_broker_is_told_where_the_message_goes() -> None:
    message = msgspec.structs.replace(SMALL, turn=2, queue="mail", priority=7, due=9.5)
    out = outgoing(message)
    assert (out.id, out.turn, out.queue, out.priority, out.due) == ("01j", 2, "mail", 7, 9.5)
    assert out.body == encode(message)


def test_the_next_turn_changes_what_it_is_told_and_keeps_the_rest() -> None:
    body = encode(SMALL)[:-1] + b',"color":"red","then":[1]}'
    out = next_turn(body, decode(body), due=5.0, attempt=1)
    assert (out.turn, out.due) == (1, 5.0)
    assert msgspec.json.decode(out.body) == {
        "v": 1, "id": "01j", "task": "shop.send_welcome", "enqueued": 1767225600.25, "args": [7, "hello"],
        "turn": 1, "attempt": 1, "due": 5.0, "color": "red", "then": [1],
    }  # fmt: skip


def test_the_next_turn_drops_what_goes_back_to_its_default() -> None:
    message = msgspec.structs.replace(SMALL, due=5.0, unknown=Unknown(1.0, 2))
    out = next_turn(encode(message), message, due=None, unknown=None)
    assert msgspec.json.decode(out.body).keys() == {"v", "id", "task", "enqueued", "args", "turn"}


@pytest.mark.parametrize("result", [b"null", b"7", b'"x"', b"[1.0,null]", b'{"a":{}}', b"false"])
def test_a_record_keeps_its_result_to_the_byte_and_none_is_not_null(result: bytes) -> None:
    record = Record(id="a", task="t", state=State.SUCCEEDED, result=Raw(result))
    found = decode_record(encode_record(record)).result
    assert found is not None
    assert bytes(found) == result
    assert decode_record(encode_record(Record(id="a", task="t", state=State.QUEUED))).result is None
