"""What can be sent to a page as a stream, and its pieces."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterable, Iterator
from contextlib import closing, suppress
from typing import Any, BinaryIO

from ..errors import Unsendable
from .loops import crossed
from .protocol import PIECE
from .threads import Workers, interruptible

#: What can be sent as a stream: pieces that come or are there, an open file, or bytes.
Source = AsyncIterable[bytes] | Iterable[bytes] | BinaryIO | bytes
Pieces = AsyncGenerator[bytes, None]
_FILE_PIECE = 1024 * 1024
_END = object()


def is_stream(value: object) -> bool:
    """Tell whether a function returned something that goes as a stream: it yields by itself."""
    return isinstance(value, (AsyncIterator, Iterator)) or hasattr(value, "__aiter__")


def pieces_of(source: Source, workers: Workers, home: asyncio.AbstractEventLoop | None = None) -> Pieces:
    """Return the pieces of what is sent as a stream.

    Args:
        source: what is sent.
        workers: threads on which plain iterables and files are read.
        home: the loop on which what comes asynchronously was made, and is read; None for the one that reads.

    Raises:
        Unsendable: it is nothing of which a stream could be made.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _slices(memoryview(source).cast("B"))
    if hasattr(source, "__aiter__"):
        return _awaited(source, home)
    if hasattr(source, "read"):
        return _threaded(iter(lambda: source.read(_FILE_PIECE), b""), workers)
    if isinstance(source, Iterable) and not isinstance(source, (str, dict)):
        return _threaded(iter(source), workers)
    raise Unsendable(f"A {type(source).__name__} is no stream. Give bytes, an open file, or what yields bytes.")


async def in_turns(source: Generator[Any, Any, Any]) -> Pieces:
    """Yield the pieces of a generator on the thread that runs the loop; other things happen there between them."""
    with closing(source):
        while (piece := _next(source)) is not _END:
            yield piece


def _next(source: Iterator[Any]) -> Any:
    with interruptible():
        return next(source, _END)


async def _slices(source: memoryview) -> Pieces:
    for start in range(0, len(source), 16 * PIECE):
        yield bytes(source[start : start + 16 * PIECE])


async def _awaited(source: Any, home: asyncio.AbstractEventLoop | None) -> Pieces:
    there = home or asyncio.get_running_loop()
    iterator = aiter(source)
    try:
        while (piece := await crossed(there, lambda: _following(iterator))) is not _END:
            yield _bytes(piece)
    finally:
        await crossed(there, lambda: _closed(iterator))


async def _following(iterator: Any) -> Any:
    return await anext(iterator, _END)


async def _closed(iterator: Any) -> None:
    if hasattr(iterator, "aclose"):
        with suppress(RuntimeError):  # it runs: then it is just being cancelled, which closes it as well
            await iterator.aclose()


async def _threaded(source: Iterator[Any], workers: Workers) -> Pieces:
    try:
        while (piece := await workers.run(lambda: next(source, _END))) is not _END:
            yield _bytes(piece)
    finally:
        if hasattr(source, "close"):
            with suppress(ValueError):  # it runs, and is closed when it is forgotten
                await workers.run(source.close)


def _bytes(piece: Any) -> bytes:
    if not isinstance(piece, (bytes, bytearray, memoryview)):
        raise Unsendable(f"A stream yielded a {type(piece).__name__}, and its pieces are bytes.")
    return bytes(piece)
