"""The message: one turn of a job, as it travels. Values only; codec.py knows the bytes.

These are msgspec structs, frozen, rather than dataclasses: one is made for every job on both sides, and making a frozen
dataclass of this size takes 2.5 us where the struct takes 0.15 us. With gc=False, here and wherever a value is made for
each job, the garbage collector does not visit them: no cycle can lead through what is frozen and holds no callables.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, TypeAlias

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

VERSION = 1

# What is decoded is held to these, so that no forged message is a record that no store can hold.
Id = Annotated[str, Meta(min_length=1, max_length=255)]
Count = Annotated[int, Meta(ge=0, lt=2**31)]
Digit = Annotated[int, Meta(ge=0, le=9)]
Moment = Annotated[float, Meta(ge=0, lt=253_402_300_800)]  # up to the year 9999, as far as datetimes go

Label = str | int | float | bool
if TYPE_CHECKING:
    MaybeRaw: TypeAlias = Raw | None
else:
    # Into `Raw | None` msgspec decodes nothing but null; into Raw any value, so that a missing one is still None, and a
    # null is the value null.
    MaybeRaw = Raw
EMPTY_ARGS = Raw(b"[]")
EMPTY_KWARGS = Raw(b"{}")


class Backoff(Struct, frozen=True, omit_defaults=True):
    """A retry rule in a form that can travel; see retry.py for what each kind means."""

    kind: str
    base: float = 1.0
    cap: float = 600.0
    jitter: bool = True
    steps: tuple[float, ...] = ()


class Unknown(Struct, frozen=True):
    """Since when, and how often, a message was put off because no worker knew what to do with it."""

    since: float
    times: int


class Message(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One turn of a job. Times are seconds since 1970; lifetimes are in seconds.

    `attempt` counts the attempts spent before this turn. `retries`, `backoff`, `timeout`, `keep_results` and
    `keep_failures` are here only where the call overrides what its task says. `key`, `unique` and `limits` are
    reserved; `then` is what comes after the job in a workflow.
    """

    v: int
    id: Id
    task: Id
    enqueued: Moment
    args: Raw = EMPTY_ARGS
    kwargs: Raw = EMPTY_KWARGS
    turn: Count = 0
    attempt: Count = 0
    queue: str = "default"
    priority: Digit = 4
    due: Moment | None = None
    expires: Moment | None = None
    retries: Count | None = None
    backoff: Backoff | None = None
    timeout: float | UnsetType | None = UNSET
    keep_results: float | None = None
    keep_failures: float | None = None
    by: str | None = None
    labels: Mapping[str, Label] | None = None
    headers: Mapping[str, str] | None = None
    parent: str | None = None
    root: str | None = None
    unknown: Unknown | None = None
    then: MaybeRaw = None
    key: str | None = None
    unique: MaybeRaw = None
    limits: MaybeRaw = None


class Outgoing(Struct, frozen=True, gc=False):
    """A message as brokers see it: where it goes, and opaque bytes. `due` is seconds since 1970, None means now."""

    id: str
    turn: int
    queue: str
    priority: int
    due: float | None
    body: bytes
