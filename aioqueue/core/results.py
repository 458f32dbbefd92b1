"""The result of a task as its signature types it: to bytes, and back to exactly what was returned."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from typing import Any

from aioqueue.core.annotations import one_line
from aioqueue.core.crossing import Crossing, WrongType, decode_json
from aioqueue.core.hints import at_path, crossing_of, resolve
from aioqueue.errors import NotDecodable, NotEncodable

_EMPTY = inspect.Parameter.empty


class Returns:
    """The plan for what one task returns."""

    __slots__ = ("_crossing", "_task")

    def __init__(self, task: str, crossing: Crossing) -> None:
        self._task = task
        self._crossing = crossing

    @classmethod
    def of(cls, function: Callable[..., Any], task: str) -> Returns:
        """The plan for this function's return annotation. Raises ConfigurationError for one that can never cross.

        Without an annotation (or with Any) a result is whatever JSON has, and a tuple comes back as a list.
        """
        annotation = inspect.signature(function).return_annotation
        where = f"task {task!r}: its return annotation"
        hint = Any if annotation is _EMPTY else resolve(function, annotation, where)
        if hint in (typing.NoReturn, typing.Never):
            hint = None
        return cls(task, crossing_of(hint, where, tuples_as_lists=hint is Any))

    def encode(self, value: Any) -> bytes:
        """The result in JSON. Raises NotEncodable for a value that is not as annotated, or would come back changed."""
        if value is None and self._crossing.annotation in (None, types.NoneType):
            return b"null"
        try:
            return self._crossing.encode(value)
        except WrongType as error:
            raise NotEncodable(f"task {self._task!r}: result{at_path(error)}: {error}") from error.__cause__

    def decode(self, raw: bytes) -> Any:
        """What the task returned. Raises NotDecodable, whatever the bytes are."""
        try:
            return self._crossing.decode(raw)
        except WrongType as error:
            raise NotDecodable(f"task {self._task!r}: result{at_path(error)}: {error}") from error.__cause__


def decode_untyped(raw: bytes) -> Any:
    """The value in plain JSON types. Raises NotDecodable, whatever the bytes are."""
    try:
        return decode_json(raw)
    except Exception as error:
        raise NotDecodable(f"not valid JSON: {one_line(error)}") from error
