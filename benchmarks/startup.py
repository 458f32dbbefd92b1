"""What `import aioqueue` costs a program that starts."""

from __future__ import annotations

import subprocess
import sys
import time
from statistics import median

from .subject import Conditions

_IMPORT = "import time; begun = time.perf_counter(); import {}; print(time.perf_counter() - begun)"


def imports(at: Conditions) -> dict[str, float]:
    """The median of several fresh interpreters; the first one, which may compile, is not counted."""
    times = at.size(10, least=3)
    return {
        "startup.aioqueue": median([_importing("aioqueue") for _ in range(times + 1)][1:]) * 1e3,
        "startup.asyncio": median([_importing("asyncio") for _ in range(times + 1)][1:]) * 1e3,
        "startup.python": median([_starting() for _ in range(times + 1)][1:]) * 1e3,
    }


def _importing(module: str) -> float:
    command = [sys.executable, "-c", _IMPORT.format(module)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _starting() -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return time.perf_counter() - begun
