"""Addresses of the channel in the user server: ``channel`` and what lies below it.

They are for pages only: the door lets no token pass here. Everything is checked before the kernel is dialled, and what
it is sent is made here: neither a cookie nor the door's secret reaches the user's code, and nothing of the head of its
answer reaches the page.
"""

from __future__ import annotations

import asyncio
import re
import stat
from base64 import b64encode
from collections.abc import Coroutine
from contextlib import suppress
from hashlib import sha1
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.services.kernels.kernelmanager import MappingKernelManager
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError, authenticated

from ..errors import NoPage
from ..proxy.headers import same_origin
from ..record import TOKEN_HEADER
from .display import STATIC, version
from .passing import KernelConnection, dial, pass_on
from .places import is_kernel_id, socket_of

_KEY = re.compile(r"[A-Za-z0-9+/]{22}==", re.ASCII)
_ACCEPT_SUFFIX = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
_SWITCH = (
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n"
)
_STREAM = b"".join(
    (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nX-Content-Type-Options: nosniff\r\n",
        b"Cache-Control: no-store\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
    )
)
_YEAR = 31536000
_FOREIGN = "This request does not come from a page of this site."
_NO_CHANNEL = "This kernel has no open channel. Run the cell that opens it again."
#: What is said where a handler has nothing to say.
_TEXTS = {403: "This is for pages of the site, which its door lets pass.", 405: "This address takes {} only."}

_Value = TypeVar("_Value")


class ChannelHandler(JupyterHandler):
    """A request of a page; who asks is a script, so errors are plain sentences."""

    methods: tuple[str, ...] = ("GET",)

    async def prepare(self) -> None:  # type: ignore[override]
        """Let nobody pass but the door, with no other method than there is.

        Raises:
            HTTPError: somebody else asks (403), or with another method (405).
        """
        await super().prepare(_redirect_to_login=False)
        if self.request.method not in self.methods:
            raise HTTPError(405)

    def check_xsrf_cookie(self) -> None:
        """Pass: no method that changes anything is answered."""

    def set_cors_headers(self) -> None:
        """Let no page of another origin read an answer, whatever ``allow_origin`` says of the rest of Jupyter."""

    def write_error(self, status_code: int, **about: Any) -> None:
        """Answer with a sentence, and with what goes with some statuses (RFC 9110 sections 15.5.6 and 15.5.22)."""
        error = about.get("exc_info", (None, None))[1]
        text = error.log_message if isinstance(error, HTTPError) else None
        methods = ", ".join(self.methods)
        if status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            self.set_header("Allow", methods)
        if status_code == HTTPStatus.UPGRADE_REQUIRED:
            self.set_header("Upgrade", "websocket")
            self.set_header("Connection", "Upgrade")
            self.set_header("Sec-WebSocket-Version", "13")
        text = text or _TEXTS.get(status_code, f"{HTTPStatus(status_code).phrase}.").format(methods)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.finish(f"{text}\n")


class KernelHandler(ChannelHandler):
    """A request of a page to a kernel."""

    def initialize(self, kernels: MappingKernelManager, scratch: Path) -> None:
        """Take where the kernels' sockets are."""
        self.kernels = kernels
        self.scratch = scratch
        self._work: asyncio.Task[Any] | None = None

    @property
    def is_own_origin(self) -> bool:
        """Whether the origin is the host that was asked; the door has compared the scheme as well."""
        host, origins = self.request.headers.get("Host", ""), self.request.headers.get_list("Origin")
        return len(origins) == 1 and any(same_origin(origins[0], f"{scheme}://{host}") for scheme in ("http", "https"))

    def refuse_programs(self) -> None:
        """Check that no token opened the door.

        Raises:
            HTTPError: one did.
        """
        if TOKEN_HEADER in self.request.headers:
            raise HTTPError(403, "The channel is for pages; no token opens it.")

    def own_socket(self, kernel_id: str) -> Path:
        """Return where the socket of a kernel is.

        Raises:
            HTTPError: the user has no such kernel (404), or it has no channel (503).
        """
        if not is_kernel_id(kernel_id) or kernel_id not in self.kernels:
            raise HTTPError(404, "There is no such kernel; it was shut down.")
        path = socket_of(kernel_id, self.scratch)
        with suppress(OSError):
            if stat.S_ISSOCK(path.lstat().st_mode):
                return path
        raise HTTPError(503, _NO_CHANNEL)

    async def dialled(self, kernel_id: str, target: str, headers: dict[str, str]) -> KernelConnection:
        """Return a connection to a kernel.

        Raises:
            HTTPError: there is no such kernel (404), or it does not answer (503).
            StreamClosedError: the page has hung up meanwhile.
        """
        try:
            return await self.while_wanted(dial(self.own_socket(kernel_id), target, headers))
        except NoPage as error:
            raise HTTPError(503, str(error)) from error

    async def while_wanted(self, work: Coroutine[Any, Any, _Value]) -> _Value:
        """Do something for as long as the page is there.

        Raises:
            StreamClosedError: it has hung up.
        """
        task: asyncio.Task[_Value] = asyncio.ensure_future(work)
        self._work = task
        try:
            await asyncio.wait({task})
        finally:
            task.cancel()
        if task.cancelled():
            raise StreamClosedError
        return task.result()

    def on_connection_close(self) -> None:
        """Stop what is done for a page that has hung up."""
        if self._work is not None:
            self._work.cancel()


