"""Where a SQLite URL leads, and which it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from aioqueue.drivers.sqlite import open_sqlite
from aioqueue.drivers.sqlite.location import Location, check_place, parse
from aioqueue.errors import ConfigurationError
from aioqueue.testing import ManualClock

MOUNTS = """\
/dev/sda1 / ext4 rw,relatime 0 0
server:/home /home nfs4 rw,vers=4.2 0 0
/dev/sdb1 /home/local ext4 rw 0 0
//nas/share /mnt/the\\040share cifs rw 0 0
me@host:/ /mnt/remote fuse.sshfs rw 0 0
tmpfs /tmp tmpfs rw 0 0
"""


def test_three_slashes_are_relative_and_four_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse("sqlite:///jobs.db") == Location(path=tmp_path / "jobs.db")
    assert parse("sqlite:////var/lib/jobs.db") == Location(path=Path("/var/lib/jobs.db"))


def test_a_path_may_hold_what_a_url_escapes() -> None:
    assert parse("sqlite:////a%20b/100%25%3F%23.db").path == Path("/a b/100%?#.db")


def test_options_are_read() -> None:
    location = parse("sqlite:////jobs.db?synchronous=normal&timeout=2.5")
    assert (location.synchronous, location.patience) == (False, 2.5)
    assert parse("sqlite:////jobs.db?synchronous=FULL").synchronous


@pytest.mark.parametrize(
    "url",
    ["sqlite://", "sqlite:///", "sqlite://jobs.db", "sqlite://host/jobs.db", "sqlite:jobs.db", "sqlite:////folder/"],
)
def test_a_url_without_a_file_is_refused_with_what_to_write(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"write sqlite:///relative/path.db or sqlite:////absolute/path.db"):
        parse(url)


def test_a_database_in_memory_is_refused_with_what_to_use_instead() -> None:
    with pytest.raises(ConfigurationError, match="memory://"):
        parse("sqlite:///:memory:")


@pytest.mark.parametrize("query", ["journal=wal", "synchronous=off", "timeout", "timeout=soon", "timeout=-1"])
def test_an_unknown_option_or_value_is_refused(query: str) -> None:
    with pytest.raises(ConfigurationError, match=r"timeout|option|duration"):
        parse(f"sqlite:////jobs.db?{query}")


@pytest.mark.parametrize(
    ("path", "refused"),
    [
        ("/tmp/jobs.db", None),
        ("/home/me/jobs.db", "nfs4"),
        ("/home/local/jobs.db", None),
        ("/homework/jobs.db", None),
        ("/mnt/the share/jobs.db", "cifs"),
        ("/mnt/remote/a/jobs.db", r"fuse\.sshfs"),
    ],
)
def test_a_network_file_system_is_refused(path: str, refused: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "is_dir", lambda self: self == Path(path).parent)
    if refused is None:
        check_place(Path(path), MOUNTS)
    else:
        with pytest.raises(ConfigurationError, match=refused):
            check_place(Path(path), MOUNTS)


def test_a_later_mount_hides_an_earlier_one_on_the_same_folder() -> None:
    with pytest.raises(ConfigurationError, match="9p"):
        check_place(Path("/jobs.db"), "/dev/sda1 / ext4 rw 0 0\nhost / 9p rw 0 0\n")


def test_nothing_is_touched_before_it_is_opened(tmp_path: Path) -> None:
    driver = open_sqlite(f"sqlite:///{tmp_path}/jobs.db", clock=ManualClock())
    assert driver.label == f"SQLite {tmp_path}/jobs.db"
    assert list(tmp_path.iterdir()) == []


async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    driver = open_sqlite(f"sqlite:///{tmp_path}/nowhere/jobs.db", clock=ManualClock())
    assert driver.broker is not None
    with pytest.raises(ConfigurationError, match=r"there is no folder .*nowhere"):
        await driver.broker.open()
