"""What may stand on a command line for a duration, an argument or a label, turned into values."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from difflib import get_close_matches
from typing import Any

import msgspec

from ..core.durations import parse_duration
from ..core.message import Label
from ..errors import ConfigurationError

_KEYWORD = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)


def duration(text: str | None, option: str) -> float | None:
    """The seconds that `30`, `30s`, `10m`, `2h` or `1d` stand for; None if the option was not given."""
    try:
        return None if text is None else parse_duration(text)
    except ConfigurationError as error:
        raise ConfigurationError(f"{option}: {error}") from None


def json_value(text: str) -> Any:
    """The value of JSON text; text that is no JSON stands for itself."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError):
        return text


def arguments(words: Iterable[str], options: Collection[str] = ()) -> tuple[list[Any], dict[str, Any]]:
    """Positional arguments and keywords, from `VALUE` and `name=VALUE`. Raises ConfigurationError for what looks like
    an option (it may be near one of `options`), and for a keyword given twice."""
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for word in words:
        keyword = _KEYWORD.fullmatch(word)
        if keyword is None:
            args.append(_positional(word, options))
        elif keyword[1] in kwargs:
            raise ConfigurationError(f"argument {keyword[1]!r} is given twice")
        else:
            kwargs[keyword[1]] = json_value(keyword[2])
    return args, kwargs


def _positional(word: str, options: Collection[str]) -> Any:
    value = json_value(word)
    if word.startswith("-") and value is word:
        option = word.partition("=")[0]
        near = get_close_matches(option, options, 1)
        advice = f"did you mean {near[0]}?" if near else "see --help."
        raise ConfigurationError(
            f"there is no option {option}: {advice} (A text that starts with a dash goes in JSON's quotes.)"
        )
    return value


def labels(pairs: Iterable[str]) -> dict[str, Label]:
    """The labels of `key=value` pairs; a value that JSON reads as a number or boolean is one."""
    found: dict[str, Label] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not key or not equals:
            raise ConfigurationError(f"--label {pair!r}: write key=value")
        value = json_value(text)
        found[key] = value if isinstance(value, str | int | float | bool) else text
    return found
