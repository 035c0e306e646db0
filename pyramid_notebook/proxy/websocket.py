"""Brings a browser's websocket together with the user server's.

The user server is dialled first and gets the handshake as it came. Only when it agrees is the client's socket taken
from the web server; from then on the relay moves bytes, so that subprotocols, compression, pings and close codes are
between the two ends (RFC 6455).
"""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field

import h11
from pyramid.httpexceptions import HTTPBadRequest
from pyramid.request import Request
from pyramid.response import Response

from ..errors import UpstreamError, UpstreamGone, UpstreamTimeout
from ..record import ServerRecord
from .adaptors import Adaptor, find
from .connection import acknowledge_at_once, dial, understood
from .headers import Headers, for_client, websocket_response_head
from .http import UntouchedResponse, printable, upstream_headers
from .passages import Passage
from .relay import Relay
from .target import raw_target

_MAX_REFUSAL = 256 * 1024


def serve_websocket(
    request: Request,
    record: ServerRecord,
    relay: Relay,
    *,
    passage: Passage,
    adaptor: Adaptor | str | None = None,
    timeout: float = 30,
) -> Response:
    """Answer a websocket handshake.

    The caller has authenticated, authorised and checked the origin of the request.

    Args:
        request: the handshake.
        record: the user server; its `user` owns the sockets in the relay.
        relay: what moves the bytes.
        passage: of the request; it is left when the websocket is closed, or there is none.
        adaptor: takes the client's socket; or its dotted name; None finds it from the server that runs.
        timeout: seconds that the user server may take to answer the handshake.

    Returns:
        What the view returns: the user server's refusal, or what the web server needs to forget the connection.

    Raises:
        HTTPBadRequest: the handshake has a body, which could be taken for the first frames.
        WebSocketUnsupported: the web server gives no way to its client's socket.
        UpstreamError: the user server didn't answer the handshake.
    """
    with ExitStack() as until_closed:
        until_closed.callback(passage.leave)
        _refuse_body(request.environ)
        take_over = adaptor if callable(adaptor) else find(request.environ, adaptor or "")
        upstream = dial(record, timeout)
        until_closed.callback(upstream.close)
        answer = _shake_hands(upstream, request, record, passage, timeout)
        if answer.status != 101:
            headers = [item for item in for_client(answer.headers, base_url=record.base_url) if _is_kept(item[0])]
            return UntouchedResponse(
                status=f"{answer.status} {printable(answer.reason)}", headerlist=headers, body=bytes(answer.body)
            )
        with understood(timeout):
            client = take_over(request.environ)
        until_closed.pop_all()  # from here on the relay closes it
    head = websocket_response_head(answer.headers, base_url=record.base_url)
    end = relay.splice(
        client.socket,
        upstream,
        first=head + answer.body,
        early=client.early,
        owner=record.user,
        finished=passage.leave,
    )
    passage.ends_by(end)
    return client.response


def _refuse_body(environ: Mapping[str, object]) -> None:
    if environ.get("CONTENT_LENGTH") not in {None, "", "0"} or environ.get("HTTP_TRANSFER_ENCODING"):
        raise HTTPBadRequest("A websocket handshake has no body.")


@dataclass(slots=True)
class _Answer:
    status: int
    reason: str
    headers: Headers
    body: bytearray = field(default_factory=bytearray)


def _is_kept(name: str) -> bool:
    return name.lower() != "content-length"


def _shake_hands(
    upstream: socket.socket, request: Request, record: ServerRecord, passage: Passage, timeout: float
) -> _Answer:
    """Send the handshake and return the answer; with a 101 the body is what came after its head."""
    parser = h11.Connection(our_role=h11.CLIENT, max_incomplete_event_size=64 * 1024)
    headers = [("Connection", "Upgrade"), ("Upgrade", "websocket"), *upstream_headers(request, record, passage.token)]
    target = raw_target(request.environ)
    deadline = time.monotonic() + timeout
    try:
        handshake = parser.send(h11.Request(method="GET", target=target, headers=headers)) or b""
        upstream.sendall(handshake + (parser.send(h11.EndOfMessage()) or b""))
        return _read_answer(upstream, parser, deadline)
    except TimeoutError as error:
        raise UpstreamTimeout(f"Your notebook server did not answer within {timeout:g} seconds.") from error
    except OSError as error:
        raise UpstreamGone("Your notebook server hung up. Open the notebook again to start it.") from error
    except h11.ProtocolError as error:
        raise UpstreamError("Your notebook server's answer to a websocket makes no sense.") from error


def _read_answer(upstream: socket.socket, parser: h11.Connection, deadline: float) -> _Answer:
    answer: _Answer | None = None
    while True:
        event = parser.next_event()
        if event is h11.NEED_DATA:
            upstream.settimeout(max(0.001, deadline - time.monotonic()))
            parser.receive_data(upstream.recv(64 * 1024))
            acknowledge_at_once(upstream)
        elif isinstance(event, h11.InformationalResponse) and event.status_code == 101:
            answer = _head(event)
            answer.body += parser.trailing_data[0]
            return answer
        elif isinstance(event, h11.Response):
            answer = _head(event)
        elif isinstance(event, h11.Data) and answer is not None:
            answer.body += event.data
        if answer is not None and (type(event) is h11.EndOfMessage or len(answer.body) > _MAX_REFUSAL):
            return answer


def _head(event: h11.Response | h11.InformationalResponse) -> _Answer:
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers.raw_items()]
    return _Answer(event.status_code, bytes(event.reason).decode("latin-1"), headers)
