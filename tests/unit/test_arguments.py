"""Arguments and results arrive as what was passed, or the caller is told why they cannot."""

import asyncio
import collections.abc as abc
import dataclasses
import datetime as dt
import enum
import subprocess
import sys
import threading
import typing
import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, NotRequired, TypedDict, TypeVar
from zoneinfo import ZoneInfo

import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aioqueue.core.annotations import spell
from aioqueue.core.arguments import Parameters, encode_untyped
from aioqueue.core.results import Returns, decode_untyped
from aioqueue.errors import ConfigurationError, InvalidArguments, NotDecodable, NotEncodable


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Mode(enum.StrEnum):
    FAST = "fast"


class Bits(enum.Flag):
    A = 1
    B = 2


@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.0


@dataclasses.dataclass
class Point3(Point):
    z: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Key:
    name: str


@dataclasses.dataclass
class Nested:
    points: list[Point]
    by_key: dict[int, Key]


@dataclasses.dataclass(eq=False)
class Identity:
    n: int


@dataclasses.dataclass(eq=False)
class Cached:
    """Its hidden field is written by nobody and compared by nobody."""

    n: int
    seen: dict[str, int] = dataclasses.field(default_factory=dict, init=False)


@dataclasses.dataclass
class Quiet:
    """Equal to another whatever its note says."""

    n: int
    note: Any = dataclasses.field(compare=False)


class Version:
    """A type of the user's own, without equality, that tells pydantic how it is written."""

    def __init__(self, text: str) -> None:
        self.text = text

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(
            lambda it: it if isinstance(it, cls) else cls(it),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda it: it.text),
        )


@dataclasses.dataclass
class WithInit:
    n: int
    seed: dataclasses.InitVar[int]


Item = TypeVar("Item")


@dataclasses.dataclass
class Box(Generic[Item]):
    item: Item


class Options(TypedDict):
    a: int
    b: NotRequired[str]


class Pair(NamedTuple):
    left: int
    right: str = "r"


class Circle(msgspec.Struct, tag=True):
    radius: float


class Square(msgspec.Struct, tag=True, rename="camel"):
    side_length: float


class Tree(msgspec.Struct):
    children: "list[Tree]" = []


class User(pydantic.BaseModel):
    id: int
    tags: set[str] = set()
    joined: dt.datetime | None = None


class Admin(User):
    level: int = 1


