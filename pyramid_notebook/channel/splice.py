"""Brings a page's connection together with a kernel's socket, and moves the bytes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import h11
from tornado.iostream import IOStream, StreamClosedError

from ..errors import NoPage

_MOST_HEAD = 16 * 1024
#: Bytes that are read at once, and that may wait for a slow reader before the other side is no longer read.
_BUFFER, _HIGH_WATER = 64 * 1024, 256 * 1024
_DIAL_SECONDS = 5.0
_LINGER_SECONDS = 10.0  # for one side of a websocket to read the last bytes after the other has hung up


class KernelConnection:
    """A connection to a kernel's socket, after the head of its answer.

    Attributes:
        socket: connected, and non-blocking.
        status: of the answer.
        headers: of the answer, names in lower case.
    """

    def __init__(self, connection: socket.socket, answer: Any, parser: h11.Connection) -> None:
        self.socket = connection
        self.status: int = answer.status_code
        self.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in answer.headers}
        self._parser = parser

    @property
    def rest(self) -> bytes:
        """Bytes that came behind the head of the answer, as they came."""
        return self._parser.trailing_data[0]

    def close(self) -> None:
        """Hang up, at once."""
        self.socket.close()


async def dial(path: Path, target: str, headers: Mapping[str, str]) -> KernelConnection:
    """Send a kernel a request of our own making, and return the connection with its answer.

    Args:
        path: of its socket.
        target: path and query.
        headers: all header fields but ``Host``; nothing of the page's own request is added.

    Raises:
        NoPage: nobody listens there, or there is no answer in time, or one that is no HTTP.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        async with asyncio.timeout(_DIAL_SECONDS):
            await asyncio.get_running_loop().sock_connect(connection, str(path))
            return await _asked(connection, target, headers)
    except (OSError, h11.RemoteProtocolError) as error:  # a time-out is an OSError
        connection.close()
        raise NoPage("The kernel has no open channel. Run the cell that opens it again.") from error
    except BaseException:
        connection.close()
        raise


async def _asked(connection: socket.socket, target: str, headers: Mapping[str, str]) -> KernelConnection:
    loop = asyncio.get_running_loop()
    parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MOST_HEAD)
    fields = [("Host", "kernel"), *headers.items()]
    await loop.sock_sendall(connection, parser.send(h11.Request(method="GET", target=target, headers=fields)) or b"")
    parser.send(h11.EndOfMessage())
    while (event := parser.next_event()) is h11.NEED_DATA:
        parser.receive_data(await loop.sock_recv(connection, _BUFFER))
    if not isinstance(event, (h11.Response, h11.InformationalResponse)):
        raise ConnectionError("no answer")
    return KernelConnection(connection, event, parser)


async def splice(page: IOStream, kernel: KernelConnection, first: bytes, *, page_speaks: bool = True) -> None:
    """Move bytes both ways until one side hangs up; then the other gets what is still on its way, and is closed.

    Args:
        page: its connection, which nobody else uses any more; who closes it ends both.
        kernel: agreed to a websocket, or has begun to send a stream.
        first: bytes that the page gets before anything else.
        page_speaks: whether what the page sends is for the kernel, too; otherwise it ends both.
    """
    loop = asyncio.get_running_loop()
    buffer = bytearray(_BUFFER)
    to_page, to_kernel = ends = _End(buffer), _End(buffer)
    to_page.other, to_kernel.other = to_kernel, to_page
    try:
        early = _let_go(page)
        page.set_close_callback(to_page.abort)
        page.io_loop.remove_handler(page.socket)  # the callback has had it look for the end by reading
        await loop.connect_accepted_socket(lambda: to_page, page.socket.dup())
        await loop.connect_accepted_socket(lambda: to_kernel, kernel.socket)
        to_page.is_heard = page_speaks
        to_page.begin(first + kernel.rest)
        to_kernel.begin(early if page_speaks else b"")
        await asyncio.wait([end.lost for end in ends])
    except (OSError, StreamClosedError):
        return
    finally:
        for end in ends:
            end.abort()
        page.close()
        kernel.close()


def _let_go(page: IOStream) -> bytes:
    """Return what Tornado has read ahead."""
    ahead = cast("asyncio.Future[bytes]", page.read_bytes(page.max_buffer_size, partial=True))
    return ahead.result() if ahead.done() else b""


class _End(asyncio.BufferedProtocol):
    """One of two connections; what comes out of it goes into the other.

    Args:
        buffer: for what is read; both ends may have the same, which is empty whenever anything else happens.

    Attributes:
        other: where it goes.
        is_heard: whether it goes there; otherwise it ends both.
    """

    other: _End
    is_heard = True

    def __init__(self, buffer: bytearray) -> None:
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport | None = None
        self._view = memoryview(buffer)
        self._linger: asyncio.TimerHandle | None = None

    def begin(self, first: bytes) -> None:
        """Send this, and then all that comes out of the other end."""
        if self.other.lost.done():
            self.abort()
        elif self._transport is not None:
            self._transport.write(first)
            self._transport.resume_reading()

    def close(self) -> None:
        """Send what waits, and hang up; who reads a stream may take its time, as before its end."""
        if self._transport is None:
            return
        self._transport.close()
        if self.is_heard:
            self._linger = self._linger or asyncio.get_running_loop().call_later(_LINGER_SECONDS, self.abort)

    def abort(self) -> None:
        """Hang up, at once."""
        if self._transport is not None:
            self._transport.abort()

    # of asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the other end."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=_HIGH_WATER)
        self._transport.pause_reading()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where to read to."""
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        """Pass on what was read; a transport may keep it, and the buffer is used again."""
        if not self.is_heard:
            self.abort()
        elif self.other._transport is not None:
            self.other._transport.write(bytes(self._view[:nbytes]))

    def pause_writing(self) -> None:
        """Read no more from the other end: this one does not take it."""
        if self.other._transport is not None:
            self.other._transport.pause_reading()

    def resume_writing(self) -> None:
        """Read on."""
        if self.other._transport is not None:
            self.other._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """Hang up on the other end as well."""
        self._transport = None  # it bears no call any more
        if self._linger is not None:
            self._linger.cancel()
        if not self.lost.done():
            self.lost.set_result(None)
        self.other.close()
