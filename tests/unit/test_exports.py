"""The public names, and nothing else."""

from __future__ import annotations

import aioqueue

PUBLIC = [
    "Abandon", "AioQueue", "AioqueueError", "Backoff", "BrokerUnavailable", "ConfigurationError", "Context",
    "DuplicateJob", "Ended", "ExitCode", "InvalidArguments", "Job", "JobCancelled", "JobFailed", "JobInfo",
    "ResultExpired", "ResultTimeout", "Retry", "Signature", "Snooze", "State", "StoreUnavailable", "Task", "Worker",
    "exponential", "fibonacci", "fixed", "intervals",
]  # fmt: skip


def test_these_are_the_public_names() -> None:
    assert sorted(aioqueue.__all__) == PUBLIC


def test_each_of_them_is_there() -> None:
    for name in PUBLIC:
        assert getattr(aioqueue, name) is not None
