"""The address ``rpc`` of the user server: POST, GET and a websocket; see ``docs/reference/rpc.md``."""

from __future__ import annotations

import json
from typing import Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import JupyterHandler
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError, authenticated, stream_request_body
from tornado.websocket import WebSocketHandler

from ..errors import CallTooLarge, RpcError
from ..proxy.headers import same_origin
from ..record import TOKEN_HEADER
from ..server.bodies import BoundedBody
from .following import Following
from .frontends import Frontend
from .jsonrpc import MOST_BYTES, error_message, parse
from .openrpc import document
from .service import Rpc
from .sessions import Session

_FRAME_BYTES = 64_000_000  # that a websocket reads, to say that they are too many


class Poster:
    """Who asks by POST: one answer to each request, and no events but in answers."""

    waits = True

    def __init__(self, frontend: Frontend) -> None:
        self.frontend = frontend

    def follow(self, session: Session, after: int) -> None:
        """Leave it: events are asked for."""

    def leave(self, session: Session) -> None:
        """Leave it."""


@stream_request_body
class RpcHandler(WebSocketHandler, JupyterHandler):
    """Everything at this address."""

    def initialize(self, rpc: Rpc) -> None:
        """Take what requests are answered with."""
        self.rpc = rpc
        self.body = BoundedBody(MOST_BYTES)
        self._following: Following | None = None

    async def prepare(self) -> None:  # type: ignore[override]
        """Find out who asks; nobody is sent to a page to sign in."""
        await super().prepare(_redirect_to_login=False)

    def data_received(self, chunk: bytes) -> None:
        """Keep a part of the body."""
        self.body.add(chunk)

    def set_cors_headers(self) -> None:
        """Let no page of another origin read an answer, whatever ``allow_origin`` says of the rest of Jupyter."""

    def check_origin(self, origin: str | None = None) -> bool:
        """Let the site's own pages open a websocket, and programs that a token lets pass."""
        headers = self.request.headers
        host, origins = headers.get("Host", ""), headers.get_list("Origin")
        if TOKEN_HEADER in headers or (not origins and "Upgrade" not in headers):  # Jupyter asks for its other checks
            return True
        return len(origins) == 1 and any(same_origin(origins[0], f"{scheme}://{host}") for scheme in ("http", "https"))

    def get_compression_options(self) -> None:
        """Compress nothing: it costs more than it saves, on what is small or goes a short way."""

    @property
    def max_message_size(self) -> int:
        """Bytes that a frame may have."""
        return _FRAME_BYTES

    @authenticated
    @authorized("execute", "kernels")  # type: ignore[untyped-decorator]
    async def get(self, *arguments: Any, **options: Any) -> None:  # type: ignore[override]
        """Answer with the OpenRPC document, or become a websocket (RFC 6455)."""
        if self.request.headers.get("Upgrade", "").lower() == "websocket":
            await super().get(*arguments, **options)
            return
        self._send(document())

    @authenticated
    @authorized("execute", "kernels")  # type: ignore[untyped-decorator]
    async def post(self) -> None:
        """Answer a request, or a batch."""
        kind = self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise HTTPError(415, "Send JSON, as Content-Type: application/json says.")
        if self.body.is_too_large:
            error = CallTooLarge(f"A message has {MOST_BYTES} bytes at most; this one has {self.body.length}.")
            self._send(error_message(None, error), error.status)
            return
        incoming = parse(self.body.take())
        try:
            answer = await self.rpc.answer(incoming, Poster(self.rpc.frontends.anybody))
            if answer is None:
                self.set_status(204)
                self.finish()
            else:
                self._send(answer)
        except StreamClosedError:
            return

    def write_error(self, status_code: int, **about: Any) -> None:
        """Answer with an error of JSON-RPC."""
        error = about.get("exc_info", (None, None))[1]
        message = (error.log_message if isinstance(error, HTTPError) else "") or f"HTTP status {status_code}."
        told = RpcError(message)
        told.code, told.reason = (-32600, "request") if status_code < 500 else (told.code, told.reason)
        self._send(error_message(None, told), status_code)

    def _send(self, message: Any, status: int = 200) -> None:
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.finish(json.dumps(message))

    def open(self, *arguments: Any, **options: Any) -> None:
        """Begin to tell events."""
        self.set_nodelay(True)
        self._following = Following(self.rpc, self.write_message)

    def on_message(self, message: str | bytes) -> None:
        """Take what the client sends."""
        if self._following is not None:
            self._following.take(message)

    def on_close(self) -> None:
        """Forget the client; its sessions go on."""
        if self._following is not None:
            self._following.close()


def rpc_handlers(rpc: Rpc) -> list[tuple[str, type[JupyterHandler], dict[str, Any]]]:
    """Return the handlers with their paths below the server's base address, as patterns."""
    return [("rpc/?", RpcHandler, {"rpc": rpc})]
