"""The contract of a broker."""

from __future__ import annotations

from .dead_letters import DeadLetters, Inspecting
from .publishing import Publishing
from .receiving import Receiving
from .settling import Settling
from .sharing import SharedBroker


class BrokerContract(Publishing, Receiving, Settling, DeadLetters, Inspecting, SharedBroker):
    """Every case of `drivers.base.Broker` and `Consumer`."""
