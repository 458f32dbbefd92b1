"""What follows from a record that stands: pure, and the same for a first run and for a redelivery whose outcome is
already stored, so that dying between storing and publishing loses nothing."""

from __future__ import annotations

from msgspec import Struct

from .codec import next_turn
from .message import Message, Outgoing
from .record import Record
from .state import State


class FollowUps(Struct, frozen=True):
    """What to publish, and, if the job is to be set aside for a person, the reason."""

    publish: tuple[Outgoing, ...] = ()
    dead: str | None = None


NOTHING = FollowUps()


def decide(body: bytes, message: Message, winner: Record) -> FollowUps:
    """What follows when `winner` is the record that stands after this turn of the job."""
    if winner.turn != message.turn:
        return NOTHING  # a later turn exists: whatever follows is its business
    match winner.state:
        case State.SUCCEEDED:
            return NOTHING
        case State.RETRYING:
            again = next_turn(body, message, due=winner.due, attempt=winner.attempt, unknown=None)
            return FollowUps((again,))
        case State.SCHEDULED:
            return FollowUps((next_turn(body, message, due=winner.due, unknown=winner.unknown),))
        case State.FAILED:
            return FollowUps(dead=winner.reason or "failed")
        case _:
            return NOTHING
