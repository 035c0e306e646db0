"""How the client's socket is reached in each web server.

An adaptor is a function that takes the WSGI environ of a request which was authorised, and returns the client's
connection, from then on ours alone. Sites may name their own in the setting `websocket_proxy`.
"""

from __future__ import annotations

import select
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

from pyramid.response import Response
from pyramid.util import DottedNameResolver

from ..errors import WebSocketUnsupported
from .relay import Connected


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenClient:
    """A client's connection that was taken from the web server.

    Attributes:
        socket: the connection, or what the web server's own event loop has of it.
        early: what the client sent after its request, if the web server has read that already.
        response: what the view must return, so that the web server forgets the connection.
    """

    socket: socket.socket | Connected
    early: bytes = b""
    response: Response


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientHandle:
    """What can be done with the connection of a client that is being answered.

    Attributes:
        hang_up: breaks it, also while a thread waits for the client to read; from any thread, until the answer is sent.
        spoil: lets it end so that an answer without a length does not look whole; None where it never would.
        sends_head: whether the head of an answer leaves when its body begins with an empty block.
        invite: tells a client that waits for leave to send its body to do so; None where the web server did.
        read: reads so many bytes of a body with a length, or fewer as soon as they came; None where only
            `wsgi.input` does, which waits for all of them.
        chunks: reads a body that comes in chunks, each as soon as it came; None where only `wsgi.input` does.
        fileno: tells the descriptor of its socket, as `hang_up` from any thread; None where there is none.
    """

    hang_up: Callable[[], None]
    spoil: Callable[[], None] | None = None
    sends_head: bool = False
    invite: Callable[[], None] | None = None
    read: Callable[[int], bytes] | None = None
    chunks: Callable[[], Iterator[bytes]] | None = None
    fileno: Callable[[], int] | None = None

    def is_gone(self) -> bool:
        """Tell whether the client has closed its end, or at least says nothing any more (poll(2), POLLRDHUP)."""
        if self.fileno is None:
            return False
        poll = select.poll()  # select(2) knows no descriptor above 1023
        try:
            poll.register(self.fileno(), select.POLLRDHUP)
            return bool(poll.poll(0))
        except (OSError, ValueError, AttributeError):  # the web server has closed the connection
            return False


Environ = Mapping[str, Any]
Adaptor = Callable[[Environ], TakenClient]

#: Key in the environ that shows which server runs, module of its adaptor, name for people.
_KNOWN = (
    ("waitress.client_disconnected", "pyramid_notebook.proxy.waitress", "waitress"),
    ("gunicorn.socket", "pyramid_notebook.proxy.gunicorn", "gunicorn"),
    ("uwsgi.version", "pyramid_notebook.proxy.uwsgi", "uWSGI"),
    ("asgi.scope", "pyramid_notebook.proxy.uvicorn", "uvicorn"),
)


def find(environ: Environ, name: str = "") -> Adaptor:
    """Return the adaptor to use for a request.

    Args:
        environ: WSGI environ of the request.
        name: dotted name from the setting `websocket_proxy`; empty finds it from the server that runs.

    Raises:
        WebSocketUnsupported: there is none for this web server.
    """
    for key, module, _title in _KNOWN:
        if not name and key in environ:
            name = f"{module}.take_over"
    if not name:
        server = environ.get("SERVER_SOFTWARE") or "This web server"
        known = ", ".join(title for _key, _module, title in _KNOWN)
        raise WebSocketUnsupported(
            f"{server} gives no way to its client's socket, so notebooks cannot reach their kernels. Run the site on "
            f"one of: {known}; or name an adaptor in the setting pyramid_notebook.websocket_proxy."
        )
    try:
        adaptor: Adaptor = DottedNameResolver(None).resolve(name)
    except (ImportError, AttributeError) as error:
        raise WebSocketUnsupported(
            f"Setting pyramid_notebook.websocket_proxy = {name!r} cannot be imported: {error}."
        ) from error
    return adaptor


def handle_of(environ: Environ) -> ClientHandle:
    """Return what can be done with the connection of a client, where the web server gives a way to it.

    Args:
        environ: WSGI environ of the request, in the thread that answers it: some web servers tell no other.

    Raises:
        HTTPBadRequest: the request is framed in a way that the web server should have refused.
    """
    for key, module, _title in _KNOWN:
        if key in environ:
            server = import_module(module)
            if hasattr(server, "handle_of"):
                handle: ClientHandle = server.handle_of(environ)
                return handle
            return ClientHandle(hang_up=partial(server.hang_up, environ), fileno=partial(server.fileno, environ))
    return ClientHandle(hang_up=_nothing)


def _nothing() -> None:
    pass


def unbelieve(environ: MutableMapping[str, Any]) -> None:
    """Take back what the web server has believed of a client who is no proxy of the site's: that it came by https.

    Args:
        environ: WSGI environ of the request.
    """
    if "uwsgi.version" in environ:  # by X-Forwarded-Proto or -SSL from anybody, and it cannot be told not to
        is_https = str(environ.get("HTTPS", "")).lower() in {"on", "1"}
        environ["wsgi.url_scheme"] = environ.get("UWSGI_SCHEME") or ("https" if is_https else "http")


def check(environ: Environ, name: str = "") -> None:
    """Check at the start that websockets will work, as far as that can be told without a client.

    Args:
        environ: WSGI environ of any request.
        name: as for :func:`find`.

    Raises:
        WebSocketUnsupported: they won't.
    """
    rehearse = getattr(sys.modules[find(environ, name).__module__], "check", None)
    if rehearse:
        rehearse()


def require_fit(server: str, rehearse: Callable[[], str]) -> None:
    """Check that the web server that is installed works the way its adaptor needs.

    Args:
        server: its name, for people.
        rehearse: returns what goes wrong, or nothing; what it raises goes wrong as well.

    Raises:
        WebSocketUnsupported: it does not.
    """
    try:
        problem = rehearse()
    except Exception as error:
        problem = repr(error)
    if problem:
        raise WebSocketUnsupported(f"The installed {server} cannot be used for websockets: {problem}.")
