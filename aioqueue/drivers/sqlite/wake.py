"""Wake-ups: from a commit to whoever waits for what it changed, in this process and in others.

Between processes they are datagrams to Unix sockets in a folder beside the file. They are sent and forgotten: one that
is lost costs its receiver the time until it next looks by itself.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from .connection import Wake

_KINDS = {Wake.MESSAGES: "m", Wake.RECORDS: "r"}
_THROUGH_PROC = sys.platform == "linux"  # an address has room for 107 bytes, and a path may be longer


class Wakes:
    """Who waits for what. A socket is there for each kind of change only once somebody here has waited for it, so that
    a process that only enqueues is never disturbed."""

    def __init__(self, path: Path) -> None:
        self._folder = _Folder(path.with_name(f"{path.name}-wake"))
        self._waiting: dict[Wake, list[tuple[asyncio.AbstractEventLoop, Callable[[], object]]]] = {}
        self._bells: dict[Wake, _Bell] = {}
        self._lock = threading.Lock()

    def subscribe(self, kind: Wake, callback: Callable[[], object]) -> None:
        """From now on call this on the running loop after each such change. It may be called without one."""
        loop = asyncio.get_running_loop()
        with self._lock:
            self._waiting.setdefault(kind, []).append((loop, callback))
            if kind not in self._bells or self._bells[kind].loop.is_closed():
                bell = self._folder.hang(_KINDS[kind], loop, lambda: self._call(kind))
                if bell is not None:
                    self._bells[kind] = bell

    def unsubscribe(self, kind: Wake, callback: Callable[[], object]) -> None:
        """Call it no more."""
        with self._lock:
            self._waiting[kind] = [entry for entry in self._waiting.get(kind, ()) if entry[1] != callback]

    def announce(self, changed: Wake) -> None:
        """Wake who waits for any of this, here and elsewhere. From any thread; never blocks, never fails."""
        for kind, letter in _KINDS.items():
            if changed & kind:
                self._call(kind)
                bell = self._bells.get(kind)
                self._folder.ring(letter, but=None if bell is None else bell.name)

    def close(self) -> None:
        """Take down what is still there. Who still waits is woken once more, to find the file closed."""
        for kind in _KINDS:
            self._call(kind)
        with self._lock:
            for bell in self._bells.values():
                bell.take_down()
            self._bells.clear()
            self._waiting.clear()
        self._folder.close()

    def _call(self, kind: Wake) -> None:
        for loop, callback in self._waiting.get(kind, ()):
            try:
                loop.call_soon_threadsafe(callback)
            except RuntimeError:
                pass  # that loop is closed


class _Bell:
    """A socket that others send to."""

    def __init__(self, sock: socket.socket, folder: int, name: str, loop: asyncio.AbstractEventLoop) -> None:
        self.name = name
        self.loop = loop
        self._socket = sock
        self._folder = folder

    def drain(self) -> None:
        try:
            while True:
                self._socket.recv(16)
        except OSError:
            pass  # empty

    def take_down(self) -> None:
        if not self.loop.is_closed():
            self.loop.remove_reader(self._socket)
        self._socket.close()
        try:
            os.unlink(self.name, dir_fd=self._folder)
        except OSError:
            pass


class _Folder:
    """The folder of sockets, `<file>-wake`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._sender: socket.socket | None = None
        self._lock = threading.Lock()

    def hang(self, letter: str, loop: asyncio.AbstractEventLoop, rung: Callable[[], None]) -> _Bell | None:
        """A bell of this kind, or None where that cannot be."""
        try:
            self._path.mkdir(mode=0o700, exist_ok=True)
            folder = self._open()
            name = f"{letter}-{os.getpid()}-{secrets.token_hex(4)}"
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        except (OSError, AttributeError):
            return None
        bell = _Bell(sock, folder, name, loop)

        def readable() -> None:
            bell.drain()
            rung()

        try:
            sock.setblocking(False)
            sock.bind(self._address(folder, name))
            loop.add_reader(sock, readable)
        except (OSError, NotImplementedError):
            sock.close()
            return None
        return bell

    def ring(self, letter: str, but: str | None) -> None:
        """Send to every bell of this kind, but our own."""
        with self._lock:
            try:
                folder = self._open()
                names = os.listdir(folder)
                if self._sender is None:
                    self._sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                    self._sender.setblocking(False)
            except (OSError, AttributeError):
                return  # nobody ever waited, or it cannot be done here
            for name in names:
                if name[0] == letter and name != but:
                    self._send(self._sender, folder, name)

    def close(self) -> None:
        with self._lock:
            if self._sender is not None:
                self._sender.close()
                self._sender = None
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None

    def _open(self) -> int:
        if self._descriptor is None:
            self._descriptor = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return self._descriptor

    def _address(self, folder: int, name: str) -> str:
        return f"/proc/self/fd/{folder}/{name}" if _THROUGH_PROC else str(self._path / name)

    def _send(self, sender: socket.socket, folder: int, name: str) -> None:
        try:
            sender.sendto(b"!", self._address(folder, name))
        except ConnectionRefusedError:
            try:
                os.unlink(name, dir_fd=folder)  # its process died
            except OSError:
                pass
        except OSError:
            pass  # gone, or so full that it will wake anyway
