"""Settings of a queue, read once and frozen. Knows files and the environment, and neither brokers nor tasks.

A key comes from the first of these that has it:

1.  the arguments of `AioQueue(...)`
2.  the environment: `AIOQUEUE_LEASE=30`
3.  one file at the project's root: `[tool.aioqueue]` in pyproject.toml, or aioqueue.toml, or aioqueue.yaml
4.  the defaults below

The project's root is the nearest folder, from the working directory upwards, that has one of those files; the working
directory if none has. In the environment and in files a duration is a number of seconds or a text such as `30s`, `10m`,
`2h` or `1d`, and `none` stands for None where a key allows it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, NoReturn, Protocol

import msgspec

from aioqueue.core.durations import parse_duration, seconds
from aioqueue.core.redact import redact
from aioqueue.errors import ConfigurationError

PREFIX = "AIOQUEUE_"
FILES = ("pyproject.toml", "aioqueue.toml", "aioqueue.yaml")

# Variables with our prefix that are no settings: those the command line reads for itself, and those Kubernetes sets in
# every pod for a service that happens to be called aioqueue or aioqueue-something.
OTHER_VARIABLES = frozenset({"AIOQUEUE_APP"})
_OF_A_SERVICE = re.compile(r"AIOQUEUE_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_\w+)?)?)")

DAY = 86400.0


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What `load` found, checked. Its repr hides the passwords in URLs."""

    url: str
    results: str | None = "same"  # "same": the broker's own server; None: no results are kept; else a URL
    queue: str = "default"

    retries: int = 3
    timeout: float | None = 300.0
    priority: int = 4

    lease: float = 15.0
    grace: float = 30.0
    max_crashes: int = 3
    max_block: float = 300.0
    max_abandoned: int = 10
    unknown_patience: float = 3600.0

    concurrency: int = 100
    threads: int = 32
    processes: int = os.cpu_count() or 1

    keep_results: float = DAY
    keep_failures: float = 14 * DAY
    keep_dead: float = 30 * DAY

    patience: float = 10.0  # how long an enqueue waits for a broker that is away
    max_message: int = 262144

    def __repr__(self) -> str:
        return f"Settings({', '.join(f'{key}={value!r}' for key, value in self.__rich_repr__())})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """What rich shows, in tracebacks too, where msgspec's own would print the passwords."""
        values = [(key, getattr(self, key)) for key in self.__struct_fields__]
        return [(key, redact(value) if isinstance(value, str) else value) for key, value in values]


def load(
    overrides: Mapping[str, Any], *, environ: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Settings:
    """The settings from all sources, the stronger first. `overrides` holds the arguments that were given, no others.

    A wrong value, or a key that does not exist, is a ConfigurationError that says in one line where it stands.
    """
    root = project_root(cwd)
    given = {
        **_from_file(root),
        **_from_environment(os.environ if environ is None else environ),
        **_from_arguments(overrides),
    }
    read: dict[str, Any] = {key: _checked(key, entry) for key, entry in given.items()}
    return Settings(**{"url": default_url(root), **read})


def change(settings: Settings, changes: Mapping[str, Any]) -> Settings:
    """The settings with these arguments in place of theirs, checked alike."""
    entries = _from_arguments(changes)
    return msgspec.structs.replace(settings, **{key: _checked(key, entry) for key, entry in entries.items()})


def project_root(cwd: Path | None = None) -> Path:
    """The nearest folder from `cwd` upwards that has a file settings may stand in, else `cwd` itself."""
    here = (cwd or Path.cwd()).resolve()
    return next((folder for folder in (here, *here.parents) if any((folder / name).is_file() for name in FILES)), here)


def default_url(root: Path) -> str:
    """The URL of the SQLite file that a project without a broker gets: `sqlite:////the/root/aioqueue.db`."""
    path = str(root.resolve() / "aioqueue.db")
    for special in "%?#":  # the characters that would end or change the path of a URL; "%" itself first
        path = path.replace(special, f"%{ord(special):02X}")
    return f"sqlite:///{path}"


# Where a value stood, which decides what it may look like.


class _Origin(Enum):
    ARGUMENT = "argument"
    ENVIRONMENT = "environment"
    FILE = "file"


class _Entry(msgspec.Struct, frozen=True):
    value: object
    origin: _Origin
    source: str


def _from_arguments(overrides: Mapping[str, Any]) -> dict[str, _Entry]:
    _refuse_unknown(overrides, "the arguments")
    return {key: _Entry(value, _Origin.ARGUMENT, "the arguments") for key, value in overrides.items()}


def _from_environment(environ: Mapping[str, str]) -> dict[str, _Entry]:
    ours = [
        name
        for name in environ
        if name.startswith(PREFIX) and name not in OTHER_VARIABLES and not _OF_A_SERVICE.fullmatch(name)
    ]
    _refuse_unknown(ours, "the environment", prefix=PREFIX)
    return {
        name.removeprefix(PREFIX).lower(): _Entry(environ[name], _Origin.ENVIRONMENT, f"{name} in the environment")
        for name in ours
    }


def _from_file(root: Path) -> dict[str, _Entry]:
    tables = {name: table for name in FILES if (root / name).is_file() and (table := _table(root / name))}
    if len(tables) > 1:
        raise ConfigurationError(f"{' and '.join(tables)} in {root} both hold settings: keep them in one of the two")
    entries: dict[str, _Entry] = {}
    for name, table in tables.items():
        source = f"{root / name}{' [tool.aioqueue]' if name == 'pyproject.toml' else ''}"
        _refuse_unknown(table, source)
        entries |= {key: _Entry(value, _Origin.FILE, source) for key, value in table.items()}
    return entries


def _table(path: Path) -> dict[str, object]:
    try:
        content = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error
    parsed = _parse_yaml(path, content) if path.suffix == ".yaml" else _parse_toml(path, content)
    if path.name == "pyproject.toml":
        tool = parsed.get("tool")
        parsed = tool.get("aioqueue", {}) if isinstance(tool, dict) else {}
    if not isinstance(parsed, dict):
        raise ConfigurationError(f"{path} must hold settings as keys with their values, not {type(parsed).__name__}")
    return {str(key): value for key, value in parsed.items()}


def _parse_toml(path: Path, content: str) -> Any:
    import tomllib  # here and not above: importing aioqueue must stay fast

    try:
        return tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} is not TOML: {error}") from error


