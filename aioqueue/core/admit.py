"""Whether a message that was received may run now: the one function between receiving and a slot. Pure.

Cancellation, expiry, crashes and unknown tasks are decided here; rate limits and per-key limits will be.
"""

from __future__ import annotations

from random import Random

from msgspec import Struct

from .message import Message, Unknown
from .outcome import Deferred, Expired, Failed
from .record import Record
from .state import Ended, Phase

SUSPECT_AFTER = 2  # crashes; from then on a job runs without another suspect beside it
_FIRST_DEFERRAL, _LAST_DEFERRAL = 1.0, 60.0


class Rules(Struct, frozen=True):
    """The settings that admission follows. `unknown_patience` is in seconds."""

    max_crashes: int
    unknown_patience: float


class Start(Struct, frozen=True):
    """Give it a slot; a suspect only while no other suspect runs."""

    suspect: bool


class Conclude(Struct, frozen=True):
    """Do not run it: it ends here, like this."""

    outcome: Expired | Failed | Deferred


class Drop(Struct, frozen=True):
    """Do not run it: this record already says how the turn ended. What follows from it is carried out again."""

    record: Record


START = Start(suspect=False)
START_ALONE = Start(suspect=True)


def admit(
    message: Message, record: Record | None, crashes: int, *, known: bool, now: float, rules: Rules, random: Random
) -> Start | Conclude | Drop:
    """What to do with a message, given the job's record (None if there is none) and how often it took a worker down."""
    if record is not None and (record.turn, record.phase) >= (message.turn, Phase.ENDED):
        return Drop(record)
    if message.expires is not None and message.attempt == 0 and now >= message.expires:
        return Conclude(Expired(f"expired: it had not started by its limit, {now - message.expires:.1f} s ago"))
    if crashes >= rules.max_crashes:
        return Conclude(Failed(Ended.CRASHES, f"set aside: its worker died {crashes} times while it ran"))
    if not known:
        return Conclude(_unknown(message, now, rules, random))
    return START if crashes < SUSPECT_AFTER else START_ALONE


def _unknown(message: Message, now: float, rules: Rules, random: Random) -> Failed | Deferred:
    tally = message.unknown or Unknown(now, 0)
    if now - tally.since >= rules.unknown_patience:
        return Failed(
            Ended.UNKNOWN,
            f"set aside: for {now - tally.since:.0f} s no worker knew task {message.task!r}; "
            "start one that registers it, then retry the job",
        )
    due = now + deferral(tally.times, random)
    return Deferred(due, f"put off: this worker knows no task {message.task!r}", Unknown(tally.since, tally.times + 1))


def deferral(times: int, random: Random) -> float:
    """Seconds to put off what was put off `times` times before: 1 s doubling to 60 s, less up to half in jitter."""
    return min(_LAST_DEFERRAL, _FIRST_DEFERRAL * 2.0 ** max(0, min(times, 10))) * random.uniform(0.5, 1.0)
