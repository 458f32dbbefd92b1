"""Coordination: small shared facts, in a dict."""

from __future__ import annotations

from math import inf

from ...core.clock import Clock


class MemoryCoordination:
    """Small shared facts in a dict."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.facts: dict[str, tuple[bytes, float]] = {}
        self.holders: dict[str, dict[str, float]] = {}

    async def get(self, key: str) -> bytes | None:
        value, until = self.facts.get(key, (None, inf))
        if until <= self.clock.monotonic():
            del self.facts[key]
            return None
        return value

    async def put_if_absent(self, key: str, value: bytes, ttl: float) -> bytes:
        there = await self.get(key)
        if there is None:
            self.facts[key] = (value, self.clock.monotonic() + ttl)
        return value if there is None else there

    async def compare_and_set(self, key: str, expected: bytes | None, value: bytes | None, ttl: float) -> bool:
        if await self.get(key) != expected:
            return False
        if value is None:
            self.facts.pop(key, None)
        else:
            self.facts[key] = (value, self.clock.monotonic() + ttl)
        return True

    async def lease(self, key: str, holder: str, limit: int, ttl: float) -> bool:
        now = self.clock.monotonic()
        holders = {name: until for name, until in self.holders.get(key, {}).items() if until > now}
        if holder in holders or len(holders) < limit:
            holders[holder] = now + ttl
        self.holders[key] = holders
        return holder in holders

    async def unlease(self, key: str, holder: str) -> None:
        self.holders.get(key, {}).pop(holder, None)
