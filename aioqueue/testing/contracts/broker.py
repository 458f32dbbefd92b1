"""The contract of a broker."""

from __future__ import annotations

from .dead_letters import DeadLetters, Inspecting
from .publishing import Publishing
from .receiving import Receiving
from .settling import Settling


class BrokerContract(Publishing, Receiving, Settling, DeadLetters, Inspecting):
    """Every case of `drivers.base.Broker` and `Consumer`."""
