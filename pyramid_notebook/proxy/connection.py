"""Connections to user servers: dial, keep, tell what went wrong."""

from __future__ import annotations

import errno
import os
import socket
import struct
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException, HTTPResponse, IncompleteRead, RemoteDisconnected, parse_headers
from typing import Any

from urllib3.connection import HTTPConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, ReadTimeoutError

from ..errors import UpstreamBusy, UpstreamError, UpstreamGone, UpstreamTimeout
from ..record import ServerRecord

#: Bytes that are read or sent at once.
BLOCK = 256 * 1024

_NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_MAX_IDLE = 8
_MAX_POOLS = 64


def dial(record: ServerRecord, timeout: float) -> socket.socket:
    """Open a connection to a user server.

    Args:
        record: where it listens.
        timeout: seconds to wait for the connection; also the timeout of the socket that is returned.

    Raises:
        UpstreamGone: nothing listens there.
        UpstreamTimeout: its queue of connections stayed full.
    """
    family = socket.AF_UNIX if record.socket else socket.AF_INET
    with understood(timeout):
        connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        with understood(timeout):
            if record.socket:
                _connect_unix(connection, record.socket, timeout)
            else:
                connection.settimeout(timeout)
                connection.connect(("127.0.0.1", record.port))
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                acknowledge_at_once(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _connect_unix(connection: socket.socket, path: str, timeout: float) -> None:
    # With a Python timeout a full queue fails at once (EAGAIN), so the kernel does the waiting: SO_SNDTIMEO.
    seconds, fraction = divmod(timeout, 1)
    connection.setblocking(True)
    connection.setsockopt(
        socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(seconds), int(fraction * 1_000_000))
    )
    try:
        connection.connect(path)
    except BlockingIOError:
        raise TimeoutError from None
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 0, 0))
    connection.settimeout(timeout)


def acknowledge_at_once(connection: socket.socket) -> None:
    """Switch delayed acknowledgements off until the kernel switches them on again (Linux `tcp(7)`, TCP_QUICKACK).

    Against Nagle's algorithm in a user server, a delayed acknowledgement costs 40 ms for each small answer.
    """
    if connection.family != socket.AF_UNIX and hasattr(socket, "TCP_QUICKACK"):
        with suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


@contextmanager
def understood(timeout: float) -> Iterator[None]:
    """Turn what sockets, http.client and urllib3 raise into :class:`UpstreamError` and its kin.

    Args:
        timeout: seconds that were borne, for the text.
    """
    try:
        yield
    except (TimeoutError, ReadTimeoutError, ConnectTimeoutError) as error:
        raise UpstreamTimeout(
            f"Your notebook server did not answer within {timeout:g} seconds. It may be busy: try again in a moment."
        ) from error
    except (OSError, HTTPException, HTTPError) as error:
        if _has_no_room(error):
            raise UpstreamBusy("The site has no room for one more connection. Close pages and try again.") from error
        # urllib3 wraps what broke a connection, and has it as its last argument.
        if any(isinstance(item, (OSError, IncompleteRead)) for item in (error, *error.args[-1:])):
            raise UpstreamGone(
                "Your notebook server does not run any more. Open the notebook again to start it."
            ) from error
        raise UpstreamError("Your notebook server sent an answer that makes no sense. Try again.") from error


def _has_no_room(error: Exception) -> bool:
    return any(isinstance(item, OSError) and item.errno in _NO_ROOM for item in (error, *error.args[-1:]))


class _Head:
    """Lines of the head of an answer; an end of the connection amid them is not the end of the head."""

    def __init__(self, source: Any) -> None:
        self._source = source
        self.close = source.close

    def readline(self, limit: int) -> bytes:
        line: bytes = self._source.readline(limit)
        if not line.endswith(b"\n") and len(line) < limit:
            raise RemoteDisconnected("the connection ended within the head of an answer")
        return line


class _Response(HTTPResponse):
    """An answer; what a server says before it (1xx) is passed over (RFC 9110 section 15.2)."""

    def begin(self) -> None:
        """Read the head."""
        own: Any = self  # so that its reader may be another one for a while
        source, own.fp = own.fp, _Head(own.fp)
        try:
            super().begin()
        finally:
            if own.fp is not None:
                own.fp = source

    def _read_status(self) -> tuple[str, int, str]:
        found: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]
        while 101 < found[1] < 200:
            parse_headers(self.fp)
            found = super()._read_status()  # type: ignore[misc]
        return found


class UpstreamConnection(HTTPConnection):
    """An HTTP connection to a user server, through a unix socket or a loopback port."""

    response_class = _Response

    def __init__(self, record: ServerRecord) -> None:
        super().__init__("localhost", blocksize=BLOCK)
        self.record = record
        self._own: socket.socket | None = None
        self._aborted = False

    def connect(self) -> None:
        """Open the connection; called by http.client when the first byte is to be sent."""
        self.sock = self._own = dial(self.record, float(self.timeout or 60))
        if self._aborted:
            self.abort()

    def abort(self) -> None:
        """Break the connection, from any thread; whoever uses it gets an error."""
        self._aborted = True
        if self._own is not None:  # http.client forgets its socket before the last answer is read
            with suppress(OSError):
                self._own.shutdown(socket.SHUT_RDWR)


class UpstreamPool:
    """Idle connections to one user server."""

    def __init__(self, record: ServerRecord) -> None:
        self.record = record
        self._idle: list[UpstreamConnection] = []
        self._lock = threading.Lock()
        self._closed = False

    def take(self) -> UpstreamConnection:
        """Return a connection that nobody uses; one that the user server closed meanwhile is not handed out."""
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                return UpstreamConnection(self.record)
            if connection.is_connected:
                return connection
            connection.close()

    def give_back(self, connection: UpstreamConnection) -> None:
        """Keep a connection whose answer was read to the end, for the next request."""
        with self._lock:
            if connection.sock is not None and not self._closed and len(self._idle) < _MAX_IDLE:
                self._idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        """Close the idle connections, and from now on each one that is given back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()


class _Pools:
    """The pools of this process, the longest unused one goes first."""

    def __init__(self) -> None:
        self._pools: OrderedDict[tuple[str, int, str], UpstreamPool] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, record: ServerRecord) -> UpstreamPool:
        key = _key(record)
        with self._lock:
            pool = self._pools.setdefault(key, UpstreamPool(record))
            self._pools.move_to_end(key)
            old = [self._pools.popitem(last=False)[1] for _ in range(len(self._pools) - _MAX_POOLS)]
        for unused in old:
            unused.close()
        return pool

    def drop(self, record: ServerRecord) -> None:
        with self._lock:
            pool = self._pools.pop(_key(record), None)
        if pool:
            pool.close()


def _key(record: ServerRecord) -> tuple[str, int, str]:
    return record.address, record.pid, record.identity


_pools = _Pools()
# Two processes must not speak on one connection: a forked web worker starts with empty pools.
os.register_at_fork(after_in_child=_pools.__init__)  # type: ignore[misc]


def pool_of(record: ServerRecord) -> UpstreamPool:
    """Return the connections of this process to a user server."""
    return _pools.get(record)


def forget(record: ServerRecord) -> None:
    """Close the idle connections of this process to a user server that was stopped."""
    _pools.drop(record)
