"""Answers at an address of this machine what a site answers about its user's notebooks, HTTP and websockets."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from aiohttp import (
    ClientError,
    ClientSession,
    ClientTimeout,
    ClientWebSocketResponse,
    TCPConnector,
    WSMsgType,
    WSServerHandshakeError,
    web,
)
from multidict import CIMultiDict
from yarl import URL

from ..site_client import is_local, shown
from .crossing import below, from_site, to_site

if TYPE_CHECKING:
    from ..sync.client.sites import Site

_HOST = "127.0.0.1"
_CONNECT_SECONDS = 30
#: Below the time after which web servers close a connection that nobody uses (waitress: 120 s, nginx: 75 s).
_KEPT_SECONDS = 15
_PIECE = 1 << 16
#: What a websocket's other end is told when one end is gone without a word (RFC 6455 section 7.4.1).
_GONE = 1001
_NO_STATUS = 1005

_AnySocket = web.WebSocketResponse | ClientWebSocketResponse


class Forwarding:
    """What passes on requests, each with the user's token; nothing is kept of any.

    Args:
        site: the user's notebooks, and the token.
        session: asks the site.
    """

    def __init__(self, site: Site, session: ClientSession) -> None:
        self._site, self._session = site, session
        self._secret = secrets.token_hex(32)  # jupyter_server turns addresses of websockets into lower case
        parts = urlsplit(site.notebooks)
        host = parts.hostname or ""
        self._proxy = None if is_local(host) or proxy_bypass(host) else getproxies().get(parts.scheme)
        self.address = ""

    def listens_at(self, port: int) -> None:
        """Say at which port of this machine it is asked."""
        self.address = f"http://{_HOST}:{port}/{self._secret}/"

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request; one without the secret hears nothing of the site."""
        wanted = below(request.raw_path, self._secret)
        if wanted is None:
            return _refusal(403, "forbidden", "This address is for the program that the tunnel was made for.")
        url = URL(self._site.notebooks + wanted, encoded=True)
        try:
            if request.headers.get("Upgrade", "").lower() == "websocket":
                return await self._websocket(request, url)
            return await self._http(request, url)
        except (ClientError, TimeoutError) as error:
            told = shown(str(error)) or type(error).__name__
            return _refusal(502, "unreachable", f"{url.host} cannot be reached: {told}")

    async def _http(self, request: web.BaseRequest, url: URL) -> web.StreamResponse:
        async with self._session.request(
            request.method,
            url,
            headers=CIMultiDict(to_site(request.headers.items(), self._site.token)),
            data=request.content if request.body_exists else None,
            allow_redirects=False,
            proxy=self._proxy,
        ) as upstream:
            fields = CIMultiDict(from_site(upstream.headers.items(), self._site.notebooks, self.address))
            response = web.StreamResponse(status=upstream.status, reason=upstream.reason, headers=fields)
            await response.prepare(request)
            async for piece in upstream.content.iter_chunked(_PIECE):
                await response.write(piece)
            await response.write_eof()
        return response

    async def _websocket(self, request: web.BaseRequest, url: URL) -> web.StreamResponse:
        offered = [name.strip() for name in request.headers.get("Sec-WebSocket-Protocol", "").split(",")]
        try:
            upstream = await self._session.ws_connect(
                url,
                headers=CIMultiDict(to_site(request.headers.items(), self._site.token)),
                protocols=[name for name in offered if name],
                autoping=False,
                autoclose=False,
                max_msg_size=0,
                proxy=self._proxy,
            )
        except WSServerHandshakeError as error:
            status = error.status if error.status >= 400 else 502
            return _refusal(status, "refused", f"{url.host} opens no websocket here: HTTP status {error.status}")
        chosen = [upstream.protocol] if upstream.protocol else []
        here = web.WebSocketResponse(protocols=chosen, autoping=False, autoclose=False, max_msg_size=0, compress=False)
        async with upstream:
            await here.prepare(request)
            ways = [asyncio.ensure_future(_pass_on(*ends)) for ends in ((here, upstream), (upstream, here))]
            try:
                await asyncio.wait(ways)
            finally:
                for way in ways:
                    way.cancel()
        return here


async def _pass_on(source: _AnySocket, target: _AnySocket) -> None:
    """Pass on what comes until one end closes, and close the other one the same way."""
    code = _GONE
    try:
        while True:
            message = await source.receive()
            if message.type is WSMsgType.TEXT:
                await target.send_str(message.data)
            elif message.type is WSMsgType.BINARY:
                await target.send_bytes(message.data)
            elif message.type is WSMsgType.PING:
                await target.ping(message.data)
            elif message.type is WSMsgType.PONG:
                await target.pong(message.data)
            else:
                if message.type is WSMsgType.CLOSE and message.data and message.data != _NO_STATUS:
                    code = message.data
                break
    except (ConnectionError, ClientError):
        pass  # the other end is gone
    for end in (target, source):
        await end.close(code=code)


def _refusal(status: int, error: str, message: str) -> web.Response:
    return web.json_response({"error": error, "message": message}, status=status)


@asynccontextmanager
async def forwarding(site: Site, port: int = 0) -> AsyncIterator[str]:
    """Answer requests as long as this is entered; yields the address, with a slash at its end.

    Args:
        site: what is asked.
        port: of this machine; 0 for any that is free.

    Raises:
        OSError: somebody else listens at that port.
    """
    timeout = ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS)
    connector = TCPConnector(limit=0, keepalive_timeout=_KEPT_SECONDS)
    async with ClientSession(
        timeout=timeout, connector=connector, auto_decompress=False, skip_auto_headers=("User-Agent", "Accept")
    ) as session:
        answering = Forwarding(site, session)
        runner = web.ServerRunner(web.Server(answering.answer, access_log=None, auto_decompress=False))
        await runner.setup()
        try:
            listening = web.TCPSite(runner, _HOST, port, shutdown_timeout=0)
            await listening.start()
            [(_, chosen)] = runner.addresses
            answering.listens_at(chosen)
            yield answering.address
        finally:
            await runner.cleanup()
