"""The memory driver: the reference, for tests and for work that may die with its process. Read this driver first.

It keeps every promise but durability: messages are encoded, deliveries have tokens, leases run out, what is not settled
comes back. It knows one event loop and one process.
"""

from ...core.clock import Clock
from ...errors import ConfigurationError
from ..base import Driver
from .broker import MemoryBroker
from .commit import MemoryCommit
from .coordination import MemoryCoordination
from .store import MemoryStore


def open_memory(url: str, *, clock: Clock) -> Driver:
    """A broker and a store of this process's own: each call makes new ones. Nothing is shared, nothing is kept."""
    if url != "memory://":
        raise ConfigurationError(f"{url!r}: the memory driver takes no address or options; write memory://")
    store = MemoryStore(clock)
    broker = MemoryBroker(clock, store)
    return Driver(
        label="memory (nothing outlives this process)",
        broker=broker,
        store=store,
        coordination=MemoryCoordination(clock),
        commit=MemoryCommit(broker, store),
    )
