"""A connection that several threads use at once."""

from __future__ import annotations

import select
import socket
import ssl
import threading
from collections.abc import Callable
from functools import partial
from typing import TypeVar

_Value = TypeVar("_Value")


class SharedSocket:
    """A connected socket that one thread reads while others write, each of which writes as a whole.

    OpenSSL bears no two calls for the same connection at once, and Python leaves that to us (CPython issue 124984). So
    a lock is held for each call, and none while anybody waits for the other side.

    Args:
        connection: with TLS or without.
        seconds: for which the other side is waited for, each time.
    """

    def __init__(self, connection: socket.socket, seconds: float) -> None:
        connection.setblocking(False)
        self._connection = connection
        self._seconds = seconds
        self._calling = threading.Lock()
        self._writing = threading.Lock()

    def settimeout(self, seconds: float) -> None:
        """Wait for the other side for so many seconds from now on."""
        self._seconds = seconds

    def recv(self, most: int) -> bytes:
        """Return some bytes, none at the end.

        Raises:
            TimeoutError: nothing comes.
            OSError: the connection is broken.
        """
        return self._done(partial(self._connection.recv, most), select.POLLIN)

    def sendall(self, data: bytes) -> None:
        """Send all bytes, with nobody else's between them; raises as :meth:`recv`."""
        left = memoryview(data)
        with self._writing:
            while left:
                left = left[self._done(partial(self._connection.send, left), select.POLLOUT) :]

    def shutdown(self, how: int) -> None:
        """Say that there will be nothing more; whoever waits is woken."""
        self._connection.shutdown(how)

    def close(self) -> None:
        """Let go."""
        self._connection.close()

    def _done(self, work: Callable[[], _Value], usual: int) -> _Value:
        while True:
            try:
                with self._calling:
                    return work()
            except ssl.SSLWantReadError:
                waits_for = select.POLLIN
            except ssl.SSLWantWriteError:
                waits_for = select.POLLOUT
            except BlockingIOError:
                waits_for = usual
            self._wait(waits_for)

    def _wait(self, event: int) -> None:
        number = self._connection.fileno()
        if number < 0:
            raise ConnectionError("The connection is closed.")
        poll = select.poll()
        poll.register(number, event)
        if not poll.poll(self._seconds * 1000):
            raise TimeoutError
