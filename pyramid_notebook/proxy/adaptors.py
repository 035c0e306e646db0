"""How the client's socket is reached in each web server.

An adaptor is a function that takes the WSGI environ of a request which was authorised, and returns the client's
connection, from then on ours alone. Sites may name their own in the setting `websocket_proxy`.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from pyramid.response import Response
from pyramid.util import DottedNameResolver

from ..errors import WebSocketUnsupported


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenClient:
    """A client's connection that was taken from the web server.

    Attributes:
        socket: the connection.
        early: what the client sent after its request, if the web server has read that already.
        response: what the view must return, so that the web server forgets the connection.
    """

    socket: socket.socket
    early: bytes = b""
    response: Response


Environ = Mapping[str, Any]
Adaptor = Callable[[Environ], TakenClient]

#: Key in the environ that shows which server runs, module of its adaptor, name for people.
_KNOWN = (("waitress.client_disconnected", "pyramid_notebook.proxy.waitress", "waitress"),)


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


def hang_up(environ: Environ) -> None:
    """Break the connection of a client that is being answered, where the web server gives a way to it.

    Args:
        environ: WSGI environ of the request; this may be called from any thread as long as it is being answered.
    """
    for key, module, _title in _KNOWN:
        if key in environ:
            import_module(module).hang_up(environ)


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
