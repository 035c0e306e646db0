"""Asks a kernel for what a page wants of it, and hands it the page's connection."""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, cast

import h11
from tornado.iostream import IOStream, StreamClosedError

from ..errors import NoPage
from .places import EARLY

_MOST_HEAD = 16 * 1024
_DIAL_SECONDS = 5.0
_LINGER_SECONDS = 10.0  # for a kernel to hang up on a page that has


class KernelConnection:
    """A connection to a kernel's socket, after the head of its answer; what comes behind that is nobody's.

    Attributes:
        socket: connected, and non-blocking.
        status: of the answer.
        headers: of the answer, names in lower case.
    """

    def __init__(self, connection: socket.socket, answer: Any) -> None:
        self.socket = connection
        self.status: int = answer.status_code
        self.headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in answer.headers}

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
        parser.receive_data(await loop.sock_recv(connection, _MOST_HEAD))
    if not isinstance(event, (h11.Response, h11.InformationalResponse)):
        raise ConnectionError("no answer")
    return KernelConnection(connection, event)


async def pass_on(page: IOStream, kernel: KernelConnection, head: bytes, *, page_speaks: bool = True) -> None:
    """Begin an answer, hand the page's connection to the kernel, and wait until one of us three hangs up.

    Args:
        page: its connection, which nobody else uses any more; who closes it ends all.
        kernel: agreed to a websocket, or has begun to send a stream; sends the page the rest by itself.
        head: of the answer.
        page_speaks: whether what the page has sent is for the kernel, too; otherwise it ends all.
    """
    with closing(page), closing(kernel), suppress(OSError, StreamClosedError):
        if page.closed():
            return
        with page.socket.dup() as own:
            try:
                page.set_nodelay(True)
                await page.write(head)
                await _held(page, kernel, page_speaks=page_speaks)
            finally:
                with suppress(OSError):
                    own.shutdown(socket.SHUT_RDWR)  # the kernel may have it still


async def _held(page: IOStream, kernel: KernelConnection, *, page_speaks: bool) -> None:
    def closed() -> None:
        ended.cancel()

    early = _let_go(page)
    if early and not page_speaks:
        return
    loop = asyncio.get_running_loop()
    # the kernel says nothing, but hangs up when the page's connection has ended
    ended = asyncio.ensure_future(loop.sock_recv(kernel.socket, 1))
    try:
        page.set_close_callback(closed)
        page.io_loop.remove_handler(page.socket)  # the callback has had it look for the end by reading
        with _hung_up(page.socket, closed):
            socket.send_fds(kernel.socket, [EARLY.pack(len(early))], [page.socket.fileno()])
            await loop.sock_sendall(kernel.socket, early)
            await asyncio.wait({ended})
    finally:
        ended.cancel()
        await asyncio.gather(ended, return_exceptions=True)  # before the number of its socket is another's


@contextmanager
def _hung_up(page: socket.socket, tell: Callable[[], None]) -> Iterator[None]:
    """Notice that a page has hung up, also while its kernel stands still; what it said last is the kernel's to read."""

    def gone() -> None:
        loop.remove_reader(watch.fileno())
        timers.append(loop.call_later(_LINGER_SECONDS, tell))

    loop = asyncio.get_running_loop()
    timers: list[asyncio.TimerHandle] = []
    with select.epoll() as watch:
        watch.register(page, select.EPOLLRDHUP)
        loop.add_reader(watch.fileno(), gone)
        try:
            yield
        finally:
            loop.remove_reader(watch.fileno())
            for timer in timers:
                timer.cancel()


def _let_go(page: IOStream) -> bytes:
    """Return what Tornado has read ahead."""
    ahead = cast("asyncio.Future[bytes]", page.read_bytes(page.max_buffer_size, partial=True))
    return ahead.result() if ahead.done() else b""
