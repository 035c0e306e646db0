"""The site under ASGI: pages by the site itself, in threads; what passes the door in the event loop.

::

    from pyramid.paster import get_app
    from pyramid_notebook.asgi import asgi_app

    application = asgi_app(get_app("production.ini"))

Run it with ``uvicorn mysite.asgi:application``. Each request is put to the site, with all its checks; where the door
lets it pass, the bytes go between uvicorn and the user server without a thread that waits for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote_to_bytes
from wsgiref.types import WSGIApplication

try:
    import httptools  # noqa: F401  what parses the answers of user servers
    from a2wsgi import WSGIMiddleware
except ImportError as error:
    message = f'A site under ASGI needs more packages ({error}): pip install "pyramid_notebook[uvicorn]"'
    raise ImportError(message, name=error.name) from error
from pyramid.request import Request
from pyramid.response import Response

from .door import UNREADABLE
from .errors import NotebookError
from .proxy.connection import BLOCK
from .proxy.crossing import CROSSING, Crossing, Grant
from .proxy.decisions import Decisions, asked_of_scope
from .proxy.headers import Headers
from .proxy.loop_http import Ended, Receive, Send, forward, hang_up
from .proxy.loop_upstream import LoopPools
from .proxy.uvicorn import Connection

Scope = dict[str, Any]
Message = Mapping[str, Any]


def asgi_app(application: WSGIApplication, *, threads: int = 16) -> NotebookApplication:
    """Return a site as an ASGI application.

    Args:
        application: the site as a WSGI application.
        threads: in which the site answers; a websocket holds one only until it is open.
    """
    return NotebookApplication(application, threads)


class NotebookApplication:
    """A site as an ASGI application, see :func:`asgi_app`."""

    def __init__(self, application: WSGIApplication, threads: int) -> None:
        site: Any = application  # a2wsgi has types of its own
        self._site: Any = WSGIMiddleware(site, workers=threads)
        self._decisions: Decisions[Grant] = Decisions()
        self._pools = LoopPools()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer (ASGI 3, "Applications")."""
        if scope["type"] == "lifespan":
            await self._site(scope, receive, send)
            self._pools.close()
        elif sum(len(name) + len(value) for name, value in scope["headers"]) > _LONGEST_HEAD:
            await _refuse(scope, send, 431, "The header fields of this request are too long.")
        elif not _is_text(scope["raw_path"]):
            await _refuse(scope, send, 400, UNREADABLE)
        elif scope["type"] == "websocket":
            await self._websocket(_without_doubles(scope), receive, send)
        else:
            await self._http(_without_doubles(scope), receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = asked_of_scope(scope)
        known = self._decisions.find(asked)
        if known is not None and not known.passage.ended:
            try:
                await self._let_pass(replace(known, passage=known.passage.again()), scope, receive, send, [])
                return
            except NotebookError:  # the user server is another one by now, or none: the site knows
                self._decisions.forget()
        generation = self._decisions.generation
        sent = _Sent(receive)
        crossing = Crossing(Connection.of(send))
        answer = _Answer(send, crossing)
        try:
            await self._site({**scope, CROSSING: crossing}, sent.receive, answer.send)
        except BaseException:
            if crossing.grant is not None:
                crossing.grant.passage.leave()
            raise
        if crossing.grant is None:
            return
        if not answer.is_yes:
            crossing.grant.passage.leave()
            return
        granted = crossing.grant
        if granted.may_be_kept:
            base_url, seconds = granted.record.base_url, granted.settings.decision_seconds
            self._decisions.keep(asked, base_url, granted, seconds=seconds, generation=generation)
        try:
            await self._let_pass(granted, scope, sent.again, send, answer.cookies)
        except NotebookError as error:
            self._decisions.forget()
            await self._site({**scope, CROSSING: Crossing(failure=error)}, _nothing, send)

    async def _let_pass(self, grant: Grant, scope: Scope, receive: Receive, send: Send, cookies: Headers) -> None:
        try:
            if await _static(grant, scope, send):
                grant.passage.leave()
            else:
                await forward(self._pools, grant, scope, receive, send, cookies=cookies)
        except Ended:
            hang_up(send)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        connection = Connection.of(send)
        if connection is not None:
            connection.wait()
        crossing = Crossing(connection)
        answer = _Refusal(send, connection)
        asked = {**scope, "type": "http", "method": "GET", "scheme": _HTTP[scope["scheme"]], CROSSING: crossing}
        await self._site(asked, _nothing, answer.send)
        if connection is not None and connection.is_taken:
            await connection.closed.wait()
        elif connection is not None:
            connection.go_on()


_HTTP = {"ws": "http", "wss": "https"}
#: Bytes of all header fields; uvicorn with httptools takes any number.
_LONGEST_HEAD = 1 << 16


def _is_text(path: bytes) -> bool:
    """Tell whether a path is UTF-8; what is not the site would get as something else than the user server."""
    try:
        return b"%" not in path or bool(unquote_to_bytes(path).decode("utf-8"))
    except UnicodeDecodeError:
        return False


async def _refuse(scope: Scope, send: Send, status: int, text: str) -> None:
    kind = "websocket." if scope["type"] == "websocket" else ""
    fields = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": f"{kind}http.response.start", "status": status, "headers": fields})
    await send({"type": f"{kind}http.response.body", "body": text.encode()})


class _Sent:
    """What a client has sent, for the site and then once more for the user server."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._seen: list[Message] = []

    async def receive(self) -> Message:
        message = await self._receive()
        self._seen.append(message)
        return message

    async def again(self) -> Message:
        return self._seen.pop(0) if self._seen else await self._receive()


class _Answer:
    """What the site answers; only its cookies, where that is that the request may pass.

    Attributes:
        is_yes: whether it is; something around the view may have said no after the view had granted it.
        cookies: of the site.
    """

    def __init__(self, send: Send, crossing: Crossing) -> None:
        self._send = send
        self._crossing = crossing
        self.is_yes = False
        self.cookies: Headers = []

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and self._crossing.grant is not None:
            self.is_yes = message["status"] == HTTPStatus.NO_CONTENT
            fields = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in message["headers"])
            self.cookies = [(name, value) for name, value in fields if name.lower() == "set-cookie"]
        if not self.is_yes:
            await self._send(message)


class _Refusal:
    """What the site answers to a websocket (ASGI, "Websocket Denial Response")."""

    def __init__(self, send: Send, connection: Connection | None) -> None:
        self._send = send
        self._connection = connection

    async def send(self, message: Message) -> None:
        if self._connection is None or not self._connection.is_taken:
            await self._send({**message, "type": f"websocket.{message['type']}"})


async def _static(grant: Grant, scope: Scope, send: Send) -> bool:
    """Answer with a file that needs no user server, and tell whether there is one."""
    below = scope["raw_path"].decode("latin-1").removeprefix(grant.record.base_url)
    conditions = [field for field in scope["headers"] if field[0] in _CONDITIONS]
    if conditions or scope["method"] != "GET":
        request = _request(scope, conditions)
        response = grant.static.respond(request, below)
        return response is not None and await _send_response(response, request.environ, send)
    has_version = scope["query_string"].startswith(b"v=")
    found = grant.static.find(below, accept_encoding=_accepted(scope), has_version=has_version)
    if found is None:
        return False
    with found.source:
        await send({"type": "http.response.start", "status": 200, "headers": _encoded(found.headers)})
        left = found.length
        while block := found.source.read(min(BLOCK, left)):
            left -= len(block)
            await send({"type": "http.response.body", "body": block, "more_body": left > 0})
        if left or not found.length:
            await send({"type": "http.response.body", "body": b""})
    return True


#: Fields that make another answer of a file than the whole of it.
_CONDITIONS = frozenset(
    (b"if-match", b"if-modified-since", b"if-none-match", b"if-range", b"if-unmodified-since", b"range")
)


def _accepted(scope: Scope) -> str:
    return b",".join(value for name, value in scope["headers"] if name == b"accept-encoding").decode("latin-1")


def _request(scope: Scope, fields: Iterable[tuple[bytes, bytes]]) -> Request:
    environ = {
        "REQUEST_METHOD": scope["method"],
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": "HTTP/1.1",
    }
    environ["HTTP_ACCEPT_ENCODING"] = _accepted(scope)
    for name, value in fields:
        environ[f"HTTP_{name.decode('latin-1').upper().replace('-', '_')}"] = value.decode("latin-1")
    return Request(environ)


async def _send_response(response: Response, environ: Mapping[str, Any], send: Send) -> bool:
    head: dict[str, Any] = {}

    def start_response(status: str, headers: Headers, exc_info: Any = None) -> None:
        head.update(status=int(status.partition(" ")[0]), headers=_encoded(headers))

    blocks = response(environ, start_response)
    try:
        await send({"type": "http.response.start", **head})
        for block in blocks:
            await send({"type": "http.response.body", "body": block, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        getattr(blocks, "close", lambda: None)()
    return True


def _encoded(headers: Headers) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]


def _without_doubles(scope: Scope) -> Scope:
    """Drop header fields with underscores: as variables of WSGI they could not be told from those with hyphens."""
    if any(b"_" in name for name, _ in scope["headers"]):
        return {**scope, "headers": [field for field in scope["headers"] if b"_" not in field[0]]}
    return scope


async def _nothing() -> Message:
    await asyncio.sleep(0)
    return {"type": "http.request", "body": b"", "more_body": False}
