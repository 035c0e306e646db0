"""Takes the client's socket from gunicorn, whose workers are of the class `gthread`.

The environ holds the socket. While a thread answers a request, the worker's main thread does not poll that connection.
Once it is taken, gunicorn's own answer fails with `EPIPE`, which it takes for a client that has gone: it counts one
connection less, and keeps nothing alive.

Where gunicorn ends TLS itself the bytes on the socket are not the client's own.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from functools import partial
from types import SimpleNamespace
from typing import Any

from pyramid.httpexceptions import HTTPBadRequest

from ..errors import WebSocketUnsupported
from .adaptors import ClientHandle, Environ, TakenClient, require_fit
from .descriptors import break_off, take, waiting

_KEY = "gunicorn.socket"


def take_over(environ: Environ) -> TakenClient:
    """Take the client's connection out of the hands of gunicorn.

    Args:
        environ: WSGI environ of the request that is being served.

    Raises:
        HTTPBadRequest: the handshake has a body, or is not one of HTTP/1.1.
        WebSocketUnsupported: gunicorn ends TLS itself, or its workers are of a class with sockets of its own.
    """
    connection = environ[_KEY]
    if isinstance(connection, ssl.SSLSocket):
        raise WebSocketUnsupported(
            "gunicorn ends TLS itself (certfile), and then nobody else can use its connections. Let a web server in "
            "front end TLS, nginx for example, or run the site on uvicorn."
        )
    if type(connection).__module__ != "socket":
        raise WebSocketUnsupported("Notebooks need gunicorn with --worker-class gthread.")
    if environ.get("SERVER_PROTOCOL") != "HTTP/1.1":
        raise HTTPBadRequest("A websocket handshake is a request of HTTP/1.1.")
    return take(connection.fileno(), early=_read_ahead(environ["wsgi.input"]))


def _read_ahead(body: Any) -> bytes:
    """Return what came in one packet with the request; nothing where the site has put another body in its place."""
    unreader = getattr(getattr(body, "reader", None), "unreader", None)
    return unreader.buf.getvalue() if unreader else b""


def handle_of(environ: Environ) -> ClientHandle:
    """Return what can be done with the client's connection.

    Args:
        environ: WSGI environ of the request that is being answered.
    """
    connection, body = environ[_KEY], environ["wsgi.input"]
    reader: Any = getattr(body, "reader", None)
    is_plain = not isinstance(connection, ssl.SSLSocket)
    return ClientHandle(
        hang_up=partial(break_off, connection),
        sends_head=True,
        read=partial(_read, reader, connection) if is_plain and hasattr(reader, "length") else None,
        chunks=partial(_chunks, body, reader.parser) if hasattr(reader, "parser") else None,
        fileno=connection.fileno,
    )


def _read(reader: Any, connection: socket.socket, size: int) -> bytes:
    """Read what came of a body with a length; its own `read` would wait for all."""
    came = reader.unreader.buf.getbuffer().nbytes or waiting(connection.fileno())
    block: bytes = reader.read(min(size, came))
    return block


def _chunks(body: Any, parser: Iterator[bytes]) -> Iterator[bytes]:
    """Read a body in chunks. The parser must survive us: gunicorn reads on from it, to find the next request."""
    while True:
        try:
            block = next(parser, None)
        except Exception:
            body.failed = True  # or gunicorn would look for the next request where this one broke
            raise
        if block is None:
            return
        if block:
            yield block


def check() -> None:
    """Try the take-over in a worker of the gunicorn that is installed, without a port or a thread.

    Raises:
        WebSocketUnsupported: gunicorn doesn't work the way this module needs.
    """
    require_fit("gunicorn", _rehearse)


def _rehearse() -> str:
    """Return what goes wrong, or nothing."""
    from gunicorn.workers.gthread import TConn

    taken: list[TakenClient] = []

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        taken.append(take_over(environ))
        return taken[0].response(environ, start_response)

    worker = _idle_worker(application)
    browser, accepted = socket.socketpair()
    browser.settimeout(1)
    connection = TConn(worker.cfg, accepted, ("127.0.0.1", 1), ("127.0.0.1", 1))
    with browser, accepted:
        browser.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\nearly")
        answered: Future[Any] = Future()
        answered.set_result(worker.handle(connection))
        client = taken[0].socket
        assert isinstance(client, socket.socket)  # noqa: S101 - for the type checker
        with client:
            worker.finish_request(connection, answered)
            if worker.nr_conns != 0 or worker.keepalived_conns or connection.sock.fileno() != -1:
                return "it keeps hold of sockets that were taken over"
            client.sendall(b"ours")
        if taken[0].early != b"early":
            return "what came with the handshake cannot be found"
        return "" if browser.recv(100) == b"ours" and browser.recv(100) == b"" else "it writes to sockets of others"


def _idle_worker(application: Any) -> Any:
    """Return a worker that serves one connection and is not run: its own way to start would need an arbiter."""
    from gunicorn.config import Config
    from gunicorn.workers.gthread import ThreadWorker

    def be_silent(*_arguments: Any, **_options: Any) -> None:
        pass

    worker: Any = ThreadWorker.__new__(ThreadWorker)
    vars(worker).update(
        cfg=Config(),
        log=SimpleNamespace(access=be_silent, debug=be_silent, info=be_silent, exception=be_silent),
        wsgi=application,
        alive=True,
        ppid=os.getppid(),
        nr=0,
        max_requests=2,
        nr_conns=1,
        max_keepalived=1,
        keepalived_conns=deque(),
    )
    return worker
