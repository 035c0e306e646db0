"""The unix socket at which a kernel listens for its pages."""

from __future__ import annotations

import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

from ..errors import NoChannel


class Listening:
    """A unix socket that nobody else can connect to.

    Args:
        path: where it lies; at most 107 bytes (unix(7)).
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pid = os.getpid()
        self._socket: socket.socket | None = None
        self._file: tuple[int, int] | None = None  # the device and number of what lies there

    def open(self) -> socket.socket:
        """Return the socket; a dead kernel's is taken away.

        Raises:
            NoChannel: something else lies there.
            OSError: it cannot be made.
        """
        with suppress(FileNotFoundError):
            if not stat.S_ISSOCK(self._path.lstat().st_mode):
                raise NoChannel(f"{self._path.name} is no socket.")
        before = self._path.with_name(f"{self._path.name}~")
        with suppress(FileNotFoundError):
            before.unlink()
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listening.bind(str(before))
            before.chmod(0o600)
            self._file = _identity(before)
            before.rename(self._path)  # nobody meets it while it is open to others
        except BaseException:
            listening.close()
            raise
        self._socket = listening
        return listening

    def remove(self) -> None:
        """Take the file away, unless another kernel process has put its own there, or this one is a fork."""
        with suppress(OSError):
            if self._pid == os.getpid() and _identity(self._path) == self._file:
                self._path.unlink()

    def fileno(self) -> int:
        """Return the number of its descriptor, or -1."""
        return -1 if self._socket is None else self._socket.fileno()


def _identity(path: Path) -> tuple[int, int]:
    status = path.lstat()
    return status.st_dev, status.st_ino
