"""Bytes that come from a page piece by piece, with no more under way than their reader can take."""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from copy import copy

from ..errors import BadFrame, ChannelError, PageGone
from .loops import crossed
from .protocol import WINDOW
from .sources import Source
from .threads import running_loop, waited

__all__ = ["Inlet", "Source", "Stream"]
_MOST_PIECES = 1024  # more that wait become one: each small object costs more than a small piece


class Inlet:
    """Where the bytes of one stream arrive; all of it on the channel's loop.

    Args:
        credit: called with the number of bytes that were read.
        stop: called when nobody reads it any more.
    """

    def __init__(self, credit: Callable[[int], None], stop: Callable[[], None]) -> None:
        self.size = 0
        self._credit = credit
        self._stop = stop
        self._left = WINDOW
        self._pieces: deque[bytes | bytearray] = deque()
        self._more = asyncio.Event()
        self._error: Exception | None = None
        self._is_over = False

    def feed(self, piece: bytes | memoryview) -> None:
        """Take a piece.

        Raises:
            BadFrame: it is more than the page was allowed to send.
        """
        self._left -= len(piece)
        self.size += len(piece)
        if self._left < 0:
            raise BadFrame("A page sent more of a stream than it may.")
        if self._is_over or not piece:
            return
        if len(self._pieces) < _MOST_PIECES:
            self._pieces.append(bytes(piece))
        elif isinstance(self._pieces[-1], bytearray):
            self._pieces[-1] += piece
        else:
            self._pieces.append(bytearray(piece))
        self._more.set()

    def end(self, error: Exception | None = None) -> None:
        """Take its end, or why there is no proper one."""
        if not self._is_over:
            self._is_over, self._error = True, error
            self._more.set()

    async def take(self) -> list[bytes]:
        """Return the pieces that are there, as soon as there are any; none at the end.

        Raises:
            PageError: the page could not go on.
            PageGone: it was closed, or loaded anew.
        """
        while not self._pieces:
            if self._is_over:
                if self._error is not None:
                    raise copy(self._error)  # the traceback of one that is raised keeps the reader, and so the stream
                return []
            self._more.clear()
            await self._more.wait()
        pieces = [bytes(piece) for piece in self._pieces]
        self._pieces.clear()
        size = sum(map(len, pieces))
        self._left += size
        self._credit(size)
        return pieces

    def close(self) -> None:
        """Take no more, and let the page know."""
        if not self._is_over:
            self.end(PageGone("This stream was closed before its end."))
            self._stop()
        self._pieces.clear()


class Stream:
    """Bytes from the page; read them once, by ``async for`` or in a cell that does not await, by ``for``.

    One that nobody holds any more is closed, and so is one whose reader leaves it before its end.

    Args:
        loop: the channel's own.
        inlet: where they arrive.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, inlet: Inlet) -> None:
        self._loop = loop
        self._inlet = inlet
        weakref.finalize(self, _close, loop, inlet).atexit = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the pieces as they come.

        Raises:
            PageError: the page could not go on.
            PageGone: it was closed, or loaded anew.
        """
        try:
            while pieces := await crossed(self._loop, self._inlet.take):
                for piece in pieces:
                    yield piece
        finally:
            _close(self._loop, self._inlet)

    def __iter__(self) -> Iterator[bytes]:
        """Yield the pieces as they come, on a thread that may wait; raises the same.

        Raises:
            ChannelError: it is the channel's own thread, which may not.
        """
        if running_loop() is self._loop:
            raise ChannelError("Here the channel itself would wait for itself: read the stream by async for.")
        try:
            while pieces := self._waited():
                yield from pieces
        finally:
            _close(self._loop, self._inlet)

    def _waited(self) -> list[bytes]:
        pieces: list[bytes] = waited(self._loop, self._inlet.take, None)
        return pieces

    def close(self) -> None:
        """Read no more of it; from any thread."""
        _close(self._loop, self._inlet)

    async def join(self) -> bytes:
        """Return all bytes that are still to come."""
        return b"".join([piece async for piece in self])

    async def by_limit(self, limit: int = 8192) -> AsyncIterator[bytes]:
        """Yield pieces of so many bytes; the last one may have fewer."""
        if limit < 1:
            raise ValueError("A piece has at least one byte.")
        rest = bytearray()
        async for piece in self:
            rest += piece
            start = 0
            for start in range(limit, len(rest) + 1, limit):
                yield bytes(rest[start - limit : start])
            del rest[:start]
        if rest:
            yield bytes(rest)

    async def by_separator(self, separator: str | bytes = b"\n") -> AsyncIterator[bytes]:
        """Yield pieces that end with a separator, which they keep; the last one may lack it."""
        mark = separator.encode() if isinstance(separator, str) else bytes(separator)
        if not mark:
            raise ValueError("A separator has at least one byte.")
        rest, searched = bytearray(), 0
        async for piece in self:
            rest += piece
            start = 0
            while (place := rest.find(mark, max(start, searched))) >= 0:
                end = place + len(mark)
                yield bytes(rest[start:end])
                start = end
            del rest[:start]
            searched = max(0, len(rest) - len(mark) + 1)
        if rest:
            yield bytes(rest)


def _close(loop: asyncio.AbstractEventLoop, inlet: Inlet) -> None:
    with suppress(RuntimeError):  # the loop is closed, and all its streams with it
        loop.call_soon_threadsafe(inlet.close)