class SocketHandler(KernelHandler):
    """``GET channel/{kernel}/socket``: the websocket between page and kernel (RFC 6455)."""

    @authenticated
    @authorized("execute", "kernels")  # type: ignore[untyped-decorator]
    async def get(self, kernel_id: str) -> None:
        """Dial the kernel, and leave the rest to the two ends."""
        self.refuse_programs()
        if not self.is_own_origin:
            raise HTTPError(403, _FOREIGN)
        key = self.websocket_key()
        try:
            kernel = await self.dialled(kernel_id, "/socket", _handshake(key))
        except StreamClosedError:
            return
        accept = b64encode(sha1(f"{key}{_ACCEPT_SUFFIX}".encode(), usedforsecurity=False).digest()).decode()
        if (kernel.status, kernel.headers.get("sec-websocket-accept")) != (HTTPStatus.SWITCHING_PROTOCOLS, accept):
            kernel.close()
            raise HTTPError(503, "The kernel does not let pages connect.")
        await pass_on(self.detach(), kernel, _SWITCH.format(accept).encode())

    def websocket_key(self) -> str:
        """Return the key of the handshake (RFC 6455 section 4.2.1).

        Raises:
            HTTPError: it is none (426), or one that could be misread (400).
        """
        headers = self.request.headers
        options = {name: _options(headers.get(name, "")) for name in ("Upgrade", "Connection")}
        is_asked = options["Upgrade"] == {"websocket"} and "upgrade" in options["Connection"]
        if not is_asked or headers.get("Sec-WebSocket-Version") != "13":
            raise HTTPError(426, "Here is a websocket, and nothing else.")
        has_body = headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in headers
        if has_body or self.request.version != "HTTP/1.1":
            raise HTTPError(400, "The handshake of a websocket is a request of HTTP/1.1 without a body.")
        key: str = headers.get("Sec-WebSocket-Key", "")
        if not _KEY.fullmatch(key):
            raise HTTPError(400, "The handshake of a websocket has a key of 16 bytes in base64.")
        return key


class StreamHandler(KernelHandler):
    """``GET channel/{kernel}/streams/{ticket}``: bytes that the kernel sends as a stream, once."""

    @authenticated
    @authorized("execute", "kernels")  # type: ignore[untyped-decorator]
    async def get(self, kernel_id: str, ticket: str) -> None:
        """Answer with the bytes as they come; where they end early, so does the connection."""
        self.refuse_programs()
        headers = self.request.headers
        is_own = self.is_own_origin if "Origin" in headers else True  # browsers send none with what changes nothing
        if not is_own or headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
            raise HTTPError(403, _FOREIGN)
        if self.request.version != "HTTP/1.1":
            raise HTTPError(505, "A stream is sent by HTTP/1.1.")
        try:
            kernel = await self.dialled(kernel_id, f"/streams/{ticket}", {"Connection": "close"})
        except StreamClosedError:
            return
        try:
            self.require_stream(kernel)
        except HTTPError:
            kernel.close()
            raise
        await pass_on(self.detach(), kernel, _STREAM, page_speaks=False)

    def require_stream(self, kernel: KernelConnection) -> None:
        """Check that a kernel has what was asked for, in chunks: whoever reads them knows whether all have come.

        Raises:
            HTTPError: it has not (404), or says something else (503).
        """
        if kernel.status == HTTPStatus.NOT_FOUND:
            raise HTTPError(404, "There is no such stream, or it was fetched before.")
        if (kernel.status, kernel.headers.get("transfer-encoding", "").lower()) != (HTTPStatus.OK, "chunked"):
            raise HTTPError(503, _NO_CHANNEL)


class ScriptHandler(ChannelHandler):
    """``GET channel/static/{version}/{name}``: the page's end of the channel."""

    methods = ("GET", "HEAD")

    @authenticated
    def get(self, asked: str, name: str) -> None:
        """Answer with a file; one of the right version may be kept for ever."""
        path = STATIC / name
        if not path.is_file():
            raise HTTPError(404, "There is nothing at this address.")
        self.set_header("Content-Type", "text/javascript; charset=utf-8")  # RFC 9239
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", f"private, max-age={_YEAR}, immutable" if asked == version() else "no-cache")
        self.finish(path.read_bytes())

    head = get


Handlers = list[tuple[str, type[JupyterHandler], dict[str, Any]]]


def channel_handlers(kernels: MappingKernelManager, scratch: Path) -> Handlers:
    """Return the addresses below the base URL, their handlers, and what these take."""
    about = {"kernels": kernels, "scratch": scratch}
    return [
        (r"channel/static/([0-9a-f]{1,64})/([a-z]+\.js)", ScriptHandler, {}),
        (r"channel/([0-9a-f-]{1,64})/socket", SocketHandler, about),
        (r"channel/([0-9a-f-]{1,64})/streams/([A-Za-z0-9_-]{1,64})", StreamHandler, about),
    ]


def _options(field: str) -> set[str]:
    return {option.strip(" \t").lower() for option in field.split(",")}


def _handshake(key: str) -> dict[str, str]:
    return {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": key,
    }
