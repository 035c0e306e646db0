"""Takes the client's socket from uWSGI 2.0, and helps where its WSGI gives less than the door needs.

Inside a server process uWSGI has a module `uwsgi`; it tells the thread that answers a request which descriptor the
connection has. Once that is taken, uWSGI's own answer vanishes: it would log each one that fails.

uWSGI speaks HTTP itself (`http-socket`), or its own protocol with a web server in front (`socket`); in both the bytes
that follow a handshake are the client's own. It has three gaps, which are filled here: it does not read chunked request
bodies by `wsgi.input`, nobody answers `Expect: 100-continue`, and an answer without a length ends by closing.
"""

from __future__ import annotations

import logging
import os
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache, partial
from itertools import chain
from typing import Any

from pyramid.httpexceptions import HTTPBadRequest

from ..errors import WebSocketUnsupported
from .adaptors import ClientHandle, Environ, TakenClient
from .descriptors import break_off, take, waiting

#: With it, closing discards what was not sent, and tells the other end so: socket(7), SO_LINGER.
_NO_LINGER = struct.pack("ii", 1, 0)
_NEEDED = ("connection_fd", "chunked_read", "chunked_read_nb", "has_threads", "loop", "buffer_size", "opt")
_LOG = logging.getLogger(__name__)


def take_over(environ: Environ) -> TakenClient:
    """Take the client's connection out of the hands of uWSGI.

    Args:
        environ: WSGI environ of the request that is being served, in the thread that serves it.

    Raises:
        HTTPBadRequest: the client sent more without waiting for the answer to its handshake, or has gone.
        WebSocketUnsupported: uWSGI ends TLS itself, or runs without threads.
    """
    server = _server()
    _require_threads(server)
    descriptor = server.connection_fd()
    if _is_of(server, "https-socket", descriptor):
        raise WebSocketUnsupported(
            "uWSGI ends TLS itself (https-socket), and then nobody else can use its connections. Let a web server in "
            "front end TLS, nginx for example, or run the site on uvicorn."
        )
    if _has_sent_more(server):
        raise HTTPBadRequest("A websocket client must wait for the answer to its handshake.")
    return take(descriptor, swallows=True)


def _has_sent_more(server: Any) -> bool:
    # What uWSGI has read already can be got as a chunked body only, and no frame (RFC 6455) looks like one. It tells
    # "nothing there" from "no chunk" by errno, and sets that for the former only.
    with suppress(OSError):
        os.close(-1)
    try:
        return server.chunked_read_nb() is not None
    except OSError:
        return True


def handle_of(environ: Environ) -> ClientHandle:
    """Return what can be done with the client's connection; in the thread that answers.

    Args:
        environ: WSGI environ of the request that is being answered.

    Raises:
        HTTPBadRequest: the client states a length for a body that has none (RFC 9112 section 6.3); a web server in
            front that has read the body itself may do so.
    """
    server = _server()
    descriptor = server.connection_fd()
    speaks_http = _is_of(server, "http-socket", descriptor)
    if speaks_http and environ.get("HTTP_TRANSFER_ENCODING") and environ.get("CONTENT_LENGTH"):
        raise HTTPBadRequest("A request with Transfer-Encoding has no Content-Length.")
    return ClientHandle(
        hang_up=partial(_hang_up, descriptor),
        spoil=partial(_spoil, descriptor),
        sends_head=True,
        invite=partial(_invite, descriptor) if speaks_http else None,
        read=_reader(server, environ["wsgi.input"], descriptor),
        chunks=_chunks,
        fileno=lambda: descriptor,
    )


def _reader(server: Any, body: Any, descriptor: int) -> Callable[[int], bytes] | None:
    """Return what reads a body as it comes, or None where it is all there; its own `read` would wait for all."""
    if type(body).__module__ != "uwsgi" or "post-buffering" in server.opt:
        return None
    # nobody can tell how much of it came with the head: so much at most
    sizes = chain([server.buffer_size], iter(partial(waiting, descriptor), 0))

    def read(size: int) -> bytes:
        block: bytes = body.read(min(size, next(sizes)))
        return block

    return read


def _hang_up(descriptor: int) -> None:
    with suppress(OSError), _same(descriptor) as connection:
        _spoil(descriptor)
        break_off(connection)


def _spoil(descriptor: int) -> None:
    with suppress(OSError), _same(descriptor) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)


def _invite(descriptor: int) -> None:
    with suppress(OSError), _same(descriptor) as connection:
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")


def _chunks() -> Iterator[bytes]:
    return iter(_server().chunked_read, b"")


def _same(descriptor: int) -> socket.socket:
    return socket.socket(fileno=os.dup(descriptor))


def _is_of(server: Any, option: str, descriptor: int) -> bool:
    """Tell whether a connection came in by an address that an option of uWSGI names."""
    given = server.opt.get(option, [])
    with _same(descriptor) as connection:
        name = connection.getsockname()
    address = f":{name[1]}" if isinstance(name, tuple) else str(name)
    places = [value.decode().partition(",")[0] for value in (given if isinstance(given, list) else [given])]
    return any(place.endswith(address) for place in places if address)


def check() -> None:
    """Look whether the uWSGI that runs has what this module needs, and take a connection in the same way.

    Raises:
        WebSocketUnsupported: it has not.
    """
    server = _server()
    missing = [name for name in _NEEDED if not hasattr(server, name)]
    if missing:
        raise WebSocketUnsupported(f"The installed uWSGI cannot be used for websockets: it has no {missing[0]}.")
    _require_threads(server)
    if not _rehearse():
        raise WebSocketUnsupported("Connections cannot be taken from uWSGI on this system.")
    if "http" in server.opt or "https" in server.opt:
        _warn_of_router()


def _rehearse() -> bool:
    browser, accepted = socket.socketpair()
    browser.settimeout(1)
    with browser, accepted:
        client = take(accepted.fileno(), swallows=True).socket
        assert isinstance(client, socket.socket)  # noqa: S101 - for the type checker
        with client:
            os.write(accepted.fileno(), b"theirs")
            client.sendall(b"ours")
        return browser.recv(100) == b"ours" and browser.recv(100) == b""


def _require_threads(server: Any) -> None:
    if not server.has_threads or server.loop:
        raise WebSocketUnsupported(
            "Notebooks need uWSGI with threads: set threads = 16, say, and no other loop engine (gevent, asyncio)."
        )


@cache
def _warn_of_router() -> None:
    _LOG.warning("Use http-socket, or socket behind nginx: by uWSGI's http and https websockets are ten times slower.")


def _server() -> Any:
    try:
        import uwsgi
    except ImportError as error:
        raise WebSocketUnsupported("This process is not one of uWSGI's.") from error
    return uwsgi
