"""The message format, version 1, and the record's: JSON objects, by msgspec.

A message on the wire:

    {"v": 1, "id": "01j…", "task": "shop.send_welcome", "enqueued": 1767225600.25, "args": [7, "hello"], …}

- A field at its default is left out; the fields and their defaults are those of `message.Message`.
- A reader keeps fields it does not know: the next turn of a job carries them on.
- `v` grows only when an old reader would do the wrong thing with a new message; it then puts the message off for a
  newer worker instead of failing it.
- `key`, `unique`, `limits` and `headers` are reserved for one meaning each and are never used for another.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw, Struct

from ..errors import NewerFormat, NotDecodable
from .message import VERSION, Message, Outgoing
from .record import Record

_encoder = msgspec.json.Encoder()
encode_json = _encoder.encode
_decode_message = msgspec.json.Decoder(Message).decode
_decode_record = msgspec.json.Decoder(Record).decode
_decode_fields = msgspec.json.Decoder(dict[str, Raw]).decode


class Header(Struct):
    """What can be read of a message even when the rest cannot."""

    v: Any = None
    id: Any = None
    task: Any = None
    turn: Any = 0


_decode_header = msgspec.json.Decoder(Header).decode


def encode(message: Message) -> bytes:
    """The message's bytes."""
    return _encoder.encode(message)


def decode(body: bytes) -> Message:
    """The message in these bytes. Raises NotDecodable, or NewerFormat for a version to come; never anything else."""
    try:
        message = _decode_message(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        header = read_header(body)
        if header is not None and type(header.v) is int and header.v > VERSION:
            raise NewerFormat(f"message format {header.v} is newer than this program's {VERSION}") from error
        raise NotDecodable(f"not a message of ours: {error}") from error
    if message.v != VERSION:
        if message.v > VERSION:
            raise NewerFormat(f"message format {message.v} is newer than this program's {VERSION}")
        raise NotDecodable(f"not a message of ours: format version {message.v}")
    return message


def read_header(body: bytes) -> Header | None:
    """Version, id, task and turn of a message that may be unreadable otherwise; None if it is no JSON object."""
    try:
        return _decode_header(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def outgoing(message: Message) -> Outgoing:
    """The message ready for a broker."""
    return Outgoing(message.id, message.turn, message.queue, message.priority, message.due, _encoder.encode(message))


def next_turn(body: bytes, message: Message, **changes: Any) -> Outgoing:
    """The job's next message: as `body`, with these fields changed. Fields we do not know are carried on."""
    fields = _decode_fields(body)
    after = msgspec.structs.replace(message, turn=message.turn + 1, **changes)
    for name in Message.__struct_fields__:
        fields.pop(name, None)
    fields |= _decode_fields(_encoder.encode(after))
    return Outgoing(after.id, after.turn, after.queue, after.priority, after.due, _encoder.encode(fields))


def encode_record(record: Record) -> bytes:
    """The record's bytes, for a store."""
    return _encoder.encode(record)


def decode_record(raw: bytes) -> Record:
    """The record in a store's bytes."""
    return _decode_record(raw)
