"""The driver contract suites: a driver's whole contract test is a fixture and a class line a seam.

    @pytest.fixture
    async def driver(clock: ManualClock) -> AsyncIterator[Driver]:
        async with opened(open_mine("mine://", clock=clock)) as driver:
            yield driver

    class TestBroker(BrokerContract): ...
    class TestStore(StoreContract): ...
    class TestCommit(CommitContract): ...
    class TestCoordination(CoordinationContract): ...
    class TestKeeper(KeeperContract): ...

What the driver says it can do chooses the cases; `pytest -rs` lists those that do not apply. Needs pytest and
pytest-asyncio.
"""

from pathlib import Path

import pytest

# Before they are imported: a failed case shows the values it compared.
pytest.register_assert_rewrite(*(f"{__name__}.{file.stem}" for file in Path(__file__).parent.glob("[a-z]*.py")))

from .broker import BrokerContract  # noqa: E402
from .commit import CommitContract  # noqa: E402
from .coordination import CoordinationContract  # noqa: E402
from .keeper import KeeperContract  # noqa: E402
from .pair import Pair  # noqa: E402
from .store import StoreContract  # noqa: E402
from .suite import Contract, opened  # noqa: E402

__all__ = [
    "BrokerContract",
    "CommitContract",
    "Contract",
    "CoordinationContract",
    "KeeperContract",
    "Pair",
    "StoreContract",
    "opened",
]
