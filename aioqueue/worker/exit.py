"""How a worker ended; also the exit codes of `aioqueue run`."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """0 and 2 are as everywhere: all well, and a wrong call."""

    DRAINED = 0  # everything it had taken was finished
    UNREACHABLE = 1  # the broker could not be reached
    USAGE = 2  # a wrong module, option or URL: nothing was started
    INTERRUPTED = 3  # the grace period passed, or a second signal came: running jobs were given back, unspent
    ABANDONED = 4  # too many attempts would not end; the rest was finished, and a new process is needed
    BLOCKED = 5  # the event loop stayed blocked for longer than max_block
    FORCED = 6  # a third signal: exit at once, leases run out by themselves
