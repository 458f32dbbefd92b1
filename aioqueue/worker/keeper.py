"""The keeper: renews the leases of what this worker holds, on a thread and a connection of its own, so that a task
which blocks the event loop does not lose its job to another worker."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence

from ..commit.patience import AWAY
from ..core.clock import Clock
from ..drivers.base import Delivery, Keeper, Lease, Token
from .attempt import Attempt

log = logging.getLogger("aioqueue.worker")

_TRIES = 3  # renewals in the time of one lease: two may fail before it runs out


class Holdings:
    """What this worker holds, and has not settled yet. Written by the loop's thread, read by the keeper's."""

    def __init__(self) -> None:
        self._held: dict[Token, Attempt | None] = {}

    def take(self, delivery: Delivery) -> None:
        """It was received."""
        self._held[delivery.token] = None

    def run(self, attempt: Attempt) -> None:
        """It is being run."""
        self._held[attempt.delivery.token] = attempt

    def let_go(self, delivery: Delivery) -> None:
        """It is settled, or somebody else's."""
        self._held.pop(delivery.token, None)

    def to_renew(self, now: float) -> list[Token]:
        """What to hold on to: all but attempts far past their limit, whose leases may run out for others to see."""
        # list() of a dict's items is one step for other threads.
        return [token for token, attempt in list(self._held.items()) if attempt is None or _in_time(attempt, now)]

    def not_started(self) -> list[Token]:
        """What was received and has not begun to run."""
        return [token for token, attempt in list(self._held.items()) if attempt is None or attempt.run.started is None]

    def attempt(self, token: Token) -> Attempt | None:
        """The attempt that runs under this token."""
        return self._held.get(token)

    def __len__(self) -> int:
        return len(self._held)


def _in_time(attempt: Attempt, now: float) -> bool:
    return attempt.renew_until is None or now < attempt.renew_until


class LeaseKeeper:
    """Renews until it is stopped. `lost` is called on the loop with the tokens that are no longer ours."""

    def __init__(
        self, keeper: Keeper, holdings: Holdings, clock: Clock, lease: float, lost: Callable[[Sequence[Token]], None]
    ) -> None:
        self._keeper = keeper
        self._holdings = holdings
        self._clock = clock
        self._lease = lease
        self._lost = lost
        self._stop = threading.Event()
        self._loop = asyncio.get_running_loop()

    async def run(self) -> None:
        """Renew until cancelled."""
        if not self._keeper.threaded:
            while True:
                await asyncio.sleep(self._lease / _TRIES)
                self._renew(self._lost)
        thread = threading.Thread(target=self._serve, name="aioqueue keeper", daemon=True)
        thread.start()
        try:
            await asyncio.Event().wait()
        finally:
            self._stop.set()

    def _serve(self) -> None:
        self._open()
        pause = self._lease / _TRIES
        while not self._stop.wait(pause):
            try:
                self._renew(self._tell)
                pause = self._lease / _TRIES
            except AWAY as error:
                log.warning("leases could not be renewed, trying again: %s", error)
                pause = min(1.0, self._lease / _TRIES)
            except Exception:
                log.exception("leases could not be renewed, trying again")
                pause = min(1.0, self._lease / _TRIES)
        self._keeper.close()

    def _open(self) -> None:
        while not self._stop.is_set():
            try:
                return self._keeper.open()
            except Exception as error:
                log.warning("the keeper could not connect, trying again: %s", error)
                self._stop.wait(min(1.0, self._lease / _TRIES))

    def _renew(self, tell: Callable[[Sequence[Token]], None]) -> None:
        tokens = self._holdings.to_renew(self._clock.monotonic())
        if not tokens:
            return
        found = self._keeper.extend(tokens, self._lease)
        lost = [token for token, lease in found.items() if lease is Lease.LOST]
        if lost:
            tell(lost)

    def _tell(self, lost: Sequence[Token]) -> None:
        try:
            self._loop.call_soon_threadsafe(self._lost, lost)
        except RuntimeError:
            self._stop.set()  # the loop has closed
