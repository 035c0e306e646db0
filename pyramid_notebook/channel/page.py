"""One page that is connected to a kernel, as the kernel sees it; all of it on the channel's loop."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import WSMsgType, web

from ..errors import BadFrame
from .answering import Answering
from .asking import Asking, Opened
from .exposed import Runner
from .flows import Flows
from .protocol import VERSION, Frame, decode
from .threads import Workers
from .wire import Wire

_TEXT = 500  # characters of what a page says of itself
#: Takes a frame; what it returns is done before the next one is taken, so a page that reads nothing sends nothing.
_Take = Callable[[dict[str, Any], bytes | memoryview], Coroutine[Any, Any, None] | None]
#: What is no id of a page: these words name pages by their order.
RESERVED = ("first", "last", "all")


@dataclass(frozen=True, slots=True)
class PageInfo:
    """A connected page.

    Attributes:
        id: that it chose for itself; another one each time it is loaded.
        title: of its window.
    """

    id: str
    title: str


class Page:
    """The connection to one page.

    Args:
        websocket: accepted.
        info: what it said in its ``hello``.
        channels: all that are open, by name.
        runner: runs functions for it.
        readers: threads that read what is sent to it.

    Attributes:
        flows: its streams.
        asking: calls to it.
    """

    def __init__(
        self,
        websocket: web.WebSocketResponse,
        info: PageInfo,
        channels: Mapping[str, Opened],
        runner: Runner,
        readers: Workers,
    ) -> None:
        self.info = info
        self._websocket = websocket
        self._wire = Wire(websocket)
        self.flows = Flows(self._wire)
        self.asking = Asking(self._wire, self.flows, channels)
        self._answering = Answering(self._wire, self.flows, channels, runner, readers)

    async def serve(self) -> None:
        """Take what the page sends until it is gone.

        Raises:
            BadFrame: it sent what makes no sense.
        """
        take: dict[str, _Take] = {
            "call": self._answering.on_call,
            "cancel": self._answering.on_cancel,
            "result": self.asking.on_answer,
            "error": self.asking.on_answer,
            "data": self.flows.on_data,
            "end": self.flows.on_end,
            "stop": self.flows.on_stop,
            "ping": lambda *_: self._wire.reply({"type": "pong"}),
        }
        try:
            async for message in self._websocket:
                if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                    break
                frame = decode(message.data)
                if frame.type not in take:
                    raise BadFrame(f"A page may not send {frame.type[:20]!r}.")
                answering = take[frame.type](frame.header, frame.payload)
                if answering is not None:
                    await answering
        finally:
            self.give_up()

    def give_up(self) -> None:
        """Let all who wait for the page know that it is gone, and end what is done for it."""
        self._wire.is_open = False
        self.asking.give_up()
        self._answering.give_up()
        self.flows.give_up()

    def leave(self) -> None:
        """Have done with it: it has connected anew."""
        self.give_up()
        self._wire.later(self.close())

    async def close(self, code: int = 1001) -> None:
        """Hang up."""
        await self._wire.close(code)


def hello_of(frame: Frame) -> PageInfo:
    """Return what a page says of itself in its first message.

    Raises:
        BadFrame: it says something else, or speaks another version.
    """
    header = frame.header
    if frame.type != "hello" or header.get("version") != VERSION:
        raise BadFrame(f"The first message of a page is a hello of version {VERSION}.")
    page, title = header.get("page"), header.get("title", "")
    if not isinstance(page, str) or not 0 < len(page) <= _TEXT or page in RESERVED or not isinstance(title, str):
        raise BadFrame("A page that says hello has an id and a title.")
    return PageInfo(page, title[:_TEXT])