def _parse_yaml(path: Path, content: str) -> Any:
    try:
        import yaml
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"{path} needs a YAML parser: install aioqueue with its extra `yaml`, or write aioqueue.toml"
        ) from error
    try:
        return yaml.safe_load(content) or {}
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path} is not YAML: {' '.join(str(error).split())}") from error


def _refuse_unknown(names: Iterable[str], source: str, *, prefix: str = "") -> None:
    known = [prefix + (key.upper() if prefix else key) for key in KEYS]
    for name in names:
        if name not in known:
            from difflib import get_close_matches

            near = get_close_matches(name, known, n=1)
            advice = f"did you mean {near[0]}?" if near else f"the keys are {', '.join(known)}"
            raise ConfigurationError(f"unknown key {name} in {source}: {advice}")


# What a value may be.


class _Kind(Protocol):
    """One sort of value: `read` gives the value a setting holds, or raises ValueError."""

    @property
    def expected(self) -> str: ...

    def read(self, value: object, origin: _Origin) -> object: ...


class _Name(msgspec.Struct, frozen=True):
    """Part of the names a driver makes on its server."""

    expected: str = "a name without spaces and braces"

    def read(self, value: object, origin: _Origin) -> str:
        if not isinstance(value, str) or not re.fullmatch(r"[^\s{}]+", value) or not value.isprintable():
            raise ValueError
        return value


class _Url(msgspec.Struct, frozen=True):
    expected: str = "a URL such as sqlite:////var/lib/app/jobs.db"

    def read(self, value: object, origin: _Origin) -> str:
        if not isinstance(value, str) or not re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", value):
            raise ValueError
        return value


class _Results(msgspec.Struct, frozen=True):
    expected: str = "a URL, or same (the broker's own server), or none"

    def read(self, value: object, origin: _Origin) -> str | None:
        if _is_none(value):
            return None
        return "same" if value == "same" else _Url().read(value, origin)


class _Whole(msgspec.Struct, frozen=True):
    least: int
    most: int | None = None
    none: int | None = None  # what None stands for, where it may be given

    @property
    def expected(self) -> str:
        limits = f"from {self.least} up" if self.most is None else f"from {self.least} to {self.most}"
        return f"a whole number {limits}{'' if self.none is None else ', or none'}"

    def read(self, value: object, origin: _Origin) -> int:
        if self.none is not None and _is_none(value):
            return self.none
        if origin is _Origin.ENVIRONMENT and isinstance(value, str):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError
        if value < self.least or (self.most is not None and value > self.most):
            raise ValueError
        return value


class _Duration(msgspec.Struct, frozen=True):
    least: float
    none: bool = False

    @property
    def expected(self) -> str:
        texts = "seconds (in the environment and in files also 30s, 10m, 2h, 1d)"
        return f"{texts}, {self.least:g} at least{', or none' if self.none else ''}"

    def read(self, value: object, origin: _Origin) -> float | None:
        if self.none and _is_none(value):
            return None
        if isinstance(value, str) and origin is not _Origin.ARGUMENT:
            length = parse_duration(value)
        else:
            length = seconds(value, "it")  # type: ignore[arg-type]  # refusing the rest is what it is for
        if length < self.least:
            raise ValueError
        return length


KEYS: dict[str, _Kind] = {
    "url": _Url(),
    "results": _Results(),
    "queue": _Name(),
    "retries": _Whole(0),
    "timeout": _Duration(0.001, none=True),
    "priority": _Whole(0, 9),
    "lease": _Duration(1),
    "grace": _Duration(0),
    "max_crashes": _Whole(1),
    "max_block": _Duration(1),
    "max_abandoned": _Whole(0),
    "unknown_patience": _Duration(0),
    "concurrency": _Whole(1),
    "threads": _Whole(1),
    "processes": _Whole(1, none=os.cpu_count() or 1),
    "keep_results": _Duration(0),
    "keep_failures": _Duration(0),
    "keep_dead": _Duration(0),
    "patience": _Duration(0),
    "max_message": _Whole(1),
}


def _checked(key: str, entry: _Entry) -> object:
    try:
        return KEYS[key].read(entry.value, entry.origin)
    except (ValueError, ConfigurationError):
        _refuse_value(key, entry)


def _refuse_value(key: str, entry: _Entry) -> NoReturn:
    # In one line, and without a password that stands in the wrong place.
    shown = repr(redact(entry.value) if isinstance(entry.value, str) else entry.value)
    shown = " ".join(shown.split())
    shown = shown if len(shown) <= 100 else f"{shown[:100]}…"
    raise ConfigurationError(f"{key} from {entry.source} is {shown}: expected {KEYS[key].expected}") from None


def _is_none(value: object) -> bool:
    return value is None or (isinstance(value, str) and value.strip().lower() == "none")
