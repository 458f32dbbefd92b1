"""What a program may add to its workers: middleware, which may change a run, and listeners, which may only watch."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from ..core.context import Context
from ..core.events import Event

log = logging.getLogger("aioqueue.events")

CallNext = Callable[[], Awaitable[Any]]
Middleware = Callable[[Context, CallNext], Awaitable[Any]]
Listener = Callable[[Any], object]


class Hooks:
    """The middleware and the listeners of a queue."""

    def __init__(self) -> None:
        self.middleware: list[Middleware] = []
        self._listeners: dict[type[Event], list[Listener]] = {}

    def listen(self, event: type[Event], listener: Listener) -> None:
        """Call `listener` with each event of this kind."""
        self._listeners.setdefault(event, []).append(listener)

    def wanted(self, event: type[Event]) -> bool:
        """Whether anybody listens: on the hot path an event nobody wants is not even made."""
        return bool(self._listeners) and any(issubclass(event, wanted) for wanted in self._listeners)

    def send(self, event: Event) -> None:
        """Tell those who listen. What they raise is logged, and goes no further."""
        for wanted, listeners in self._listeners.items():
            if isinstance(event, wanted):
                for listener in listeners:
                    try:
                        listener(event)
                    except Exception:
                        log.exception("a listener to %s failed", type(event).__name__)

    def wrap(self, context: Context, call: CallNext) -> CallNext:
        """The call inside of all middleware, the first registered outermost."""
        for function in reversed(self.middleware):
            call = _around(function, context, call)
        return call


def _around(function: Middleware, context: Context, call: CallNext) -> CallNext:
    async def run() -> Any:
        return await function(context, call)

    return run
