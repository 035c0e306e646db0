"""Passes one HTTP request on to the user server and its answer back: :mod:`.http` for an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from ..errors import UpstreamError
from .crossing import Grant
from .headers import Headers, for_client, for_upstream, one_length
from .loop_upstream import LoopAnswer, LoopPool, LoopPools
from .target import scope_target
from .upstream import ClientBodyError

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]
#: Seconds after which it is looked whether a client is still there; most requests are answered in less.
_WATCH_SECONDS = 0.5
_FRAMING = frozenset(("content-length", "transfer-encoding"))


class Ended(Exception):
    """The answer is broken off: its client may have it no more or has gone, or the user server has stopped."""


async def forward(
    pools: LoopPools, grant: Grant, scope: Mapping[str, Any], receive: Receive, send: Send, *, cookies: Headers
) -> None:
    """Let the user server answer a request.

    Args:
        pools: connections to user servers.
        grant: what the door has granted; its passage is left when the answer is sent.
        scope: of the request (ASGI, "HTTP Connection Scope").
        receive: what is still to come of the request.
        send: to the client.
        cookies: of the site itself, for the client.

    Raises:
        UpstreamError: the user server didn't answer; nothing was sent to the client yet.
        Ended: the client's connection has to be broken.
    """
    exchange = _Exchange(grant, receive, send)
    grant.passage.ends_by(exchange.end)
    try:
        with pools.get(grant.record).place() as pool:
            await exchange.run(pool, scope, cookies)
    except asyncio.CancelledError:
        if exchange.is_cut:
            raise Ended from None
        raise
    except (UpstreamError, ClientBodyError) as error:
        if exchange.has_begun or exchange.is_cut:
            raise Ended from error
        raise
    finally:
        exchange.close()
        grant.passage.leave()


class _Exchange:
    """One request and its answer.

    Attributes:
        has_begun: whether the client has got a part of the answer.
        is_cut: whether it makes no sense to go on: the client has gone, or may pass no more.
    """

    def __init__(self, grant: Grant, receive: Receive, send: Send) -> None:
        self._grant = grant
        self._receive = receive
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._has_body = False  # that is still being sent
        self._watch: asyncio.Task[None] | None = None
        self._timer = self._loop.call_later(_WATCH_SECONDS, self._begin_watch)
        self.has_begun = self.is_cut = False

    def close(self) -> None:
        """Look after the client no more."""
        self._timer.cancel()
        if self._watch is not None:
            self._watch.cancel()

    def end(self) -> None:
        """Break it off, from any thread."""
        self._loop.call_soon_threadsafe(self._cut)

    async def run(self, pool: LoopPool, scope: Mapping[str, Any], cookies: Headers) -> None:
        record = self._grant.record
        sent = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        if self._grant.host:  # a proxy that the site believes may have said another one
            sent = [(name, self._grant.host if name == "host" else value) for name, value in sent]
        body, framing = self._body(sent)
        passed = for_upstream(
            sent,
            secret=record.secret,
            scheme=self._grant.scheme,
            client=self._grant.client,
            token=self._grant.passage.token,
        )
        fields = [(name, value) for name, value in passed if name.lower() not in _FRAMING]
        answer = await pool.exchange(
            scope["method"], scope_target(scope), fields + framing, body, silence=self._grant.settings.proxy_timeout
        )
        try:
            await self._pass_back(answer, cookies)
        finally:
            answer.close()

    async def _pass_back(self, answer: LoopAnswer, cookies: Headers) -> None:
        shown = [*for_client(one_length(answer.headers, answer.status), base_url=self._grant.record.base_url), *cookies]
        fields = ((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in shown)
        head = [field for field in fields if field[0] != b"date"]  # the web server says it itself
        self.has_begun = True
        await self._send({"type": "http.response.start", "status": answer.status, "headers": head})
        if answer.is_whole:
            await self._send({"type": "http.response.body", "body": await answer.read()})
            return
        while block := await answer.read():
            await self._send({"type": "http.response.body", "body": block, "more_body": True})
        await self._send({"type": "http.response.body", "body": b""})

    def _begin_watch(self) -> None:
        """Look whether the client is still there: nothing else tells while the user server is silent."""
        if getattr(getattr(self._send, "__self__", None), "disconnected", False):  # uvicorn knows it already
            self._cut()
        elif self._has_body:  # what comes next is of the body, and may wait for the user server to read
            self._timer = self._loop.call_later(_WATCH_SECONDS, self._begin_watch)
        else:
            self._watch = self._loop.create_task(self._wait_for_the_end())

    async def _wait_for_the_end(self) -> None:
        """Break the exchange off when its client goes."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._cut()

    def _cut(self) -> None:
        self.is_cut = True
        if self._task is not None:
            self._task.cancel()

    def _body(self, headers: Iterable[tuple[str, str]]) -> tuple[AsyncIterator[bytes] | None, Headers]:
        named = {name.lower(): value for name, value in headers}
        length = named.get("content-length", "")
        if length.isdecimal():
            return (self._blocks() if int(length) else None), [("Content-Length", length)]
        if "transfer-encoding" in named:
            return self._blocks(), [("Transfer-Encoding", "chunked")]
        return None, []

    async def _blocks(self) -> AsyncIterator[bytes]:
        self._has_body = True
        while self._has_body:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._cut()  # the answer may be on its way already
                raise ClientBodyError("The body of the request broke off.")
            self._has_body = message.get("more_body", False)
            if block := message.get("body", b""):
                yield block


def hang_up(send: Any) -> None:
    """Break the connection that an application's ``send`` belongs to, where it can be reached."""
    transport: Any = getattr(getattr(send, "__self__", None), "transport", None)
    with suppress(AttributeError):
        transport.abort()
