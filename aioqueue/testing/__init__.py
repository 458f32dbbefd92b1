"""What tests of queues and of drivers need: clocks to turn, and loops whose time is virtual.

The driver contract suites are in `aioqueue.testing.contracts`, which needs pytest and pytest-asyncio.
"""

from .clock import ManualClock
from .virtual import Deadlock, VirtualClock, VirtualLoop, World, run_virtual

__all__ = ["Deadlock", "ManualClock", "VirtualClock", "VirtualLoop", "World", "run_virtual"]
