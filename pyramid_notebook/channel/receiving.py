"""Takes the page's own connection from the user server, in the place of the one by which that has asked."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import cast

from aiohttp import web

from .places import EARLY

_TAKE_SECONDS = 5.0


class Receiving(asyncio.Protocol):
    """A connection of the user server, which becomes one of a page.

    Args:
        handler: of aiohttp, which is to notice nothing.
        others: all that are open, this one too.

    Attributes:
        page_speaks: whether the page may say anything; otherwise it is hung up on when it does.
    """

    def __init__(self, handler: asyncio.Protocol, others: set[Receiving]) -> None:
        self._handler = handler
        self._others = others
        self._transport: asyncio.Transport
        self._control: socket.socket | None = None
        self.page_speaks = True

    @property
    def descriptors(self) -> Iterator[int]:
        """The numbers of what is open."""
        for opened in (self._transport.get_extra_info("socket"), self._control):
            if opened is not None:
                yield opened.fileno()

    async def take(self) -> None:
        """Wait for the page's connection; from then on that of the user server only tells when either ends it.

        Nothing may be read or written meanwhile.

        Raises:
            OSError: the user server brings none, or not in time.
        """
        own = self._transport.get_extra_info("socket")
        control = self._control = socket.socket(fileno=os.dup(own.fileno()))
        control.setblocking(False)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(_TAKE_SECONDS):
            await _readable(loop, control)
            size, numbers, _, _ = socket.recv_fds(control, EARLY.size, 1, socket.MSG_CMSG_CLOEXEC)
            if not numbers:
                raise ConnectionResetError
            with socket.socket(fileno=numbers[0]) as page:
                if len(size) != EARLY.size or self._transport.is_closing():
                    raise ConnectionResetError
                # a transport that neither reads nor writes is not known to the selector
                os.dup2(page.fileno(), own.fileno(), inheritable=False)
            (left,) = EARLY.unpack(size)
            early = bytearray()
            while len(early) < left:
                piece = await loop.sock_recv(control, left - len(early))
                if not piece:
                    raise ConnectionResetError
                early += piece
        loop.add_reader(control, self._transport.abort)
        self._transport.resume_reading()  # first: the handler may pause it again
        if early:
            self.data_received(bytes(early))

    def abort(self) -> None:
        """Hang up, at once."""
        self._transport.abort()

    # of asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._others.add(self)
        self._handler.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Pass it on, if there may be any."""
        if self.page_speaks:
            self._handler.data_received(data)
        else:
            self._transport.abort()

    def eof_received(self) -> bool | None:
        """Pass it on."""
        return self._handler.eof_received()

    def pause_writing(self) -> None:
        """Pass it on."""
        self._handler.pause_writing()

    def resume_writing(self) -> None:
        """Pass it on."""
        self._handler.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the user server as well."""
        self._others.discard(self)
        if self._control is not None:
            asyncio.get_running_loop().remove_reader(self._control)
            with suppress(OSError):
                self._control.shutdown(socket.SHUT_RDWR)  # a fork may have a copy
            self._control.close()
        self._handler.connection_lost(exc)


async def prepare(response: web.StreamResponse, request: web.Request, *, page_speaks: bool = True) -> None:
    """Send the user server the head of an answer, and take the page's connection: what follows is for the page.

    Args:
        response: of which nothing but the head is written.
        request: that it answers.
        page_speaks: whether the page may say anything; otherwise it is hung up on when it does.

    Raises:
        OSError: the user server brings none, or not in time.
    """
    transport = cast("asyncio.Transport", request.transport)
    if transport is None:
        raise ConnectionResetError
    transport.pause_reading()  # the message is no data
    try:
        await response.prepare(request)
    except BaseException:
        transport.resume_reading()
        raise
    receiving = cast("Receiving", transport.get_protocol())
    receiving.page_speaks = page_speaks
    await receiving.take()


async def _readable(loop: asyncio.AbstractEventLoop, connection: socket.socket) -> None:
    ready = asyncio.Event()
    loop.add_reader(connection, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(connection)