class Cat(pydantic.BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int = 9


class Dog(pydantic.BaseModel):
    kind: Literal["dog"] = "dog"
    lives: int = 1


class Alike(pydantic.BaseModel):
    lives: int


class AlikeToo(pydantic.BaseModel):
    lives: int


class Aliased(pydantic.BaseModel):
    user_id: int = pydantic.Field(alias="userId")


class Excluding(pydantic.BaseModel):
    id: int
    secret: str = pydantic.Field("none", exclude=True)


class Private(pydantic.BaseModel):
    id: int
    _note: str = pydantic.PrivateAttr("none")


class Password(pydantic.BaseModel):
    password: pydantic.SecretStr


@dataclasses.dataclass
class Team:
    lead: User
    members: list[User]


@dataclasses.dataclass
class Other:
    x: int


UserId = NewType("UserId", int)
PARIS = ZoneInfo("Europe/Paris")
NOON = dt.datetime(2026, 5, 4, 12, 30, 15, 123456)  # noqa: DTZ001 - a naive one must cross as well


class Opaque:
    pass


def taking(annotation: Any) -> Parameters:
    async def task(value): ...  # type: ignore[no-untyped-def]

    task.__annotations__ = {"value": annotation}
    return Parameters.of(task, "t", skip_first=False)


def returning(annotation: Any) -> Returns:
    async def task(): ...  # type: ignore[no-untyped-def]

    task.__annotations__ = {"return": annotation}
    return Returns.of(task, "t")


def plan(function: Callable[..., Any], *, skip_first: bool = False) -> Parameters:
    return Parameters.of(function, "t", skip_first=skip_first)


def there_and_back(parameters: Parameters, *args: Any, **kwargs: Any) -> tuple[list[Any], dict[str, Any]]:
    positionals, named = parameters.decode(*parameters.encode(args, kwargs))
    return list(positionals), named


CROSSING: list[tuple[Any, Any]] = [
    (int, 2**64),
    (int, -(2**200)),
    (float, -0.0),
    (float, 1e308),
    (bool, True),
    (str, "ünï\u0000🎈"),
    (None, None),
    (bytes, b"\x00\xff"),
    (dt.datetime, NOON),
    (dt.datetime, NOON.replace(tzinfo=dt.UTC)),
    (dt.date, NOON.date()),
    (dt.time, NOON.time()),
    (dt.timedelta, dt.timedelta(days=-3, microseconds=1)),
    (uuid.UUID, uuid.UUID(int=7)),
    (Decimal, Decimal("1.10")),
    (Color, Color.RED),
    (Level, Level.HIGH),
    (Mode, Mode.FAST),
    (Bits, Bits.A | Bits.B),
    (Literal["a", 1], 1),
    (int | None, None),
    (int | str | list[int], [1]),
    (float | str, "x"),
    (UserId, UserId(3)),
    (Any, {"a": [1, None, 1.5, {"b": True}]}),
    (object, [1]),
    (list[int], [1, 2]),
    (tuple[int, str], (1, "a")),
    (tuple[int, ...], (1, 2, 3)),
    (set[int], {3, 1}),
    (set[Color], {Color.RED, Color.BLUE}),
    (set[Key], {Key("a"), Key("b")}),
    (frozenset[str], frozenset({"a", "b"})),
    (dict[str, list[dt.date]], {"a": [NOON.date()]}),
    (dict[int, str], {2: "b", 10: "a"}),
    (dict[uuid.UUID, int], {uuid.UUID(int=1): 1}),
    (dict[Color, int], {Color.RED: 1}),
    (abc.Sequence[int], [1, 2]),
    (abc.Mapping[str, int], {"a": 1}),
    (Point, Point(1, 2.5)),
    (Key, Key("k")),
    (Nested, Nested([Point(1)], {1: Key("a"), 20: Key("b")})),
    (list[tuple[Point, Key]], [(Point(1), Key("a"))]),
    (Box[int], Box(1)),
    (Options, {"a": 1}),
    (Options, {"a": 1, "b": "x"}),
    (Pair, Pair(1)),
    (Tree, Tree([Tree(), Tree([Tree()])])),
    (Circle | Square, Square(2.0)),
    (Annotated[int, msgspec.Meta(gt=0)], 1),
    (User, User(id=1, tags={"a", "b"}, joined=NOON)),
    (User | None, None),
    (list[User], [User(id=1), User(id=2)]),
    (dict[str, User], {"a": User(id=1)}),
    (Team, Team(User(id=1), [User(id=2)])),
    (Cat | Dog, Dog()),
    (Annotated[Cat | Dog, pydantic.Field(discriminator="kind")], Dog()),
    (Aliased, Aliased(userId=3)),
    (Excluding, Excluding(id=1, secret="none")),
    (Private, Private(id=1)),
    (Annotated[int, pydantic.Field(gt=0)], 1),
    (pydantic.PositiveInt, 3),
    (dt.datetime | str, NOON),
    (dt.datetime | str, "tomorrow"),
    (bytes | User, b"\xff"),
    (Path, Path("a/b")),
]
CROSSING_IDS = [f"{index}-{spell(annotation)}" for index, (annotation, _) in enumerate(CROSSING)]


@pytest.mark.parametrize(("annotation", "value"), CROSSING, ids=CROSSING_IDS)
def test_a_value_arrives_equal_and_of_its_type(annotation: Any, value: Any) -> None:
    ([got], named) = there_and_back(taking(annotation), value)
    assert got == value
    assert type(got) is type(value)
    assert named == {}


@pytest.mark.parametrize(("annotation", "value"), CROSSING, ids=CROSSING_IDS)
def test_a_result_comes_back_equal_and_of_its_type(annotation: Any, value: Any) -> None:
    returns = returning(annotation)
    got = returns.decode(returns.encode(value))
    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize(
    ("annotation", "value", "got"),
    [
        (float, 1, 1.0),
        (str, Mode.FAST, "fast"),
        (Mode, "fast", Mode.FAST),
        (abc.Sequence[int], (1, 2), [1, 2]),
        (abc.Iterable[int], {1, 2}, [1, 2]),
        (list[float], [1, 2.5], [1.0, 2.5]),
        (Pair, (1, "b"), Pair(1, "b")),
        (bytes, bytearray(b"x"), b"x"),
        (dict[str, int], typing.cast(Any, __import__("collections").Counter("aab")), {"a": 2, "b": 1}),
    ],
)
def test_what_the_annotation_promises_may_stand_for_what_was_passed(annotation: Any, value: Any, got: Any) -> None:
    ([arrived], _) = there_and_back(taking(annotation), value)
    assert arrived == got
    assert type(arrived) is type(got)


def test_subclasses_of_str_and_int_arrive_as_what_they_are() -> None:
    class SafeText(str): ...

    class Count(int): ...

    async def task(text: str, count: int) -> None: ...

    assert there_and_back(plan(task), SafeText("a"), Count(3)) == (["a", 3], {})


def test_an_object_without_equality_crosses() -> None:
    ([got], _) = there_and_back(taking(list[Identity]), [Identity(5)])
    assert got[0].n == 5


def test_a_type_without_equality_that_pydantic_writes_crosses_by_its_attributes() -> None:
    ([got], _) = there_and_back(taking(list[Version]), [Version("1.2")])
    assert got[0].text == "1.2"


def test_a_type_without_equality_is_refused_when_an_attribute_would_change() -> None:
    version = Version("1.2")
    version.pinned = True  # type: ignore[attr-defined]
    with pytest.raises(NotEncodable, match="another one"):
        taking(Version).encode((version,), {})


def test_a_field_that_nobody_passes_to_init_crosses_with_its_value() -> None:
    cached = Cached(1)
    cached.seen = {"a": 1}
    ([got], _) = there_and_back(taking(Cached), cached)
    assert got.seen == {"a": 1}


def test_a_datetime_in_the_hour_that_comes_twice_crosses() -> None:
    moment = dt.datetime(2024, 10, 27, 2, 30, tzinfo=PARIS, fold=1)
    ([got], _) = there_and_back(taking(dt.datetime), moment)
    assert got - moment == dt.timedelta(0)


def test_a_decimal_that_is_no_number_crosses() -> None:
    ([got], _) = there_and_back(taking(Decimal), Decimal("NaN"))
    assert got.is_nan()


@pytest.mark.parametrize(
    ("annotation", "value", "says"),
    [
        (Any, (1, 2), "a tuple would arrive as a list; annotate it"),
        (Any, {1}, "a set would arrive as a list"),
        (Any, b"x", "a bytes would arrive as a str"),
        (Any, NOON, "a datetime would arrive as a str"),
        (Any, Decimal(1), "a Decimal would arrive as a str"),
        (Any, Point(1), "a Point would arrive as a dict"),
        (Any, {1: "a"}, "at [1]: it would be dropped (its key is a int)"),
        (dict[str, Any], {"a": [(1,)]}, "at ['a'][0]: a tuple would arrive as a list"),
        (float, float("nan"), "JSON has no NaN or infinity"),
        (float | None, float("inf"), "JSON has no NaN or infinity"),
        (list[float], [1.0, float("-inf")], "JSON has no NaN or infinity"),
        (Point, Point(1, float("nan")), "JSON has no NaN or infinity"),
        (Any, [float("nan")], "JSON has no NaN or infinity"),
        (float, 2**60 + 1, "too large to be exact as a float"),
        (str, "\ud800", "lone surrogate"),
        (Any, {"a": "\udfff"}, "lone surrogate"),
        pytest.param(Any, 10**5000, "4300 digits", id="huge"),
        (Any, Opaque(), "a value of type Opaque has no form in JSON"),
        (Point, Point3(1, 2, 3), "a Point3 would arrive as a Point"),
        (list[Point], [Point3(1, 2, 3)], "at [0]: a Point3 would arrive as a Point"),
        (Quiet, Quiet(1, (1, 2)), "at .note: a tuple would arrive as a list"),
        (Options, {"a": 1, "zz": 2}, "at ['zz']: it would be dropped"),
        (User, Admin(id=1), "a Admin would arrive as a User"),
        (Excluding, Excluding(id=1, secret="s"), "at .secret"),
        (Password, Password(password=pydantic.SecretStr("s")), "at .password"),
        (Alike | AlikeToo, AlikeToo(lives=1), "a AlikeToo would arrive as a Alike"),
        (Point | Other, Other(1), "a Other would arrive as a Point"),
        (dt.datetime | str, "2026-01-01T00:00:00", "a str would arrive as a datetime"),
        (
            dt.datetime,
            dt.datetime(2026, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=5, seconds=3))),
            "would arrive as another one",
        ),
    ],
)
def test_what_would_arrive_changed_is_refused_at_the_caller(annotation: Any, value: Any, says: str) -> None:
    with pytest.raises(NotEncodable) as caught:
        taking(annotation).encode((value,), {})
    message = str(caught.value)
    assert message.startswith("task 't': argument 'value'")
    assert says in message
    assert message.endswith("; nothing was enqueued")
    assert "\n" not in message


