"""A message in the broker, and who holds it."""

from __future__ import annotations

from math import inf

import msgspec

from ...core.message import Outgoing


class Held(msgspec.Struct):
    """A message in the broker. `claim` is set while somebody holds it, until `until` on the monotonic clock."""

    seq: int
    out: Outgoing
    published: float
    deliveries: int = 0
    crashes: int = 0
    claim: int | None = None
    until: float = inf
