"""What goes to one page; all of it on the channel's loop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from aiohttp import web

from ..errors import ChannelError, PageGone, Unsendable
from .exposed import told
from .protocol import Frame, encode


class Wire:
    """A page's websocket, to which several write.

    Args:
        websocket: accepted.
    """

    def __init__(self, websocket: web.WebSocketResponse) -> None:
        self.is_open = True
        self._websocket = websocket
        self._writing: set[asyncio.Task[None]] = set()

    async def send(self, header: dict[str, Any], payload: bytes = b"") -> None:
        """Send a frame, and wait until the page has taken enough of what came before.

        Raises:
            Unsendable: it is no JSON, or too large.
            PageGone: nobody can take it.
        """
        message = encode(Frame(header, payload))
        if not self.is_open:
            raise PageGone
        try:
            if isinstance(message, str):
                await self._websocket.send_str(message)
            else:
                await self._websocket.send_bytes(message)
        except (ConnectionError, RuntimeError) as error:
            raise PageGone from error

    async def reply(self, header: dict[str, Any], payload: bytes = b"") -> None:
        """Send the answer to a call, or why it cannot be sent; where the page is gone, nothing happens."""
        with suppress(ConnectionError):
            try:
                await self.send(header, payload)
            except Unsendable as error:
                await self.send({"type": "error", "id": header["id"], "error": told(error)})

    def tell(self, header: dict[str, Any]) -> None:
        """Send a frame that is not waited for; frames go in the order in which they are told."""
        if self.is_open:
            self.later(self.send(header))

    def later(self, work: Coroutine[Any, Any, Any]) -> None:
        """Do something that nobody waits for."""
        task = asyncio.create_task(_quietly(work))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def close(self, code: int = 1001) -> None:
        """Hang up (codes: RFC 6455 section 7.4.1)."""
        self.is_open = False
        await self._websocket.close(code=code)


async def _quietly(work: Coroutine[Any, Any, Any]) -> None:
    with suppress(ChannelError):  # whoever calls is told
        await work