def test_private_attributes_that_were_set_are_refused() -> None:
    private = Private(id=1)
    private._note = "set"
    with pytest.raises(NotEncodable, match="_note"):
        taking(Private).encode((private,), {})


def test_a_value_that_contains_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(NotEncodable, match="contains itself"):
        taking(Any).encode((endless,), {})


@pytest.mark.parametrize("depth", [300, 600, 900, 5000])
def test_deep_nesting_crosses_or_is_refused_in_one_line(depth: int) -> None:
    tree, nested = Tree(), []  # type: Tree, list[Any]
    for _ in range(depth):
        tree, nested = Tree([tree]), [nested]
    for annotation, value in ((Tree, tree), (Any, nested)):
        try:
            ([got], _) = there_and_back(taking(annotation), value)
        except NotEncodable as error:
            assert "nested too deep" in str(error)  # noqa: PT017
        else:
            assert got == value


def test_a_secret_is_not_told_in_the_error() -> None:
    with pytest.raises(InvalidArguments) as caught:
        taking(User).encode(({"id": "hunter2"},), {})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("annotation", "value", "says"),
    [
        (int, "1", "Expected int, got str"),
        (int, True, "Expected int, got bool"),
        (int, 1.0, "Expected int, got float"),
        (int, None, "Expected int, got null"),
        (bool, 1, "Expected bool, got int"),
        (float, True, "Expected float, got bool"),
        (str, 1, "Expected str, got int"),
        (str, Color.RED, "Expected str, got Color"),
        (uuid.UUID, str(uuid.UUID(int=1)), "Expected UUID, got str"),
        (dt.datetime, "2026-01-01T00:00:00", "Expected datetime, got str"),
        (Decimal, 1.5, "Expected Decimal, got float"),
        (Decimal, 1, "Expected Decimal, got int"),
        (list[Decimal], [1], "at [0]: Expected Decimal, got int"),
        (tuple[int, ...], [1], "Expected tuple, got list"),
        (list[int], (1,), "Expected list, got tuple"),
        (list[int], [1, "a"], "at [1]: Expected int, got str"),
        (Point, Point("x"), "at .x: Expected int, got str"),  # type: ignore[arg-type]
        (Point, {"x": 1, "y": 2.0}, "Expected Point, got dict"),
        (Literal["a"], "b", "Invalid enum value 'b'"),
        (Annotated[int, msgspec.Meta(gt=0)], 0, "Expected int >= 1"),
        (Annotated[int, pydantic.Field(gt=0)], 0, "greater than 0"),
        (Annotated[int, pydantic.Field(gt=0)], "5", "Expected int, got str"),
        (Annotated[int, pydantic.Field(gt=0)], True, "Expected int, got bool"),
        (User, {"id": 1}, "Expected User, got dict"),
        (list[User], [{"id": 1}], "Expected User, got dict"),
    ],
)
def test_a_value_of_another_type_is_an_invalid_argument(annotation: Any, value: Any, says: str) -> None:
    with pytest.raises(InvalidArguments) as caught:
        taking(annotation).encode((value,), {})
    message = str(caught.value)
    assert message.startswith("task 't': argument 'value'")
    assert says in message
    assert message.endswith("; nothing was enqueued")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("annotation", "says"),
    [
        (asyncio.Lock, "Lock"),
        (threading.Lock, "lock"),
        (Callable[[int], str], "Callable[[int], str]"),
        (typing.Callable, "Callable"),
        (typing.TextIO, "TextIO"),
        (type[int], "type[int]"),
        (Opaque, "Opaque"),
        (list[Opaque], "Opaque"),
        (abc.Iterator[int], "write list[...]"),
        (list[abc.Iterable[int]], "write list[...]"),
        (dict[tuple[int, int], str], "its keys"),
        (WithInit, "InitVar"),
        ("Nowhere", "'Nowhere' cannot be resolved"),
        (list["Nowhere"], "cannot be resolved"),  # type: ignore[name-defined] # noqa: F821
    ],
)
def test_an_annotation_that_can_never_cross_is_refused_at_registration(annotation: Any, says: str) -> None:
    for make, where in ((taking, "parameter 'value'"), (returning, "its return annotation")):
        with pytest.raises(ConfigurationError) as caught:
            make(annotation)
        message = str(caught.value)
        assert message.startswith(f"task 't': {where}: ")
        assert says in message
        assert "\n" not in message


