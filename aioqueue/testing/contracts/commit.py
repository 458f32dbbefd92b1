"""The contract of a commit: the driver's own, if broker and store are one server, and the safe order over both."""

from __future__ import annotations

import pytest

from aioqueue.commit.safe_order import SafeOrderCommit
from aioqueue.drivers.base import Broker, Driver, ResultStore

from .applying import Applying
from .dying import Dying
from .enqueueing import Enqueueing
from .pair import Pair
from .suite import does_not_apply


class CommitContract(Enqueueing, Applying, Dying):
    """Every case of `drivers.base.Commit`. To test one driver's broker with another's store, override `pair`."""

    @pytest.fixture(params=["own", "safe-order"])
    def pair(self, request: pytest.FixtureRequest, driver: Driver, broker: Broker, store: ResultStore) -> Pair:
        if request.param == "safe-order":
            return Pair(broker, store, SafeOrderCommit(broker, store), atomic=False)
        if driver.commit is None:
            does_not_apply("this driver has no commit of its own")
        return Pair(broker, store, driver.commit, atomic=True)
