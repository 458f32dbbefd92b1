"""From a function's annotation to the plan of one value, with errors that say where it stands."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from typing import Any

from aioqueue.core.annotations import CannotCross, one_line
from aioqueue.core.crossing import Crossing, WrongType
from aioqueue.errors import ConfigurationError


def resolve(function: Callable[..., Any], annotation: Any, where: str) -> Any:
    # One at a time, so that the error names the parameter, and a Context imported for type checkers only does no harm.
    names = getattr(inspect.unwrap(function), "__globals__", {})
    holder = types.SimpleNamespace(__annotations__={"it": annotation})
    try:
        return typing.get_type_hints(holder, names, include_extras=True)["it"]
    except Exception as error:
        raise ConfigurationError(
            f"{where}: {annotation!r} cannot be resolved ({one_line(error)}); "
            "import or define the type at the top of the module"
        ) from error


def crossing_of(hint: Any, where: str, *, tuples_as_lists: bool = False) -> Crossing:
    try:
        return Crossing(hint, tuples_as_lists=tuples_as_lists)
    except CannotCross as error:
        raise ConfigurationError(f"{where}: {error}") from error.__cause__


def at_path(error: WrongType) -> str:
    return f" at {error.path}" if error.path else ""