def test_a_dataclass_that_holds_what_cannot_cross_is_refused_at_registration() -> None:
    holder = dataclasses.make_dataclass("holder", [("lock", asyncio.Lock)])
    with pytest.raises(ConfigurationError, match="Lock"):
        taking(holder)


@pytest.mark.parametrize(
    ("annotation", "says"),
    [
        (Point | Other, "the members of Point | Other cannot be told apart in JSON; use a tagged type"),
        (dt.datetime | str, "datetime | str cannot be told apart"),
        (Annotated[int, pydantic.Field(gt=0)], "is a type for pydantic"),
        (Opaque, "Opaque has no form in JSON"),
    ],
)
def test_without_pydantic_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, annotation: Any, says: str
) -> None:
    monkeypatch.setitem(sys.modules, "pydantic", None)
    with pytest.raises(ConfigurationError) as caught:
        taking(annotation)
    assert says in str(caught.value)
    assert "install pydantic" in str(caught.value)


def test_plain_tasks_never_import_pydantic() -> None:
    program = """
import sys
from aioqueue.core.annotations import spell
from aioqueue.core.arguments import Parameters
async def task(a: int, b: dict[str, list[float]], *, c: bytes = b""): ...
plan = Parameters.of(task, "t", skip_first=False)
plan.decode(*plan.encode((1, {"a": [1.0]}), {"c": b"x"}))
assert "pydantic" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


# ---------------------------------------------------------------- the shape of a call


async def greet(user_id: int, template: str = "hello", urgent: bool = False) -> None: ...


async def positional_only(a: int, b: int = 2, /, **more: int) -> None: ...


async def keyword_only(a: int, *, b: int, c: int = 3) -> None: ...


async def numbers(*values: int) -> None: ...


async def mixed(first: str, *rest: int, loud: bool = False, **labels: str) -> None: ...


async def nothing() -> None: ...


async def untyped(a, b=None): ...  # type: ignore[no-untyped-def]


@pytest.mark.parametrize(
    ("function", "args", "kwargs", "raw"),
    [
        (greet, (1,), {}, (b"[1]", b"")),
        (greet, (1, "x"), {}, (b'[1,"x"]', b"")),
        (greet, (1,), {"template": "x"}, (b'[1,"x"]', b"")),
        (greet, (), {"urgent": True, "template": "x", "user_id": 1}, (b'[1,"x",true]', b"")),
        (greet, (1,), {"urgent": True}, (b"[1]", b'{"urgent":true}')),
        (keyword_only, (1,), {"c": 5, "b": 4}, (b"[1]", b'{"b":4,"c":5}')),
        (keyword_only, (), {"c": 5, "b": 4, "a": 1}, (b"[1]", b'{"b":4,"c":5}')),
        (positional_only, (1,), {"a": 9, "b": 8}, (b"[1]", b'{"a":9,"b":8}')),
        (numbers, (), {}, (b"[]", b"")),
        (numbers, (1, 2, 3), {}, (b"[1,2,3]", b"")),
        (mixed, ("a", 1, 2), {"z": "z", "loud": True}, (b'["a",1,2]', b'{"loud":true,"z":"z"}')),
        (nothing, (), {}, (b"[]", b"")),
        (untyped, ([1, {"b": 1, "a": 2}],), {}, (b'[[1,{"a":2,"b":1}]]', b"")),
    ],
)
def test_a_call_has_one_form_and_arrives_as_it_was_made(
    function: Callable[..., Any], args: Any, kwargs: Any, raw: tuple[bytes, bytes]
) -> None:
    parameters = plan(function)
    assert parameters.encode(args, kwargs) == raw
    got_args, got_kwargs = parameters.decode(*raw)
    assert parameters.encode(tuple(got_args), got_kwargs) == raw


@pytest.mark.parametrize(
    ("function", "args", "kwargs", "says"),
    [
        (greet, (), {}, "missing argument 'user_id'"),
        (greet, (), {"template": "x"}, "missing argument 'user_id'"),
        (keyword_only, (1,), {}, "missing argument 'b'"),
        (keyword_only, (1, 2), {}, "2 positional arguments are too many; it takes (a: int, *, b: int, c: int = 3)"),
        (nothing, (1,), {}, "1 positional arguments are too many; it takes ()"),
        (greet, (1,), {"user_id": 2}, "argument 'user_id' is given twice"),
        (greet, (1,), {"tempalte": "x"}, "unexpected argument 'tempalte'; did you mean 'template'? it takes (user_id"),
        (greet, (1,), {"zzz": "x"}, "unexpected argument 'zzz'; it takes (user_id: int, template: str = 'hello'"),
        (numbers, (1, "2"), {}, "argument 'values[1]': Expected int, got str"),
        (mixed, ("a", 1, "x"), {}, "argument 'rest[1]': Expected int, got str"),
        (mixed, ("a",), {"z": 1}, "argument 'z': Expected str, got int"),
    ],
)
def test_a_call_that_does_not_fit_is_refused_on_both_sides(
    function: Callable[..., Any], args: Any, kwargs: Any, says: str
) -> None:
    parameters = plan(function)
    with pytest.raises(InvalidArguments) as enqueueing:
        parameters.encode(args, kwargs)
    assert str(enqueueing.value).startswith(f"task 't': {says}")
    assert str(enqueueing.value).endswith("; nothing was enqueued")
    with pytest.raises(InvalidArguments) as arriving:
        parameters.decode(*encode_untyped("t", args, kwargs))
    assert str(arriving.value).startswith(f"task 't': {says}")
    assert "enqueued" not in str(arriving.value)


@pytest.mark.parametrize("raw", [b"", b"nope", b"{}", b'"x"', b"[1", b"[1] 2", b"\xff", b"null", b"[" * 10_000])
def test_decoding_refuses_any_bytes_with_invalid_arguments(raw: bytes) -> None:
    for function in (greet, numbers, mixed, nothing):
        with pytest.raises(InvalidArguments, match=r"^task 't': "):
            plan(function).decode(raw, b"")
    if raw not in (b"", b"{}"):
        with pytest.raises(InvalidArguments):
            plan(greet).decode(b"[1]", raw)


def test_an_error_in_the_users_own_type_is_an_invalid_argument() -> None:
    def refuse(self: Any) -> None:
        raise KeyError("boom")

    picky = dataclasses.make_dataclass("picky", [("x", int)], namespace={"__post_init__": refuse})
    with pytest.raises(InvalidArguments, match="argument 'value': KeyError: 'boom'"):
        taking(picky).decode(b'[{"x":1}]', b"")


def test_what_was_not_given_stays_out_so_that_the_workers_own_defaults_apply() -> None:
    async def older(a: int) -> None: ...

    async def newer(a: int, b: str = "new") -> None: ...

    assert plan(newer).decode(*plan(older).encode((1,), {})) == ((1,), {})


def test_a_none_that_was_given_is_not_taken_for_nothing() -> None:
    async def task(a: int, b: int | None = 5, c: int = 6) -> None: ...

    assert there_and_back(plan(task), 1, None) == ([1, None], {})


def test_a_call_by_keywords_alone_arrives() -> None:
    assert plan(greet).decode(b"[]", b'{"user_id":1,"urgent":true}') == ([], {"user_id": 1, "urgent": True})


def test_the_context_does_not_cross() -> None:
    async def task(context: "NotImportedHere", a: int) -> None: ...  # type: ignore[name-defined] # noqa: F821

    parameters = plan(task, skip_first=True)
    assert parameters.encode((1,), {}) == (b"[1]", b"")
    assert parameters.describe() == "a: int"


def test_a_wrapped_function_is_planned_by_what_it_wraps() -> None:
    import functools

    @functools.wraps(greet)
    async def wrapper(*args: Any, **kwargs: Any) -> None: ...

    assert plan(wrapper).describe() == plan(greet).describe()


@pytest.mark.parametrize(
    ("annotation", "one", "same"),
    [
        (dict[str, int], {"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (dict[int, int], {1: 1, 2: 2}, {2: 2, 1: 1}),
        (set[str], {"a", "b", "c"}, {"c", "b", "a"}),
        (set[Color], {Color.RED, Color.BLUE}, {Color.BLUE, Color.RED}),
        (Any, {"x": [{"a": 1, "b": 2}]}, {"x": [{"b": 2, "a": 1}]}),
    ],
)
def test_equal_calls_have_equal_bytes(annotation: Any, one: Any, same: Any) -> None:
    assert taking(annotation).encode((one,), {}) == taking(annotation).encode((same,), {})


def test_a_set_inside_a_model_has_the_same_bytes_in_every_process() -> None:
    program = (
        "import pydantic\n"
        "from aioqueue.core.crossing import Crossing\n"
        "class User(pydantic.BaseModel):\n"
        "    tags: set[str] = pydantic.Field(alias='theTags')\n"
        "    more: dict[str, list[frozenset[str]]]\n"
        "user = User(theTags=set('abcdefgh'), more={'z': [set('abcdefgh')]})\n"
        "print(Crossing(list[User]).encode([user]).decode())"
    )
    assert len({_output(program, seed) for seed in ("1", "2", "3")}) == 1


def _output(program: str, seed: str) -> bytes:
    command = [sys.executable, "-c", program]
    return subprocess.run(command, env={"PYTHONHASHSEED": seed}, check=True, capture_output=True, timeout=60).stdout


def test_a_set_has_the_same_bytes_in_every_process() -> None:
    program = (
        "import enum\n"
        "from aioqueue.core.crossing import dumps\n"
        "Color = enum.Enum('Color', {c: c for c in 'abcdefgh'})\n"
        "print(dumps([set('abcdefgh'), set(Color), {1, 'a', None}]).decode())"
    )
    assert len({_output(program, seed) for seed in ("1", "2", "3")}) == 1


# ---------------------------------------------------------------- results


def test_two_values_returned_without_an_annotation_come_back_as_a_list() -> None:
    async def task(): ...  # type: ignore[no-untyped-def]

    returns = Returns.of(task, "t")
    assert returns.decode(returns.encode((1, ("a", None)))) == [1, ["a", None]]


def test_two_values_returned_as_annotated_come_back_as_a_tuple() -> None:
    returns = returning(tuple[int, str])
    assert returns.decode(returns.encode((1, "a"))) == (1, "a")


@pytest.mark.parametrize(
    ("annotation", "value", "says"),
    [
        (Any, {1}, "a set would arrive as a list"),
        (Any, Pair(1), "a Pair would arrive as a list"),
        (Any, float("nan"), "JSON has no NaN"),
        (int, "x", "Expected int, got str"),
        (None, 1, "Expected null, got int"),
        (Point, Point3(1), "a Point3 would arrive as a Point"),
    ],
)
def test_a_result_that_would_come_back_changed_is_refused(annotation: Any, value: Any, says: str) -> None:
    with pytest.raises(NotEncodable) as caught:
        returning(annotation).encode(value)
    assert str(caught.value).startswith("task 't': result")
    assert says in str(caught.value)
    assert "enqueued" not in str(caught.value)


@pytest.mark.parametrize("annotation", [None, typing.NoReturn, typing.Never])
def test_a_task_that_returns_nothing_returns_null(annotation: Any) -> None:
    assert returning(annotation).encode(None) == b"null"
    assert returning(annotation).decode(b"null") is None


@pytest.mark.parametrize("raw", [b"", b"nope", b'"x"', b"\xff"])
def test_a_result_of_other_bytes_is_not_decodable(raw: bytes) -> None:
    with pytest.raises(NotDecodable, match="task 't': result"):
        returning(int).decode(raw)


# ---------------------------------------------------------------- by name


def test_a_call_by_name_gives_the_bytes_of_a_typed_call() -> None:
    assert encode_untyped("t", (1, "x"), {}) == plan(greet).encode((1, "x"), {})
    assert encode_untyped("t", (1,), {"b": 2, "a": [None]}) == (b"[1]", b'{"a":[null],"b":2}')


@pytest.mark.parametrize("value", [(1,), {1}, b"x", NOON, float("nan"), Opaque(), "\ud800"])
def test_a_call_by_name_refuses_what_json_would_change(value: Any) -> None:
    with pytest.raises(NotEncodable, match=r"^task 'far': argument 'args\[1\]'"):
        encode_untyped("far", (1, value), {})
    with pytest.raises(NotEncodable, match=r"^task 'far': argument 'key'"):
        encode_untyped("far", (), {"key": value})


def test_untyped_bytes_decode_to_json_types_or_not_at_all() -> None:
    assert decode_untyped(b'{"a":[1,null]}') == {"a": [1, None]}
    with pytest.raises(NotDecodable):
        decode_untyped(b"{")


# ---------------------------------------------------------------- for people and programs


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (greet, "user_id: int, template: str = 'hello', urgent: bool = False"),
        (keyword_only, "a: int, *, b: int, c: int = 3"),
        (mixed, "first: str, *rest: int, loud: bool = False, **labels: str"),
        (untyped, "a, b=None"),
        (nothing, ""),
    ],
)
def test_parameters_are_described_as_they_are_written(function: Callable[..., Any], text: str) -> None:
    assert plan(function).describe() == text


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (int | None, "int | None"),
        (dict[str, list[Point]], "dict[str, list[Point]]"),
        (Callable[[int], str], "Callable[[int], str]"),
        (tuple[int, ...], "tuple[int, ...]"),
        (Literal["a", 1], "Literal['a', 1]"),
        (Annotated[int, 1], "int"),
    ],
)
def test_annotations_are_spelled_without_their_modules(annotation: Any, text: str) -> None:
    assert spell(annotation) == text


def test_the_json_schema_names_types_defaults_and_what_is_required() -> None:
    async def task(point: Point, user: User, *rest: int, loud: bool = False, **more: str) -> None: ...

    schema = plan(task).json_schema()
    assert schema["type"] == "object"
    assert schema["required"] == ["point", "user"]
    assert schema["properties"]["point"] == {"$ref": "#/$defs/Point"}
    assert schema["$defs"]["Point"]["properties"]["x"] == {"type": "integer"}
    assert schema["properties"]["user"]["properties"]["id"]["type"] == "integer"
    assert schema["properties"]["rest"] == {"type": "array", "items": {"type": "integer"}}
    assert schema["properties"]["loud"] == {"type": "boolean", "default": False}
    assert schema["additionalProperties"] == {"type": "string"}


def test_the_json_schema_of_a_plain_task_admits_nothing_else() -> None:
    assert plan(nothing).json_schema() == {
        "type": "object",
        "properties": {},
        "required": [],
        "additionalProperties": False,
    }


# ---------------------------------------------------------------- properties

_text = st.text(st.characters(exclude_categories=["Cs"]))
_scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _text
_json = st.recursive(_scalars, lambda inner: st.lists(inner) | st.dictionaries(_text, inner), max_leaves=20)


def identical(one: Any, other: Any) -> bool:
    if type(one) is not type(other):
        return False
    if isinstance(one, list):
        return len(one) == len(other) and all(map(identical, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(identical(one[key], other[key]) for key in one)
    return bool(repr(one) == repr(other))


@given(st.lists(_json), st.dictionaries(_text, _json))
def test_json_values_arrive_identical(args: list[Any], kwargs: dict[str, Any]) -> None:
    async def anything(*args, **kwargs): ...  # type: ignore[no-untyped-def]

    parameters = plan(anything)
    raw = parameters.encode(tuple(args), kwargs)
    got_args, got_kwargs = parameters.decode(*raw)
    assert identical(list(got_args), args)
    assert identical(got_kwargs, kwargs)
    assert encode_untyped("t", tuple(args), kwargs) == raw


@given(_json)
def test_a_result_of_json_comes_back_identical(value: Any) -> None:
    returns = returning(Any)
    assert identical(returns.decode(returns.encode(value)), value)


@given(st.datetimes(timezones=st.none() | st.timezones()), st.timedeltas(), st.decimals(allow_nan=False), st.binary())
def test_typed_scalars_arrive_or_are_refused(
    moment: dt.datetime, span: dt.timedelta, amount: Decimal, blob: bytes
) -> None:
    async def task(moment: dt.datetime, span: dt.timedelta, amount: Decimal, blob: bytes) -> None: ...

    parameters = plan(task)
    try:
        raw = parameters.encode((moment, span, amount, blob), {})
    except NotEncodable as error:
        # Zones of old had offsets with seconds, which ISO 8601 has no place for.
        assert "'moment'" in str(error)  # noqa: PT017
        return
    got = parameters.decode(*raw)[0]
    assert got[0] - moment == dt.timedelta(0)
    assert list(got[1:]) == [span, amount, blob]


@given(st.integers(0, 3), st.integers(0, 3), st.booleans())
def test_a_call_arrives_exactly_when_python_would_take_it(positionals: int, keywords: int, spare: bool) -> None:
    async def task(a: int, b: int, c: int = 0, *, d: int = 0) -> None: ...

    args = tuple(range(positionals))
    kwargs: dict[str, Any] = dict.fromkeys("abcd"[4 - keywords :], 7) | ({"spare": 1} if spare else {})
    try:
        task(*args, **kwargs).close()
    except TypeError:
        with pytest.raises(InvalidArguments):
            plan(task).encode(args, kwargs)
        return
    got_args, got_kwargs = there_and_back(plan(task), *args, **kwargs)
    task(*got_args, **got_kwargs).close()
