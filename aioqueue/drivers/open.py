"""The table of URL schemes: which driver opens which, and which extra it needs. Drivers are imported only when their
URL is opened.

A package of its own adds a driver by an entry point in the group `aioqueue.drivers`: its scheme = a function of
(url, clock=…) that gives a Driver.
"""

from __future__ import annotations

from collections.abc import Callable
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


def open_driver(url: str, *, clock: Clock) -> Driver:
    """The driver for this URL, not yet connected. Raises ConfigurationError for a URL that no driver takes, or if the
    driver's library is not installed, naming the extra."""
    scheme, separator, _ = url.partition("://")
    if not separator:
        raise ConfigurationError(f"{redact(url)!r} is no URL; write one such as sqlite:///jobs.db or memory://")
    if scheme not in SCHEMES:
        from importlib.metadata import entry_points  # 20 ms of every import of aioqueue, if it stood above

        for plugin in entry_points(group="aioqueue.drivers", name=scheme):
            opened: Driver = plugin.load()(url, clock=clock)
            return opened
        from difflib import get_close_matches  # here and not above: importing aioqueue must stay fast

        close = get_close_matches(scheme, SCHEMES, 1)
        hint = f"did you mean {close[0]}://?" if close else "there are: " + ", ".join(f"{each}://" for each in SCHEMES)
        raise ConfigurationError(f"no driver takes {redact(url)!r}; {hint}")
    module, function, extra = SCHEMES[scheme]
    try:
        opener: Callable[..., Driver] = getattr(import_module(module), function)
    except ModuleNotFoundError as error:
        if extra is None or (error.name or "").startswith("aioqueue"):
            raise
        raise ConfigurationError(
            f"{scheme}:// needs {error.name}, which comes with the extra {extra!r}: install aioqueue[{extra}]"
        ) from error
    return opener(url, clock=clock)
