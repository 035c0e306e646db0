"""Takes the client's socket from waitress 3.

The environ holds a bound method of the connection's channel, and the channel holds the socket. While a request is
served the main thread of waitress neither reads nor polls it.

TLS never ends in waitress, so the bytes on the socket are the client's own.
"""

from __future__ import annotations

import logging
import socket
from functools import cache
from types import SimpleNamespace
from typing import Any

from pyramid.httpexceptions import HTTPBadRequest

from ..errors import WebSocketUnsupported
from .adaptors import Environ, TakenClient, require_fit
from .descriptors import break_off, take

_KEY = "waitress.client_disconnected"
_LOG = logging.getLogger(__name__)


def take_over(environ: Environ) -> TakenClient:
    """Take the client's connection out of the hands of waitress.

    Args:
        environ: WSGI environ of the request that is being served.

    Raises:
        HTTPBadRequest: the client sent more without waiting for the answer to its handshake, or has gone.
        WebSocketUnsupported: waitress is set up to read ahead on connections.
    """
    channel = environ[_KEY].__self__
    if channel.adj.channel_request_lookahead:
        raise WebSocketUnsupported("Notebooks need waitress with channel_request_lookahead = 0, which is the default.")
    if channel.socket is None or channel.request is not None or len(channel.requests) > 1 or channel.total_outbufs_len:
        raise HTTPBadRequest("A websocket client must wait for the answer to its handshake.")
    if not channel.adj.asyncore_use_poll:
        _warn_of_select()
    return take(channel.socket.fileno())


def hang_up(environ: Environ) -> None:
    """Break the client's connection; a thread that waits for the client to read does not wait any more.

    Args:
        environ: WSGI environ of the request that is being answered.
    """
    connection = environ[_KEY].__self__.socket
    if connection is not None:
        break_off(connection)


def fileno(environ: Environ) -> int:
    """Return the descriptor of the client's connection.

    Args:
        environ: WSGI environ of the request that is being answered.
    """
    number: int = environ[_KEY].__self__.socket.fileno()
    return number


@cache
def _warn_of_select() -> None:
    # select(2) takes no descriptor above 1023, and each open notebook page holds some
    _LOG.warning("Set asyncore_use_poll = true for waitress: without it many open notebooks end the whole site.")


def check() -> None:
    """Try the take-over on a channel of the waitress that is installed, without a port or a thread.

    Raises:
        WebSocketUnsupported: waitress doesn't work the way this module needs.
    """
    require_fit("waitress", _rehearse)


def _rehearse() -> str:
    """Return what goes wrong, or nothing."""
    from waitress.adjustments import Adjustments
    from waitress.channel import HTTPChannel

    taken: list[TakenClient] = []

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        taken.append(take_over(environ))
        return taken[0].response(environ, start_response)

    server = SimpleNamespace(
        adj=Adjustments(port=1, asyncore_use_poll=True),
        active_channels={},
        application=application,
        add_task=lambda _channel: None,
        pull_trigger=lambda: None,
        server_name="localhost",
        effective_port=1,
    )
    browser, accepted = socket.socketpair()
    browser.settimeout(1)
    channel = HTTPChannel(server, accepted, ("127.0.0.1", 1), server.adj, map={})
    with browser:
        channel.received(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        channel.service()
        channel.handle_write()
        client = taken[0].socket
        assert isinstance(client, socket.socket)  # noqa: S101 - for the type checker
        with client:
            client.sendall(b"ours")
        is_ours = browser.recv(100) == b"ours" and browser.recv(100) == b"" and channel.socket is None
        return "" if is_ours else "it keeps hold of sockets that were taken over"
