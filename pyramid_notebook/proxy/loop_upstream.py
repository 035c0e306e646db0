"""Connections to user servers in an event loop: asked one thing after the other, and kept.

What :mod:`.upstream` and :mod:`.connection` are to threads, this is to a loop: one exchange after the other on each
connection, which is kept for the next one where both sides want that.
"""

from __future__ import annotations

import asyncio
import socket
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from ..errors import UpstreamBusy
from ..record import ServerRecord
from .connection import understood
from .headers import Headers
from .loop_connection import LoopConnection
from .upstream import IDEMPOTENT

_MOST_IDLE = 32
_MOST_POOLS = 64
#: Requests of one user that may wait for their server at once: each has a descriptor, of which others need some, too.
_MOST_UNDER_WAY = 100


class LoopAnswer:
    """The answer of a user server: head read, body still to come.

    Attributes:
        status: HTTP status code.
        headers: all header fields in the order they came.
    """

    def __init__(self, connection: LoopConnection, pool: LoopPool, silence: float) -> None:
        self.status = connection.status
        self.headers = connection.headers
        self._connection = connection
        self._pool = pool
        self._silence = silence

    @property
    def is_whole(self) -> bool:
        """Whether all of the body has come already."""
        return self._connection.is_complete

    async def read(self) -> bytes:
        """Return what has come of the body, waiting for the first byte only; nothing at its end.

        Raises:
            UpstreamGone: the user server closed the connection before the end.
            UpstreamTimeout: it was silent for too long.
        """
        connection = self._connection
        with understood(self._silence):
            while not connection.blocks and not connection.is_complete:  # a part of the framing may come alone
                await connection.waited_for(self._silence)
        return connection.taken()

    def close(self) -> None:
        """Keep the connection if the body was read to its end, else drop it."""
        self._pool.give_back(self._connection)


class LoopPool:
    """Connections to one user server."""

    def __init__(self, record: ServerRecord) -> None:
        self.record = record
        self._idle: list[LoopConnection] = []
        self._under_way = 0
        self._is_closed = False

    @property
    def is_idle(self) -> bool:
        """Whether no request is under way."""
        return not self._under_way

    @contextmanager
    def place(self) -> Iterator[LoopPool]:
        """Hold one of the places of the user while a request of theirs is answered.

        Raises:
            UpstreamBusy: all are taken.
        """
        if self._under_way >= _MOST_UNDER_WAY:
            raise UpstreamBusy(
                f"Your notebook server is busy with {_MOST_UNDER_WAY} other requests. Try again in a moment; if it "
                "stays like this, shut your notebook down and start it again."
            )
        self._under_way += 1
        try:
            yield self
        finally:
            self._under_way -= 1

    async def exchange(
        self, method: str, target: str, headers: Headers, body: AsyncIterator[bytes] | None, *, silence: float
    ) -> LoopAnswer:
        """Send one request and return its answer with the body still to be read.

        Args:
            method: HTTP method.
            target: raw path and query.
            headers: all header fields, `Host` and those that frame the body included.
            body: blocks of the body.
            silence: seconds of silence to bear.

        Raises:
            ClientBodyError: what ``body`` raises passes through.
            UpstreamError: there is no answer, or one that makes no sense.
        """
        lines = (f"{name}: {value}\r\n" for name, value in headers)
        head = f"{method} {target} HTTP/1.1\r\n{''.join(lines)}\r\n".encode("latin-1")
        chunked = any(name == "Transfer-Encoding" for name, _ in headers)
        with understood(silence):
            connection = self._taken()
            if connection is not None:
                try:
                    return await self._asked(connection, method, head, body, chunked=chunked, silence=silence)
                except ConnectionError:
                    # the user server may have closed a kept connection while our request was on its way
                    if connection.has_answered or body is not None or method not in IDEMPOTENT:
                        raise
            async with asyncio.timeout(silence):
                connection = await self._opened()
            return await self._asked(connection, method, head, body, chunked=chunked, silence=silence)

    def give_back(self, connection: LoopConnection) -> None:
        """Keep a connection whose answer was read to the end, for the next request; drop any other."""
        has_room = len(self._idle) < _MOST_IDLE and not self._is_closed
        if has_room and connection.is_usable and not connection.blocks:
            self._idle.append(connection)
        else:
            _drop(connection)

    def close(self) -> None:
        """Close the idle connections, and from now on each one that is given back."""
        self._is_closed = True
        while self._idle:
            _drop(self._idle.pop())

    def _taken(self) -> LoopConnection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable:
                return connection
            _drop(connection)
        return None

    async def _opened(self) -> LoopConnection:
        loop, record = asyncio.get_running_loop(), self.record
        if record.socket:
            _, connection = await loop.create_unix_connection(LoopConnection, record.socket)
        else:
            transport, connection = await loop.create_connection(LoopConnection, "127.0.0.1", record.port)
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    async def _asked(
        self,
        connection: LoopConnection,
        method: str,
        head: bytes,
        body: AsyncIterator[bytes] | None,
        *,
        chunked: bool,
        silence: float,
    ) -> LoopAnswer:
        connection.begin(method)
        connection.transport.write(head)
        try:
            if body is None:
                await connection.head(silence)
            else:
                await _head_or_fault(connection, body, chunked=chunked, silence=silence)
        except BaseException:
            _drop(connection)
            raise
        return LoopAnswer(connection, self, silence)


async def _head_or_fault(
    connection: LoopConnection, body: AsyncIterator[bytes], *, chunked: bool, silence: float
) -> None:
    """Send a body, and wait for the head of the answer, which may come before the end of the body."""
    connection.sending = sending = asyncio.ensure_future(connection.send(body, chunked=chunked, silence=silence))
    sending.add_done_callback(_taken_note_of)
    head = asyncio.ensure_future(connection.head(24 * 3600))
    try:
        await asyncio.wait((sending, head), return_when=asyncio.FIRST_COMPLETED)
        if not head.done():
            sending.result()  # what went wrong with the client is not the user server's
        async with asyncio.timeout(silence):
            await head
    finally:
        head.cancel()


def _taken_note_of(sending: asyncio.Task[None]) -> None:
    """Keep asyncio from telling of a body that broke off after its answer had come."""
    if not sending.cancelled():
        sending.exception()


def _drop(connection: LoopConnection) -> None:
    if connection.sending is not None:
        connection.sending.cancel()
    connection.transport.abort()


class LoopPools:
    """The pools of one event loop, the longest unused one goes first."""

    def __init__(self) -> None:
        self._pools: OrderedDict[tuple[str, int, str], LoopPool] = OrderedDict()

    def get(self, record: ServerRecord) -> LoopPool:
        """Return the connections to a user server."""
        key = (record.address, record.pid, record.identity)
        pool = self._pools.get(key)
        if pool is None:
            self._pools[key] = pool = LoopPool(record)
            for old in [key for key, pool in self._pools.items() if pool.is_idle][: len(self._pools) - _MOST_POOLS]:
                self._pools.pop(old).close()
        else:
            self._pools.move_to_end(key)
        return pool

    def close(self) -> None:
        """Close all idle connections."""
        for pool in self._pools.values():
            pool.close()
