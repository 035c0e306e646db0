"""The kernel's calls to one page; all of it on the channel's loop."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

from ..errors import ChannelClosed, PageGone
from .calls import Calls
from .exposed import Exposed
from .flows import Flows
from .protocol import Packed, unpack
from .sources import Pieces
from .wire import Wire


class Opened(Protocol):
    """A channel, as pages see it."""

    name: str
    code: str
    exposed: dict[str, Exposed]


class Asking:
    """Calls functions of a page.

    Args:
        wire: to the page.
        flows: its streams.
        channels: all that are open, by name.
    """

    def __init__(self, wire: Wire, flows: Flows, channels: Mapping[str, Opened]) -> None:
        self.calls = Calls()
        self._wire = wire
        self._flows = flows
        self._channels = channels
        self._ready: dict[str, asyncio.Task[Any]] = {}

    async def call(self, channel: str, name: str, arguments: Packed, pieces: Pieces | None = None) -> Any:
        """Call a function.

        Args:
            channel: its name; the page gets its code first.
            name: of the function.
            arguments: that it gets.
            pieces: of a stream, which the function gets before the others; closed where the call fails.

        Raises:
            Unsendable: it is too large; nothing was sent.
            PageGone: there won't be one.
            PageError: it threw an exception, or there is no such function.
        """
        header = {"type": "call", "channel": channel, "name": name, **arguments.fields("args")}
        ticket = "" if pieces is None else self._flows.offer(pieces)
        if ticket:
            header["stream"] = {"ticket": ticket}
        try:
            await self.opened(channel)
            return await self._ask(header, arguments.payload)
        except BaseException:
            self._flows.withdraw(ticket)
            raise

    async def opened(self, channel: str) -> Any:
        """Return what the code of a channel returned in this page, which runs there once for this connection."""
        ready = self._ready.get(channel)
        if ready is None:
            ready = self._ready[channel] = asyncio.create_task(self._open(channel))
            ready.add_done_callback(lambda done: self._opening_done(channel, done))
        return await asyncio.shield(ready)

    def prepare(self, channel: str) -> None:
        """Run the code of a channel before anybody calls."""
        self._wire.later(self.opened(channel))

    def reopen(self, channel: str) -> None:
        """Have the code of a channel run again: it is another one now."""
        self._ready.pop(channel, None)
        self.prepare(channel)

    def closed(self, channel: str) -> None:
        """Tell the page that a channel is closed."""
        self._ready.pop(channel, None)
        self._wire.tell({"type": "close", "channel": channel})

    def on_answer(self, header: dict[str, Any], payload: bytes | memoryview) -> None:
        """Take a result, or an error; a stream for which nobody waits any more is stopped as it is forgotten."""
        self.calls.answer(header, payload, self._flows.announced(header))

    def give_up(self) -> None:
        """Let all who wait know that the page is gone."""
        self.calls.fail_all(PageGone)

    async def _open(self, channel: str) -> Any:
        opened = self._channels.get(channel)
        if opened is None:
            raise ChannelClosed
        return await self._ask({"type": "open", "channel": channel, "code": opened.code})

    def _opening_done(self, channel: str, done: asyncio.Task[Any]) -> None:
        has_failed = done.cancelled() or done.exception() is not None
        if has_failed and self._ready.get(channel) is done:  # whoever calls next tries again
            del self._ready[channel]

    async def _ask(self, header: dict[str, Any], payload: bytes = b"") -> Any:
        number, future = self.calls.begin()
        try:
            await self._wire.send({**header, "id": number}, payload)
            answer, rest, stream = await future
        except asyncio.CancelledError:
            self._wire.tell({"type": "cancel", "id": number})
            raise
        finally:
            self.calls.forget(number)
        if stream is not None:
            return stream
        return unpack(answer.get("value"), answer.get("buffers"), rest)
