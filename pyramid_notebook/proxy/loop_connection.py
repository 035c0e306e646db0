"""One connection to a user server in an event loop; what comes is parsed by httptools (llhttp)."""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from http.client import HTTPException
from typing import Any

import httptools

from .connection import BLOCK, acknowledge_at_once
from .headers import BODILESS, Headers

_LONGEST_HEAD = 256 * 1024


class LoopConnection(asyncio.Protocol):
    """One connection; the parser calls the methods that begin with ``on_``."""

    def __init__(self) -> None:
        self.transport: Any = None
        self._socket: Any = None  # where acknowledgements matter
        self.blocks: deque[bytes] = deque()
        self.is_complete = True
        self.status = 0
        self.headers: Headers = []
        self.has_answered = False
        self.sending: asyncio.Task[None] | None = None
        self._error: Exception | None = None
        self._parser: Any = None
        self._waiter: asyncio.Future[None] | None = None
        self._spare: socket.socket | None = None
        self._waiting = 0  # bytes of blocks
        self._head_bytes = 0
        self._has_head = self._is_for_head = self._is_paused = self._ends_with_connection = False
        self._is_kept = True
        self._writable = asyncio.Event()
        self._writable.set()

    @property
    def is_usable(self) -> bool:
        """Whether another exchange may begin: the last one is over, and both sides keep the connection."""
        if self.transport is None or self.transport.is_closing() or not self.is_complete or self._error:
            return False
        return self._is_kept and (self.sending is None or _is_well_done(self.sending))

    def begin(self, method: str) -> None:
        """Get ready for the answer to the next request."""
        self._parser = httptools.HttpResponseParser(self)
        self.headers, self.status, self._head_bytes = [], 0, 0
        self.blocks.clear()
        self._waiting = 0
        self.is_complete = self._has_head = self.has_answered = self._ends_with_connection = False
        self._is_for_head = method == "HEAD"
        self.sending = None

    async def head(self, silence: float) -> None:
        """Wait for the head of the answer."""
        while not self._has_head:
            await self.waited_for(silence)

    async def waited_for(self, silence: float) -> None:
        """Wait until something has come.

        Raises:
            OSError, HTTPException: the connection broke, or what came makes no sense.
            TimeoutError: nothing came.
        """
        if self._error is None:
            self._waiter = asyncio.get_running_loop().create_future()
            async with asyncio.timeout(silence):
                await self._waiter
        if self._error is not None and not self.blocks:
            raise self._error

    def taken(self) -> bytes:
        """Return the blocks that have come, as one."""
        if not self.blocks:
            return b""
        data = self.blocks[0] if len(self.blocks) == 1 else b"".join(self.blocks)
        self.blocks.clear()
        self._waiting = 0
        if self._is_paused:
            self._is_paused = False
            self.transport.resume_reading()
        return data

    async def send(self, blocks: AsyncIterator[bytes], *, chunked: bool, silence: float) -> None:
        """Send a body, as fast as the other side takes it (RFC 9112 section 7.1)."""
        self._spare = socket.socket(fileno=os.dup(self.transport.get_extra_info("socket").fileno()))
        self._spare.setblocking(False)
        async for block in blocks:
            if self.transport.is_closing():
                return
            self.transport.write(b"%x\r\n%b\r\n" % (len(block), block) if chunked else block)
            async with asyncio.timeout(silence):
                await self._writable.wait()
        if chunked:
            self.transport.write(b"0\r\n\r\n")
        self._spare.close()
        self._spare = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin (asyncio)."""
        self.transport = transport
        found = transport.get_extra_info("socket")
        self._socket = found if found.family != socket.AF_UNIX else None

    def data_received(self, data: bytes) -> None:
        """Parse what has come (asyncio)."""
        if self._socket is not None:
            acknowledge_at_once(self._socket)
        self.has_answered = True
        if not self._has_head:
            self._head_bytes += len(data)
        try:
            if self._parser is None or self.is_complete:
                raise HTTPException("bytes that nobody asked for")
            self._parser.feed_data(data)
            if not self._has_head and self._head_bytes > _LONGEST_HEAD:
                raise HTTPException("the head has no end")
        except httptools.HttpParserUpgrade:
            self._fail(HTTPException("the protocol was switched"))
        except (httptools.HttpParserError, HTTPException) as error:
            if not (self.is_complete and self._has_head):  # what follows an answer spoils the connection only
                self._fail(HTTPException(str(error)))
            self.transport.abort()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end (asyncio)."""
        self._writable.set()
        self._read_last_words()
        if self._ends_with_connection and exc is None:
            self.is_complete = True
        elif not self.is_complete:
            self._fail(ConnectionResetError("the user server closed the connection"))
        self._wake()

    def _read_last_words(self) -> None:
        """Read an answer that came before its request was sent: a transport that cannot write reads no more, either."""
        spare, self._spare = self._spare, None
        if spare is None:
            return
        with spare, suppress(OSError):
            while not self.is_complete and self._error is None and (data := spare.recv(BLOCK)):
                self.data_received(data)

    def pause_writing(self) -> None:
        """Let the sender wait (asyncio)."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Let the sender go on (asyncio)."""
        self._writable.set()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a field (httptools)."""
        self.headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        """Find out where the body will end (RFC 9112 section 6.3; httptools)."""
        self.status = self._parser.get_status_code()
        if self.status < 200:
            if self.status == 101:
                raise HTTPException("the protocol was switched")
            self.headers = []
            return
        self._has_head = True
        self._is_kept = self._parser.should_keep_alive()
        names = {name.lower() for name, _ in self.headers}
        if self._is_for_head or self.status in BODILESS:
            self.is_complete = True
        else:
            self._ends_with_connection = not names & {"content-length", "transfer-encoding"}

    def on_body(self, body: bytes) -> None:
        """Keep a block, and stop reading where nobody takes them (httptools)."""
        if self.is_complete:
            raise HTTPException("a body that must not be")
        self.blocks.append(body)
        self._waiting += len(body)
        if self._waiting > BLOCK and not self._is_paused:
            self._is_paused = True
            self.transport.pause_reading()

    def on_message_complete(self) -> None:
        """Note the end of the answer (httptools)."""
        if self._has_head:
            self.is_complete = True

    def _fail(self, error: Exception) -> None:
        if self._error is None:
            self._error = error

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


def _is_well_done(sending: asyncio.Task[None]) -> bool:
    return sending.done() and not sending.cancelled() and sending.exception() is None
