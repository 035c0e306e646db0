"""The streams of one page, both ways; all of it on the channel's loop."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from ..errors import BadFrame, ChannelError, PageError, PageGone
from .exposed import told
from .receiving import prepare
from .sources import Pieces
from .streams import Inlet, Stream
from .wire import Wire

#: Seconds in which the page must begin to read a stream that it was sent.
OFFER_SECONDS = 600.0


@dataclass(slots=True)
class _Outlet:
    """A stream for the page.

    Attributes:
        pieces: of it.
        expiry: takes it back where nobody fetches it.
        task: that sends it, once it is fetched.
    """

    pieces: Pieces
    expiry: asyncio.TimerHandle
    task: asyncio.Task[Any] | None = None


class Flows:
    """What streams there are, by the page's ids and by our tickets.

    Args:
        wire: to the page.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._incoming: dict[int, Inlet] = {}
        self._outgoing: dict[str, _Outlet] = {}

    # from the page

    def announced(self, header: dict[str, Any]) -> Stream | None:
        """Return the stream that goes with a call or a result; at once, for its first pieces may be next.

        Raises:
            BadFrame: it has no id of its own.
        """
        about = header.get("stream")
        if about is None:
            return None
        number = about.get("id") if isinstance(about, dict) else None
        if not isinstance(number, int) or number in self._incoming:
            raise BadFrame("A stream has a number of its own.")

        def stop() -> None:
            self._incoming.pop(number, None)
            self._wire.tell({"type": "stop", "stream": number})

        def credit(size: int) -> None:
            if number in self._incoming:
                self._wire.tell({"type": "credit", "stream": number, "bytes": size})

        inlet = self._incoming[number] = Inlet(credit, stop)
        return Stream(asyncio.get_running_loop(), inlet)

    def on_data(self, header: dict[str, Any], payload: bytes | memoryview) -> None:
        """Take a piece; one of a stream that nobody reads any more is dropped."""
        inlet = self._incoming.get(_number(header))
        if inlet is not None:
            inlet.feed(payload)

    def on_end(self, header: dict[str, Any], _: bytes | memoryview) -> None:
        """Take the end of a stream."""
        inlet, error = self._incoming.pop(_number(header), None), header.get("error")
        if inlet is None:
            return
        if isinstance(error, dict):
            inlet.end(PageError(*(str(error.get(key) or "") for key in ("name", "message", "trace"))))
        elif header.get("size", inlet.size) != inlet.size:
            inlet.end(PageGone())  # it is no longer among those that end with the page
            raise BadFrame("A stream has another size than its end says.")
        else:
            inlet.end()

    # to the page

    def offer(self, pieces: Pieces) -> str:
        """Return a ticket for a stream, which the page fetches with it."""
        ticket = secrets.token_urlsafe(16)
        expiry = asyncio.get_running_loop().call_later(OFFER_SECONDS, self.withdraw, ticket)
        self._outgoing[ticket] = _Outlet(pieces, expiry)
        return ticket

    def has(self, ticket: str) -> bool:
        """Tell whether there is such a stream that was not fetched yet."""
        return ticket in self._outgoing and self._outgoing[ticket].task is None

    def withdraw(self, ticket: str) -> None:
        """Send a stream no more; where it is over, nothing happens."""
        outlet = self._outgoing.get(ticket)
        if outlet is None:
            return
        if outlet.task is not None:
            outlet.task.cancel()
            return
        del self._outgoing[ticket]
        outlet.expiry.cancel()
        self._finished(ticket, 0, ChannelError("This stream was taken back."))
        self._wire.later(outlet.pieces.aclose())

    def on_stop(self, header: dict[str, Any], _: bytes | memoryview) -> None:
        """Take that nobody will read a stream, or not to its end."""
        self.withdraw(str(header.get("ticket", "")))

    async def deliver(self, ticket: str, request: web.Request) -> web.StreamResponse:
        """Answer the request by which the page fetches a stream."""
        outlet, size = self._outgoing[ticket], 0
        outlet.task = asyncio.current_task()
        outlet.expiry.cancel()
        response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
        response.force_close()
        try:
            await prepare(response, request, page_speaks=False)
            async for piece in outlet.pieces:
                size += len(piece)
                await response.write(piece)
            await response.write_eof()
            self._finished(ticket, size, None)
        except asyncio.CancelledError:  # taken back, or the page has hung up
            self._finished(ticket, size, ChannelError("This stream was taken back."))
            if request.transport is not None:
                request.transport.abort()
            raise
        except BaseException as error:  # of the source; or the page does not read on, and forgets what it is told
            self._finished(ticket, size, error)
        finally:
            del self._outgoing[ticket]
            await outlet.pieces.aclose()
        return response

    def give_up(self) -> None:
        """End all streams: the page is gone."""
        for inlet in self._incoming.values():
            inlet.end(PageGone())
        self._incoming.clear()
        for ticket in list(self._outgoing):
            self.withdraw(ticket)

    def _finished(self, ticket: str, size: int, error: BaseException | None) -> None:
        about = {} if error is None else {"error": told(error)}
        self._wire.tell({"type": "end", "ticket": ticket, "size": size, **about})


def _number(header: dict[str, Any]) -> int:
    number = header.get("stream")
    return number if isinstance(number, int) else -1
