"""The table of URL schemes: which driver opens which, and which extra it needs. Drivers are imported only when their
URL is opened."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module

from ..core.clock import Clock
from ..core.redact import redact
from ..errors import ConfigurationError
from .base import Driver

# scheme → module and function, and the extra that its library comes with
SCHEMES: dict[str, tuple[str, str, str | None]] = {
    "memory": ("aioqueue.drivers.memory", "open_memory", None),
    "sqlite": ("aioqueue.drivers.sqlite", "open_sqlite", None),
}

Open = Callable[..., Driver]
_registered: dict[str, Open] = {}


def register_driver(scheme: str, opener: Open) -> None:
    """Make `opener(url, clock=…)` the driver for URLs of this scheme: for drivers from outside of this package."""
    _registered[scheme] = opener


def open_driver(url: str, *, clock: Clock) -> Driver:
    """The driver for this URL, not yet connected. Raises ConfigurationError for a URL that no driver takes, or if the
    driver's library is not installed, naming the extra."""
    scheme, separator, _ = url.partition("://")
    if not separator:
        raise ConfigurationError(f"{redact(url)!r} is no URL; write one such as sqlite:///jobs.db or memory://")
    if scheme in _registered:
        return _registered[scheme](url, clock=clock)
    if scheme not in SCHEMES:
        close = get_close_matches(scheme, SCHEMES, 1)
        hint = f"did you mean {close[0]}://?" if close else "there are: " + ", ".join(f"{each}://" for each in SCHEMES)
        raise ConfigurationError(f"no driver takes {redact(url)!r}; {hint}")
    module, function, extra = SCHEMES[scheme]
    try:
        opener: Open = getattr(import_module(module), function)
    except ModuleNotFoundError as error:
        if extra is None or (error.name or "").startswith("aioqueue"):
            raise
        raise ConfigurationError(
            f"{scheme}:// needs {error.name}, which comes with the extra {extra!r}: install aioqueue[{extra}]"
        ) from error
    return opener(url, clock=clock)
