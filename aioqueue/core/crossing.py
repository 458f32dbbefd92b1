"""How a value of one annotation crosses in JSON: encode it, decode it, and refuse what would arrive as something else.

Knows types and bytes; knows nothing of tasks, parameters or messages.
"""

from __future__ import annotations

import collections.abc as abc
import dataclasses
import datetime
import decimal
import math
import re
import typing
from collections.abc import Callable, Iterator
from types import NoneType
from typing import Any

import msgspec

from aioqueue.core.annotations import CannotCross, Survey, fields_of, one_line, spell

Exact = tuple[type, ...]


class WrongType(Exception):
    """The value is not what the annotation says. `path` leads to the spot inside of it, "" is the value itself."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(reason)
        self.path = path


class Altered(WrongType):
    """The value is what the annotation says, but JSON would deliver something else."""


# ---------------------------------------------------------------- bytes


def _plain_scalar(value: Any) -> Any:
    # msgspec refuses subclasses of str, int and float (safe strings, numpy floats); as their base they are equal.
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int.__int__(value)
    if isinstance(value, float):
        return float.__float__(value)
    raise TypeError(f"a value of type {type(value).__name__} has no form in JSON")


encode_json = msgspec.json.Encoder(enc_hook=_plain_scalar, order="deterministic").encode
_encode_as_is = msgspec.json.Encoder(enc_hook=_plain_scalar).encode
decode_json = msgspec.json.Decoder().decode


def dumps(value: Any) -> bytes:
    """JSON that is the same for equal values: sets and keys in a fixed order."""
    try:
        return encode_json(value)
    except TypeError:
        # The sorting encoder knows neither keys other than str nor sets without an order of their own (enums).
        return _encode_as_is(_ordered(value))


def _ordered(value: Any) -> Any:
    match value:
        case set() | frozenset():
            return [msgspec.Raw(item) for item in sorted(map(dumps, value))]
        case list() | tuple():
            return [msgspec.Raw(dumps(item)) for item in value]
        case dict():
            pairs = [(next(iter(msgspec.to_builtins({key: None}, str_keys=True))), dumps(value[key])) for key in value]
            return {key: msgspec.Raw(item) for key, item in sorted(pairs)}
    try:
        return msgspec.to_builtins(value, str_keys=True, order="deterministic", enc_hook=_plain_scalar)
    except TypeError:
        return value


def _in_order(value: Any, dumped: Any) -> Any:
    """What pydantic made of the value, with a fixed order for what was a set: as a list, equal ones would differ."""
    match value, dumped:
        case (set() | frozenset(), list()):
            return sorted(dumped, key=dumps)
        case (list() | tuple(), list()) if len(value) == len(dumped):
            return [*map(_in_order, value, dumped)]
        case (dict(), dict()) if len(value) == len(dumped):
            return dict(zip(dumped, map(_in_order, value.values(), dumped.values()), strict=True))
        case (_, dict()):
            kind: Any = type(value)
            model = getattr(kind, "__pydantic_fields__", {})
            aliases = {
                name: getattr(model.get(name), "serialization_alias", None) or name for name in fields_of(kind) or ()
            }
            parts = {aliases[name]: getattr(value, name, None) for name in aliases}
            return {key: _in_order(parts.get(key), part) for key, part in dumped.items()}
    return dumped


# ---------------------------------------------------------------- exactness


@dataclasses.dataclass(frozen=True, slots=True)
class _Difference:
    path: str
    sent: Any
    got: Any
    reason: str = ""


_ABSENT: Any = object()


def _difference(sent: Any, got: Any, as_list: Exact) -> _Difference | None:
    """The first spot where `got` is not what was sent; types in `as_list` may arrive as a list."""
    kind: Any = type(got)
    if (names := fields_of(kind)) is not None:
        if type(sent) is not kind:
            return _Difference("", sent, got)
        pairs = ((f".{name}", getattr(sent, name, _ABSENT), getattr(got, name, _ABSENT)) for name in names)
    elif isinstance(got, dict) and isinstance(sent, dict):
        if sent.keys() != got.keys():
            return _other_keys(sent, got)
        pairs = ((f"[{key!r}]", item, got[key]) for key, item in sent.items())
    elif isinstance(got, (list, tuple)) and (
        isinstance(sent, kind) or isinstance(got, type(sent)) or type(sent) in as_list
    ):
        if isinstance(sent, (set, frozenset)):
            return None if _as_set(got) == sent else _Difference("", sent, got)
        if len(sent) != len(got):
            return _Difference("", sent, got)
        pairs = ((f"[{index}]", item, got[index]) for index, item in enumerate(sent))
    else:
        return None if _same(sent, got) else _Difference("", sent, got)
    return _first(pairs, as_list)


def _other_keys(sent: dict[Any, Any], got: dict[Any, Any]) -> _Difference:
    for key in sent:
        if key not in got:
            kind = "" if isinstance(key, str) else f" (its key is a {spell(type(key))})"
            return _Difference(f"[{key!r}]", sent, got, f"it would be dropped{kind}")
    key = next(key for key in got if key not in sent)
    return _Difference(f"[{key!r}]", sent, got, "it was not passed, but would arrive")


def _first(pairs: Iterator[tuple[str, Any, Any]], as_list: Exact) -> _Difference | None:
    for step, sent, got in pairs:
        if sent is not got and (found := _difference(sent, got, as_list)):
            return dataclasses.replace(found, path=step + found.path)
    return None


def _as_set(items: Any) -> Any:
    try:
        return set(items)
    except TypeError:
        return None


def _same(sent: Any, got: Any) -> bool:
    if isinstance(sent, bool) is not isinstance(got, bool):
        return False
    if sent == got:
        # 1 for a float and "red" for Color.RED arrive as the annotation promised; 1 for a Decimal by luck only.
        return (
            isinstance(sent, type(got))
            or isinstance(got, type(sent))
            or (type(sent) is int and type(got) is float)
            or (isinstance(sent, (set, frozenset)) and isinstance(got, (set, frozenset)))
            or (isinstance(sent, (bytes, bytearray)) and isinstance(got, (bytes, bytearray)))
        )
    if type(sent) is not type(got):
        return isinstance(sent, datetime.datetime) and isinstance(got, datetime.datetime) and _same_instant(sent, got)
    match sent:
        case datetime.datetime():
            return _same_instant(sent, got)
        case decimal.Decimal():
            return str(sent) == str(got)  # NaN is not equal to itself
        case str() | int() | float() | bytes() | bytearray() | dict() | datetime.time() | datetime.date():
            return False
    return _same_attributes(sent, got)


def _same_instant(sent: datetime.datetime, got: datetime.datetime) -> bool:
    # In an hour that a clock change repeats, datetimes of two zones are never ==; their difference is still exact.
    return sent.tzinfo is not None and got.tzinfo is not None and not (sent - got)


def _same_attributes(sent: Any, got: Any) -> bool:
    # A class without == of its own is what its attributes are.
    own_equality = vars(object)["__eq__"] is not getattr(type(sent), "__eq__", None)
    if own_equality or not hasattr(sent, "__dict__"):
        return False
    return _difference(vars(sent), vars(got), ()) is None


def _has_non_finite(value: Any) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, dict):
        return any(map(_has_non_finite, value.values()))
    if isinstance(value, (list, tuple, set, frozenset)):
        return any(map(_has_non_finite, value))
    kind: Any = type(value)
    names = fields_of(kind) or ()
    return any(_has_non_finite(getattr(value, name, None)) for name in names)


# ---------------------------------------------------------------- crossing

_JSON_TYPES = (str, int, float, bool, NoneType, list, dict)
_NON_FINITE = "JSON has no NaN or infinity; pass None or a string"


class Crossing:
    """How the values of one annotation cross: `decode(encode(value))` is the value, or `encode` raises.

    Raises CannotCross when made for an annotation whose values never can.
    """

    __slots__ = ("_as_list", "_load", "_untyped", "adapter", "annotation", "by_equality")

    def __init__(self, annotation: Any, *, tuples_as_lists: bool = False) -> None:
        if typing.get_origin(annotation) is abc.Iterable:
            annotation = abc.Collection[typing.get_args(annotation)]  # type: ignore[misc]
        survey = Survey()
        survey.visit(annotation)
        self.annotation = Any if annotation is object else annotation
        self.adapter: Any = None
        self._load = self._loader(survey)
        self._untyped = survey.untyped
        # Whether == sees every way in which a value can change; if not, we compare piece by piece. For plain types
        # it does: msgspec tells 1 from 1.0 and True, so what is left is 1 for a float, and text for an enum of text.
        self.by_equality = not survey.inspected and self.adapter is None
        self._as_list: Exact = (tuple, set, frozenset) if survey.abstract else (tuple,) if tuples_as_lists else ()

    def _loader(self, survey: Survey) -> Callable[[Any], Any]:
        reason = f"{survey.unknown} has no form in JSON" if survey.unknown else ""
        if not survey.pydantic and not survey.unknown:
            try:
                return msgspec.json.Decoder(self.annotation).decode
            except Exception as error:
                reason = one_line(error)
        self.adapter = _adapter(self.annotation, reason)
        validate = self.adapter.validate_json
        return lambda raw: validate(bytes(raw))

    def encode(self, value: Any) -> bytes:
        """The value in JSON. Raises WrongType, or Altered for a value that would arrive changed."""
        if self.by_equality:
            try:
                raw = encode_json(value)
                if self._load(raw) == value:
                    return raw
            except Exception:
                pass  # a value that is unusual in any way gets the careful look, which finds out what is wrong
        try:
            return self._encode(value)
        except RecursionError as error:
            raise Altered("", "it is nested too deep, or contains itself") from error

    def _encode(self, value: Any) -> bytes:
        raw = self._dump(value)
        try:
            got = self.decode(raw)
        except WrongType as error:
            if _has_non_finite(value):
                raise Altered("", _NON_FINITE) from error
            if self._fits(value):
                raise Altered(error.path, f"it would be refused on arrival ({error})") from error
            raise
        if self.by_equality and got == value:
            return raw
        if found := _difference(value, got, self._as_list):
            raise self._blame(value, found)
        return raw

    def decode(self, raw: Any) -> Any:
        """The value that `encode` was given. Raises WrongType, whatever the bytes are."""
        try:
            return self._load(raw)
        except Exception as error:
            raise _wrong_type(error) from error

    def _dump(self, value: Any) -> bytes:
        try:
            if self.adapter is None:
                return dumps(value)
            # by_alias: what a model is validated by. "error": a value of another type is written with a warning only.
            dumped = self.adapter.dump_python(value, mode="json", by_alias=True, round_trip=True, warnings="error")
            return dumps(_in_order(value, dumped))
        except RecursionError:
            raise
        except UnicodeEncodeError as error:
            raise Altered("", "it holds a lone surrogate, which is not valid Unicode; clean the text first") from error
        except Exception as error:
            if self.adapter is not None and (misfit := _unexpected(error) or self._misfit(value)):
                raise misfit from error
            raise Altered("", one_line(error)) from error

    def _misfit(self, value: Any) -> WrongType | None:
        """Why pydantic does not take the value itself for one of this annotation, None when it does."""
        try:
            self.adapter.validate_python(value, strict=True)
        except Exception as error:
            found = _wrong_type(error)
            expected = f"Expected {spell(self.annotation)}, got {spell(type(value))}"
            return found if found.path.startswith("[") else WrongType("", expected)
        return None

    def _fits(self, value: Any) -> bool:
        if self.adapter is not None:
            return self._misfit(value) is None
        return self.annotation is Any

    def _blame(self, value: Any, found: _Difference) -> WrongType:
        sent, got = found.sent, found.got
        if _has_non_finite(sent):
            return Altered(found.path, _NON_FINITE)
        if found.reason:
            return Altered(found.path, found.reason)
        if isinstance(sent, int) and isinstance(got, float):
            return Altered(found.path, "the int is too large to be exact as a float")
        if type(sent) is type(got):
            return Altered(found.path, f"the {spell(type(sent))} would arrive as another one")
        under_any = self.annotation is Any or (self._untyped and found.path and isinstance(got, _JSON_TYPES))
        if under_any or self._fits(value) or (isinstance(sent, type(got)) and not isinstance(sent, bool)):
            advice = "; annotate it with its type, or pass what JSON has (say, a dict)" if under_any else ""
            return Altered(found.path, f"a {spell(type(sent))} would arrive as a {spell(type(got))}{advice}")
        return WrongType(found.path, f"Expected {spell(type(got))}, got {spell(type(sent))}")


def _adapter(annotation: Any, reason: str) -> Any:
    """Pydantic's way for what msgspec cannot do, and why it cannot: `reason`, empty where nobody asked it to."""
    try:
        import pydantic
    except ImportError as error:
        if "unions may not" in reason:
            reason = f"the members of {spell(annotation)} cannot be told apart in JSON"
        reason = reason or f"{spell(annotation)} is a type for pydantic"
        raise CannotCross(f"{reason}; use a tagged type (msgspec.Struct, tag=True) or install pydantic") from error
    try:
        try:
            config = pydantic.ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
            return pydantic.TypeAdapter(annotation, config=config)
        except pydantic.PydanticUserError as error:
            if error.code != "type-adapter-config-unused":
                raise
            return pydantic.TypeAdapter(annotation)  # a model, which has a config of its own
    except Exception as error:
        raise CannotCross(
            f"{reason or one_line(error)}; pass what identifies it instead, such as an id or a path"
        ) from error


def _unexpected(error: Exception) -> WrongType | None:
    # The text holds the value itself, which may be a secret: we take the types out of it.
    found = re.search(r"Expected `([^`]+)`.*?input_type=(\w+)", str(error), re.DOTALL)
    return WrongType("", f"Expected {found[1]}, got {found[2]}") if found else None


def _wrong_type(error: Exception) -> WrongType:
    if isinstance(error, msgspec.MsgspecError):
        reason, _, path = str(error).replace("`", "").partition(" - at $")
        return WrongType(path, reason)
    errors = getattr(error, "errors", None)  # pydantic's ValidationError, without importing it
    if callable(errors):
        first = errors(include_url=False, include_context=False, include_input=False)[0]
        path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in first["loc"])
        return WrongType(path, first["msg"])
    return WrongType("", f"{type(error).__name__}: {one_line(error)}")
