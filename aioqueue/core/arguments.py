"""The arguments of a task as its signature types them: to bytes, and back to exactly what was passed.

One plan a task, made when it is registered. Knows signatures; knows nothing of messages, queues or workers.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from aioqueue.core.annotations import one_line, spell
from aioqueue.core.crossing import Altered, Crossing, WrongType, decode_json, dumps, encode_json
from aioqueue.core.hints import at_path, crossing_of, resolve
from aioqueue.errors import InvalidArguments, NotEncodable

_NOTHING_SENT = "; nothing was enqueued"
_NO_KEYWORDS = msgspec.Raw(b"{}")  # as a message says it, where `encode` says b""
_EMPTY = inspect.Parameter.empty
_raw_array = msgspec.json.Decoder(list[msgspec.Raw]).decode
_raw_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


@dataclass(frozen=True, slots=True)
class _Parameter:
    """One parameter, and how its values cross."""

    name: str
    kind: inspect._ParameterKind
    annotated: bool
    default: Any
    crossing: Crossing

    @property
    def required(self) -> bool:
        return self.default is _EMPTY

    def __str__(self) -> str:
        stars = {"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}.get(self.kind.name, "")
        hint = f": {spell(self.crossing.annotation)}" if self.annotated else ""
        if self.default is _EMPTY:
            return f"{stars}{self.name}{hint}"
        default = repr(self.default)
        return f"{self.name}{hint}{' = ' if hint else '='}{default if len(default) <= 40 else '...'}"


class Parameters:
    """The plan for one task's parameters: what a call of it must be, and how it crosses."""

    __slots__ = (
        "_by_count",
        "_by_keyword",
        "_decode_all",
        "_more",
        "_positional",
        "_rest",
        "_spelled",
        "_task",
    )

    def __init__(self, task: str, parameters: Sequence[_Parameter]) -> None:
        kinds = inspect.Parameter
        self._task = task
        self._positional = [p for p in parameters if p.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)]
        self._rest = next((p for p in parameters if p.kind is kinds.VAR_POSITIONAL), None)
        self._more = next((p for p in parameters if p.kind is kinds.VAR_KEYWORD), None)
        self._by_keyword = {
            p.name: p for p in parameters if p.kind in (kinds.POSITIONAL_OR_KEYWORD, kinds.KEYWORD_ONLY)
        }
        self._spelled = _spell_all(parameters)
        # The fast ways: the whole array in one call. Empty or None where a call needs a look at each argument.
        self._by_count: dict[int, Callable[[bytes], tuple[Any, ...]]] = {}
        self._decode_all: Callable[[bytes], tuple[Any, ...]] | None = None
        if all(p.crossing.adapter is None and not (p.kind is kinds.KEYWORD_ONLY and p.required) for p in parameters):
            self._plan_whole_arrays()

    @classmethod
    def of(cls, function: Callable[..., Any], task: str, *, skip_first: bool) -> Parameters:
        """The plan for this function. `skip_first`: its first parameter is the task's Context, which does not cross.

        Raises ConfigurationError, which names task and parameter, for an annotation that can never cross.
        """
        found = list(inspect.signature(function).parameters.values())[1 if skip_first else 0 :]
        return cls(task, [_parameter(function, task, parameter) for parameter in found])

    def _plan_whole_arrays(self) -> None:
        hints = [p.crossing.annotation for p in self._positional]
        required = sum(p.required for p in self._positional)
        if self._rest is None:
            decoders = {n: _tuple_decoder(hints[:n]) for n in range(required, len(hints) + 1)}
            self._decode_all = decoders[required] if required == len(hints) else _optional_decoder(hints, required)
        elif not hints:
            decode = _tuple_decoder([self._rest.crossing.annotation, ...])
            decoders = _Always(decode)
            self._decode_all = decode
        else:
            return
        if all(p.crossing.by_equality for p in (*self._positional, *([self._rest] if self._rest else ()))):
            self._by_count = decoders

    # ------------------------------------------------------------ to bytes

    def encode(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[bytes, bytes]:
        """The call as a JSON array of positionals and a JSON object of the rest (b"" for none).

        Equal calls give equal bytes. What `decode` gives back is what was passed; a call that does not fit raises
        InvalidArguments, a value that would arrive changed NotEncodable.
        """
        if kwargs:
            args, kwargs = self._move_keywords(args, kwargs)
        if not kwargs and (decode := self._by_count.get(len(args))):
            try:
                raw = encode_json(args)
                if decode(raw) == args:
                    return raw, b""
            except Exception:
                pass  # a call that is unusual in any way gets the careful look, which finds out whose fault it is
        return self._encode_each(args, kwargs)

    def _move_keywords(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
        # f(1, b=2) and f(1, 2) are one call, so they get the same bytes.
        left, moved = dict(kwargs), list(args)
        for parameter in self._positional[len(args) :]:
            if parameter.name not in left or parameter.name not in self._by_keyword:
                break
            moved.append(left.pop(parameter.name))
        return tuple(moved), left

    def _encode_each(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[bytes, bytes]:
        if problem := self._misfit(len(args), kwargs):
            raise InvalidArguments(f"task {self._task!r}: {problem}{_NOTHING_SENT}")
        positionals = [self._encode_one(*self._at(index), value) for index, value in enumerate(args)]
        named = {name: self._encode_one(self._named(name), name, kwargs[name]) for name in kwargs}
        return dumps(positionals), dumps(named) if named else b""

    def _encode_one(self, parameter: _Parameter, name: str, value: Any) -> msgspec.Raw:
        try:
            return msgspec.Raw(parameter.crossing.encode(value))
        except WrongType as error:
            kind = NotEncodable if isinstance(error, Altered) else InvalidArguments
            raise kind(
                f"task {self._task!r}: argument {name!r}{at_path(error)}: {error}{_NOTHING_SENT}"
            ) from error.__cause__

    # ------------------------------------------------------------ and back

    def decode(self, args: bytes, kwargs: bytes) -> tuple[Sequence[Any], dict[str, Any]]:
        """What was passed to `encode`, to call the task with: arguments that were not given stay out.

        Raises InvalidArguments, whatever the bytes are.
        """
        if (not kwargs or kwargs == _NO_KEYWORDS) and self._decode_all is not None:
            try:
                return self._decode_all(args), {}
            except Exception:
                pass  # the careful look finds out whose fault it is
        return self._decode_each(args, kwargs)

    def _decode_each(self, args: bytes, kwargs: bytes) -> tuple[Sequence[Any], dict[str, Any]]:
        try:
            positionals = _raw_array(args)
            named = _raw_object(kwargs) if kwargs else {}
        except Exception as error:
            raise InvalidArguments(
                f"task {self._task!r}: the arguments are no JSON array and object: {one_line(error)}"
            ) from error
        if problem := self._misfit(len(positionals), named):
            raise InvalidArguments(f"task {self._task!r}: {problem}")
        values = [self._decode_one(*self._at(index), raw) for index, raw in enumerate(positionals)]
        return values, {name: self._decode_one(self._named(name), name, raw) for name, raw in named.items()}

    def _decode_one(self, parameter: _Parameter, name: str, raw: msgspec.Raw) -> Any:
        try:
            return parameter.crossing.decode(raw)
        except WrongType as error:
            raise InvalidArguments(
                f"task {self._task!r}: argument {name!r}{at_path(error)}: {error}"
            ) from error.__cause__

    # ------------------------------------------------------------ the shape of a call

    def _at(self, index: int) -> tuple[_Parameter, str]:
        if index < len(self._positional):
            return self._positional[index], self._positional[index].name
        assert self._rest is not None  # _misfit has counted
        return self._rest, f"{self._rest.name}[{index - len(self._positional)}]"

    def _named(self, name: str) -> _Parameter:
        parameter = self._by_keyword.get(name, self._more)
        assert parameter is not None  # _misfit knows the names
        return parameter

    def _misfit(self, count: int, names: Iterable[str]) -> str | None:
        """Why a call with so many positionals and these keywords does not fit, None when it does."""
        names = set(names)
        if count > len(self._positional) and self._rest is None:
            return f"{count} positional arguments are too many; it takes ({self._spelled})"
        given = {p.name for p in self._positional[:count]}
        for name in sorted(names):
            if name in self._by_keyword and name in given:
                return f"argument {name!r} is given twice"
            if name not in self._by_keyword and self._more is None:
                return f"unexpected argument {name!r}; {self._near(name)}it takes ({self._spelled})"
        by_name = names & self._by_keyword.keys()
        for parameter in (*self._positional, *self._by_keyword.values()):
            if parameter.required and parameter.name not in given and parameter.name not in by_name:
                return f"missing argument {parameter.name!r}"
        return None

    def _near(self, name: str) -> str:
        from difflib import get_close_matches  # here and not above: importing aioqueue must stay fast

        near = get_close_matches(name, self._by_keyword, 1)
        return f"did you mean {near[0]!r}? " if near else ""

    # ------------------------------------------------------------ for people and programs

    def describe(self) -> str:
        """The parameters as they are written, for tables: `user_id: int, template: str = 'hello'`."""
        return self._spelled

    def json_schema(self) -> dict[str, Any]:
        """JSON Schema of the parameters as one object; {} where a type has no schema."""
        definitions: dict[str, Any] = {}
        schema: dict[str, Any] = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
        named = {p.name: p for p in (*self._positional, *self._by_keyword.values())}
        for name, parameter in named.items():
            schema["properties"][name] = _schema(parameter.crossing, definitions) | _default(parameter)
            if parameter.required:
                schema["required"].append(name)
        if self._rest is not None:
            schema["properties"][self._rest.name] = {
                "type": "array",
                "items": _schema(self._rest.crossing, definitions),
            }
        if self._more is not None:
            schema["additionalProperties"] = _schema(self._more.crossing, definitions)
        return schema | ({"$defs": definitions} if definitions else {})


def encode_untyped(task: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[bytes, bytes]:
    """A call of a task that is known by name only, as `Parameters.encode` gives it. Takes what JSON has, exactly."""
    return _untyped(task).encode(args, kwargs)


# ---------------------------------------------------------------- making the plan


@functools.lru_cache(maxsize=256)
def _untyped(task: str) -> Parameters:
    async def anything(*args: Any, **kwargs: Any) -> None: ...

    return Parameters.of(anything, task, skip_first=False)


class _Always(dict[int, Callable[[bytes], tuple[Any, ...]]]):
    """One decoder for any number of arguments."""

    def __init__(self, decode: Callable[[bytes], tuple[Any, ...]]) -> None:
        super().__init__()
        self._decode = decode

    def get(self, count: int, default: Any = None) -> Any:
        return self._decode


def _parameter(function: Callable[..., Any], task: str, parameter: inspect.Parameter) -> _Parameter:
    where = f"task {task!r}: parameter {parameter.name!r}"
    annotated = parameter.annotation is not _EMPTY
    hint = resolve(function, parameter.annotation, where) if annotated else Any
    return _Parameter(parameter.name, parameter.kind, annotated, parameter.default, crossing_of(hint, where))


def _tuple_decoder(hints: Sequence[Any]) -> Callable[[bytes], tuple[Any, ...]]:
    return msgspec.json.Decoder(tuple[tuple(hints)]).decode  # type: ignore[misc]


def _optional_decoder(hints: Sequence[Any], required: int) -> Callable[[bytes], tuple[Any, ...]]:
    """A decoder of required..len(hints) values that gives back only what was sent."""
    unset = msgspec.UNSET
    fields: list[Any] = [(f"p{index}", hint) for index, hint in enumerate(hints[:required])]
    fields += [
        (f"p{index}", typing.Union[hint, msgspec.UnsetType], unset)  # noqa: UP007 - hints such as None know no |
        for index, hint in enumerate(hints[required:], required)
    ]
    struct = msgspec.defstruct("Arguments", fields, array_like=True, forbid_unknown_fields=True, gc=False)
    decode = msgspec.json.Decoder(struct).decode
    as_tuple = msgspec.structs.astuple

    def given(raw: bytes) -> tuple[Any, ...]:
        values = as_tuple(decode(raw))
        if values[-1] is not unset:
            return values
        return tuple(value for value in values if value is not unset)

    return given


def _spell_all(parameters: Sequence[_Parameter]) -> str:
    words: list[str] = []
    starred = False
    for parameter in parameters:
        starred |= parameter.kind is inspect.Parameter.VAR_POSITIONAL
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and not starred:
            words.append("*")
            starred = True
        words.append(str(parameter))
    return ", ".join(words)


def _schema(crossing: Crossing, definitions: dict[str, Any]) -> dict[str, Any]:
    try:
        if crossing.adapter is not None:
            schema: dict[str, Any] = crossing.adapter.json_schema(ref_template="#/$defs/{model}")
            definitions |= schema.pop("$defs", {})
            return schema
        (schema,), found = msgspec.json.schema_components([crossing.annotation], ref_template="#/$defs/{name}")
    except Exception:
        return {}  # a custom type can cross and yet have no schema
    definitions |= found
    return schema


def _default(parameter: _Parameter) -> dict[str, Any]:
    if parameter.required:
        return {}
    try:
        return {"default": decode_json(parameter.crossing.encode(parameter.default))}
    except WrongType:
        return {}
