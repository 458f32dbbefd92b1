"""Where the file is: the URL's path and options, and whether SQLite's locks work there. Opens nothing."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from msgspec import Struct

from ...core.durations import parse_duration
from ...errors import ConfigurationError

_EXPECTED = "write sqlite:///relative/path.db or sqlite:////absolute/path.db"
_OPTIONS = "synchronous (full or normal) and timeout (seconds)"

# Locks and shared memory do not work, or not reliably, between the machines that mount one of these.
_NETWORKED = re.compile(
    r"nfs\d?|cifs|smb\w*|9p|afs|ceph|glusterfs|lustre|gpfs|beegfs|ncpfs|davfs"
    r"|fuse\.(sshfs|s3fs|ceph\S*|glusterfs|rclone|gcsfuse|davfs\S*|smb\S*)"
)


class Location(Struct, frozen=True, kw_only=True):
    """The file, and how to use it. `synchronous`: wait for the disk at each commit that says so; without, a power cut
    loses the last moments, a killed process still nothing. `patience`: seconds to wait for other processes' commits.
    `poll`: seconds between looks at whether another process changed the file, in case its wake-up was lost."""

    path: Path
    synchronous: bool = True
    patience: float = 10.0
    poll: float = 0.5


def parse(url: str) -> Location:
    """The location that a URL gives. Raises ConfigurationError saying what to write instead."""
    scheme, _, rest = url.partition("://")
    if scheme != "sqlite" or not rest.startswith("/"):
        raise ConfigurationError(f"{url!r} names no file: {_EXPECTED}")
    parts = urlsplit(url)
    path = unquote(parts.path)[1:]
    if not path or path.endswith("/") or path == ":memory:" or "\0" in path or parts.fragment:
        hint = f"{_EXPECTED}, or memory:// for a queue without a file" if path == ":memory:" else _EXPECTED
        raise ConfigurationError(f"{url!r} names no file: {hint}")
    options: dict[str, Any] = {}
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        match name, value.lower():
            case "synchronous", ("full" | "normal") as level:
                options["synchronous"] = level == "full"
            case "timeout", text:
                options["patience"] = parse_duration(text)
            case _:
                raise ConfigurationError(f"{url!r}: {name}={value} is no option of a SQLite file; there are {_OPTIONS}")
    return Location(path=Path(os.path.abspath(path)), **options)


def check_place(path: Path, mounts: str | None = None) -> None:
    """Raises ConfigurationError if the file's folder is missing or on a network file system. `mounts` is the system's
    table of mounts, for tests."""
    folder = path.parent
    if not folder.is_dir():
        raise ConfigurationError(f"{path} cannot be made: there is no folder {folder}; create it, or name another file")
    if path.is_dir():
        raise ConfigurationError(f"{path} is a folder: name a file")
    if mounts is None:
        try:
            mounts = Path("/proc/self/mounts").read_text("utf-8", "surrogateescape")
        except OSError:
            return  # no Linux: nobody to ask
    kind = _file_system(path.resolve(), mounts)
    if _NETWORKED.fullmatch(kind):
        raise ConfigurationError(
            f"{path} is on a network file system ({kind}), where SQLite's locks cannot be relied on: "
            "use a file on a local disk, or a broker that is a server"
        )


def _file_system(path: Path, mounts: str) -> str:
    found, longest = "", -1
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[1])
        # Of two mounts on one point the later one is seen.
        if path.is_relative_to(point) and len(point) >= longest:
            found, longest = fields[2], len(point)
    return found
