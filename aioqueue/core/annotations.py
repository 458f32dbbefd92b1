"""What occurs in an annotation, as far as it decides how its values cross; and how a person would write it.

Looks at types only, never at values. Never imports pydantic: what belongs to it is known by its attributes.
"""

from __future__ import annotations

import collections.abc as abc
import dataclasses
import datetime
import decimal
import enum
import functools
import typing
import uuid
from types import NoneType, UnionType
from typing import Any

import msgspec


class CannotCross(Exception):
    """No value of this annotation can ever cross; the text says why and what to write instead."""


_SCALARS = frozenset({int, str, float, bool, NoneType, bytes, bytearray, uuid.UUID, decimal.Decimal}) | {
    datetime.datetime,
    datetime.date,
    datetime.time,
    datetime.timedelta,
}
_CONCRETE = frozenset({list, tuple, set, frozenset, dict})
_ABSTRACT = frozenset(
    {
        abc.Collection,
        abc.Sequence,
        abc.MutableSequence,
        abc.Set,
        abc.MutableSet,
        abc.Mapping,
        abc.MutableMapping,
    }
)
_NEVER = frozenset(
    {
        abc.Callable,
        abc.Awaitable,
        abc.Coroutine,
        abc.Generator,
        abc.Iterator,
        abc.Iterable,
        abc.AsyncIterable,
        abc.AsyncIterator,
        abc.AsyncGenerator,
        type,
    }
)
_MAPPINGS = frozenset({dict, abc.Mapping, abc.MutableMapping})
_QUALIFIERS = frozenset({typing.Final, typing.ClassVar, typing.Required, typing.NotRequired})


@dataclasses.dataclass(slots=True)
class Survey:
    """What occurs anywhere in an annotation, as far as it decides how to cross."""

    pydantic: bool = False
    # Classes with fields, whose own == may look at less than what must arrive; Decimal, which is == to other numbers.
    inspected: bool = False
    abstract: bool = False
    untyped: bool = False
    unknown: str | None = None
    seen: list[Any] = dataclasses.field(default_factory=list)

    def visit(self, annotation: Any) -> None:
        if any(annotation is known for known in self.seen):
            return
        self.seen.append(annotation)
        origin = typing.get_origin(annotation)
        if annotation in (Any, object) or isinstance(annotation, typing.TypeVar):
            self.untyped = True
        elif isinstance(annotation, typing.NewType):
            self.visit(annotation.__supertype__)
        elif type(annotation).__name__ == "TypeAliasType":
            self.visit(annotation.__value__)
        elif origin is typing.Annotated:
            self._visit_annotated(annotation)
        elif origin is None:
            self._visit_class(annotation)
        elif origin is not typing.Literal:
            self._visit_generic(annotation, origin)

    def _visit_annotated(self, annotation: Any) -> None:
        self.visit(annotation.__origin__)
        # annotated_types are the constraints of pydantic's own PositiveInt and the like; msgspec would ignore them.
        self.pydantic |= any(
            type(item).__module__.partition(".")[0] in ("pydantic", "annotated_types") or _speaks_pydantic(item)
            for item in annotation.__metadata__
        )

    def _visit_generic(self, annotation: Any, origin: Any) -> None:
        if origin in _NEVER:
            raise CannotCross(f"{spell(annotation)} can never cross in JSON{_instead(origin)}")
        if origin in _MAPPINGS and _no_key(typing.get_args(annotation)[0]):
            raise CannotCross(
                f"{spell(annotation)} can never cross in JSON; its keys must be text, numbers or the like"
            )
        if origin in _ABSTRACT:
            self.abstract = True
        elif isinstance(origin, type) and origin not in _CONCRETE and origin is not UnionType:
            self._visit_class(origin)
        elif not isinstance(origin, type) and origin is not typing.Union and origin not in _QUALIFIERS:
            self.unknown = spell(annotation)
        for argument in typing.get_args(annotation):
            if argument is not Ellipsis and argument != ():
                self.visit(argument)

    def _visit_class(self, cls: Any) -> None:
        if not isinstance(cls, type):
            self.unknown = self.unknown if cls is None else spell(cls)
        elif cls in _NEVER:
            raise CannotCross(f"{spell(cls)} can never cross in JSON{_instead(cls)}")
        elif cls in _CONCRETE or cls in _ABSTRACT:
            self.untyped = True
            self.abstract |= cls in _ABSTRACT
        elif cls in _SCALARS:
            self.inspected |= cls is decimal.Decimal
        elif _speaks_pydantic(cls):
            self.pydantic = True
        elif not issubclass(cls, enum.Enum):
            self._visit_fields(cls)

    def _visit_fields(self, cls: Any) -> None:
        if not (fields_of(cls) is not None or typing.is_typeddict(cls) or hasattr(cls, "_fields")):
            self.unknown = spell(cls)
            return
        self.inspected = True
        try:
            hints = typing.get_type_hints(cls, include_extras=True)
        except Exception as error:
            raise CannotCross(f"the fields of {spell(cls)} cannot be resolved: {one_line(error)}") from error
        for hint in hints.values():
            if isinstance(hint, dataclasses.InitVar):
                raise CannotCross(f"{spell(cls)} has an InitVar, which no instance keeps; make it a field")
            if typing.get_origin(hint) is not typing.ClassVar:
                self.visit(hint)


def _speaks_pydantic(item: Any) -> bool:
    return hasattr(item, "__get_pydantic_core_schema__") or hasattr(item, "__pydantic_core_schema__")


def _no_key(annotation: Any) -> bool:
    kind = typing.get_origin(annotation) or annotation
    return kind in _CONCRETE or kind is bool


def _instead(origin: Any) -> str:
    return "; write list[...]" if origin in (abc.Iterable, abc.Iterator, abc.Generator) else ""


@functools.lru_cache(maxsize=1024)
def fields_of(cls: Any) -> tuple[str, ...] | None:
    """The attributes that make up an instance of this class, None for a class that is not made of fields."""
    if dataclasses.is_dataclass(cls):
        return tuple(field.name for field in dataclasses.fields(cls))
    if issubclass(cls, msgspec.Struct):
        return tuple(cls.__struct_fields__)
    if attributes := getattr(cls, "__attrs_attrs__", None):
        return tuple(attribute.name for attribute in attributes)
    if (model := getattr(cls, "__pydantic_fields__", None)) is not None:
        return (*model, "__pydantic_private__", "__pydantic_extra__")
    return None


def spell(annotation: Any) -> str:
    """The annotation as a person would write it, without modules."""
    if annotation is Ellipsis:
        return "..."
    if annotation in (None, NoneType):
        return "None"
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, UnionType):
        return " | ".join(map(spell, arguments))
    if origin is typing.Annotated:
        return spell(arguments[0])
    if origin is typing.Literal:
        return f"Literal[{', '.join(map(repr, arguments))}]"
    name = getattr(origin or annotation, "__name__", None) or str(annotation)
    if isinstance(annotation, list):  # the parameters of a Callable
        return f"[{', '.join(map(spell, annotation))}]"
    return f"{name}[{', '.join(map(spell, arguments))}]" if arguments else name


def one_line(error: object) -> str:
    """The text of an error on one line; its type when it has none."""
    return " ".join(str(error).split()) or type(error).__name__
