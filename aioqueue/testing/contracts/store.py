"""The contract of a result store."""

from __future__ import annotations

from .querying import Querying
from .saving import Saving
from .sharing import SharedStore
from .waiting import Forgetting, Waiting


class StoreContract(Saving, Waiting, Forgetting, Querying, SharedStore):
    """Every case of `drivers.base.ResultStore`."""
