"""Takes a client's connection from uvicorn.

What the application gets as ``send`` is a method of the protocol that has the connection's transport. The transport
stays in uvicorn's event loop, which also decrypts TLS; it is only given another protocol. To uvicorn the websocket's
handshake is over, and its connection open until the transport is closed, so that a shutdown of the server ends it.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from pyramid.httpexceptions import HTTPBadRequest
from pyramid.response import Response

from ..errors import WebSocketUnsupported
from .adaptors import Environ, TakenClient, require_fit
from .crossing import crossing_of

_SECONDS = 5.0
_NEEDED = ("transport", "queue", "handshake_complete", "close_sent", "shutdown", "connection_lost")


class Connection:
    """The connection of one client, in an event loop.

    Args:
        protocol: uvicorn's, which has it now.
        loop: the event loop.

    Attributes:
        is_taken: whether uvicorn has it no more.
        closed: is set when a connection that was taken is closed.
    """

    def __init__(self, protocol: Any, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.is_taken = False
        self.closed = asyncio.Event()
        self._protocol = protocol

    @classmethod
    def of(cls, send: Any) -> Connection | None:
        """Return the connection that an application's ``send`` belongs to, or None where that is not uvicorn's."""
        protocol = getattr(send, "__self__", None)
        if not hasattr(getattr(protocol, "transport", None), "set_protocol"):
            return None
        return cls(protocol, asyncio.get_running_loop())

    def wait(self) -> None:
        """Leave what the client sends with the system, until the connection is taken or :meth:`go_on` is called."""
        self._protocol.transport.pause_reading()

    def go_on(self) -> None:
        """Let uvicorn have the connection as before."""
        if not self._protocol.transport.is_closing():
            self._protocol.transport.resume_reading()

    async def take(self) -> None:
        """Take the connection out of uvicorn's hands; in the loop.

        Raises:
            HTTPBadRequest: the client did not wait for the answer to its handshake, or has gone.
            WebSocketUnsupported: uvicorn was told to use another protocol than its own.
        """
        protocol = self._protocol
        if _lacks(protocol):
            raise WebSocketUnsupported("Notebooks need uvicorn's own websocket protocol: start it without --ws.")
        if protocol.transport.is_closing() or protocol.conn.reader.buffer or not protocol.queue.empty():
            raise HTTPBadRequest("A websocket client must wait for the answer to its handshake.")
        protocol.handshake_complete = protocol.close_sent = True  # so it says nothing of its own any more
        self.is_taken = True

    def attach(self, protocol: asyncio.Protocol) -> asyncio.Transport:
        """Let another protocol have what comes from the client; in the loop."""
        transport: asyncio.Transport = self._protocol.transport
        transport.set_protocol(protocol)
        self._protocol.shutdown = transport.abort  # uvicorn calls it at its own end
        self.loop.call_soon(self._resume, transport)
        return transport

    def _resume(self, transport: asyncio.Transport) -> None:
        with suppress(RuntimeError):  # the other end reads slowly already
            transport.resume_reading()

    def ended(self) -> None:
        """Tell uvicorn that the connection is closed; in the loop."""
        self.closed.set()
        self._protocol.connection_lost(None)

    def hang_up(self) -> None:
        """Break the connection, from any thread."""
        self.loop.call_soon_threadsafe(self._protocol.transport.abort)


def take_over(environ: Environ) -> TakenClient:
    """Take the client's connection out of the hands of uvicorn.

    Args:
        environ: WSGI environ of the request that is being served.

    Raises:
        HTTPBadRequest: the client sent more without waiting for the answer to its handshake, or has gone.
        WebSocketUnsupported: the site is not served by :func:`pyramid_notebook.asgi.asgi_app` on uvicorn.
    """
    crossing = crossing_of(environ)
    connection = crossing.connection if crossing else None
    if not isinstance(connection, Connection):
        raise WebSocketUnsupported(
            "Under ASGI, notebooks need uvicorn, and the site wrapped by pyramid_notebook.asgi.asgi_app: this web "
            "server, or something in front of the application, hides the connections of clients."
        )
    asyncio.run_coroutine_threadsafe(connection.take(), connection.loop).result(_SECONDS)
    return TakenClient(socket=connection, response=Response(status=204))


def hang_up(environ: Environ) -> None:
    """Break the client's connection.

    Args:
        environ: WSGI environ of the request that is being answered.
    """
    crossing = crossing_of(environ)
    if crossing is not None and crossing.connection is not None:
        crossing.connection.hang_up()


def check() -> None:
    """Look whether the uvicorn that is installed has what this module needs.

    Raises:
        WebSocketUnsupported: it has not.
    """
    require_fit("uvicorn", _problem)


def _problem() -> str:
    from uvicorn.config import Config
    from uvicorn.protocols.websockets.auto import AutoWebSocketsProtocol
    from uvicorn.server import ServerState

    if AutoWebSocketsProtocol is None:
        return "it speaks no websockets without the package of that name (pip install uvicorn[standard])"
    loop = asyncio.new_event_loop()
    try:
        config = Config(_no_application, lifespan="off", log_config=None)
        protocol: Any = AutoWebSocketsProtocol(config=config, server_state=ServerState(), app_state={}, _loop=loop)
        missing = _lacks(protocol)
        return f"its protocol has no {missing}" if missing else str(protocol.conn.reader.buffer, "ascii")
    finally:
        loop.close()


def _lacks(protocol: Any) -> str:
    """Return the name of something that a protocol lacks, or nothing."""
    missing = [name for name in _NEEDED if not hasattr(protocol, name)]
    reader = getattr(getattr(protocol, "conn", None), "reader", None)
    return next(iter(missing), "" if hasattr(reader, "buffer") else "conn.reader.buffer")


async def _no_application(scope: Any, receive: Any, send: Any) -> None:
    """Stand in for an application."""
