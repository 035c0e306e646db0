"""Bytes from a page, and bytes for one."""

from __future__ import annotations

import asyncio
import gc
import io
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_notebook.channel.protocol import WINDOW
from pyramid_notebook.channel.sources import is_stream, pieces_of
from pyramid_notebook.channel.streams import Inlet, Stream
from pyramid_notebook.channel.threads import Workers
from pyramid_notebook.errors import BadFrame, ChannelError, PageError, PageGone, Unsendable


class Page:
    """What a stream tells its page."""

    def __init__(self) -> None:
        self.credits: list[int] = []
        self.stops = 0
        self.inlet = Inlet(self.credits.append, self._stop)

    def _stop(self) -> None:
        self.stops += 1

    def sends(self, *pieces: bytes) -> Page:
        for piece in pieces:
            self.inlet.feed(memoryview(piece))
        return self

    def ends(self, error: Exception | None = None) -> Page:
        self.inlet.end(error)
        return self

    @property
    def stream(self) -> Stream:
        return Stream(asyncio.get_running_loop(), self.inlet)


def read(pieces: list[bytes], how: Callable[[Stream], AsyncIterator[bytes]]) -> list[bytes]:
    async def reading() -> list[bytes]:
        return [piece async for piece in how(Page().sends(*pieces).ends().stream)]

    return asyncio.run(reading())


@st.composite
def cut(draw: st.DrawFn) -> list[bytes]:
    """Bytes of few kinds, cut into pieces anywhere."""
    data = draw(st.lists(st.sampled_from([b"a", b"b", b"\r", b"\n"]), max_size=40).map(b"".join))
    cuts = draw(st.lists(st.integers(0, len(data))))
    return [data[start:end] for start, end in pairwise(sorted([0, *cuts, len(data)]))]


@given(cut(), st.sampled_from([b"a", b"ab", b"aa", b"\r\n", b"aba", b"aab"]))
def test_pieces_by_separator_are_those_of_split_however_the_bytes_come(pieces: list[bytes], mark: bytes) -> None:
    whole = b"".join(pieces).split(mark)
    expected = [*(part + mark for part in whole[:-1]), *([whole[-1]] if whole[-1] else [])]
    assert read(pieces, lambda stream: stream.by_separator(mark)) == expected


@given(cut(), st.integers(1, 10))
def test_pieces_by_limit_are_those_of_slicing_however_the_bytes_come(pieces: list[bytes], limit: int) -> None:
    whole = b"".join(pieces)
    expected = [whole[start : start + limit] for start in range(0, len(whole), limit)]
    assert read(pieces, lambda stream: stream.by_limit(limit)) == expected


def test_a_separator_may_be_any_text() -> None:
    assert read([b"\xc5\xbc", b"x\xc5", b"\xbcy"], lambda s: s.by_separator("ż")) == [b"\xc5\xbc", b"x\xc5\xbc", b"y"]


def test_a_limit_and_a_separator_have_at_least_one_byte() -> None:
    with pytest.raises(ValueError, match="at least one byte"):
        read([], lambda stream: stream.by_limit(0))
    with pytest.raises(ValueError, match="at least one byte"):
        read([], lambda stream: stream.by_separator(""))


def test_a_page_that_sends_more_than_it_may_makes_no_sense() -> None:
    page = Page().sends(bytes(WINDOW))
    with pytest.raises(BadFrame, match="more of a stream"):
        page.sends(b"x")


def test_what_was_read_may_be_sent_again() -> None:
    async def reading() -> None:
        page = Page().sends(bytes(WINDOW))
        stream = page.stream
        assert len(await anext(aiter(stream))) == WINDOW
        assert page.credits == [WINDOW]
        page.sends(bytes(WINDOW))

    asyncio.run(reading())


def test_many_small_pieces_wait_as_few() -> None:
    pieces = read([b"x"] * 100_000, aiter)
    assert b"".join(pieces) == b"x" * 100_000
    assert len(pieces) < 2000


def test_empty_pieces_cost_nothing() -> None:
    assert read([b""] * 1000, aiter) == []


def test_pieces_before_an_error_are_read_before_it_is_raised() -> None:
    async def reading() -> None:
        pieces = aiter(Page().sends(b"a").ends(PageError("TypeError", "bad")).stream)
        assert await anext(pieces) == b"a"
        with pytest.raises(PageError, match="TypeError: bad"):
            await anext(pieces)

    asyncio.run(reading())


def test_a_reader_that_leaves_stops_the_page() -> None:
    async def reading() -> None:
        page = Page().sends(b"a", b"b")
        pieces = aiter(page.stream)
        await anext(pieces)
        await pieces.aclose()  # type: ignore[attr-defined]
        await asyncio.sleep(0)
        assert page.stops == 1
        with pytest.raises(PageGone):
            await page.stream.join()

    asyncio.run(reading())


@pytest.mark.parametrize("error", [PageGone(), PageError("TypeError", "no", "at f")], ids=repr)
def test_a_stream_that_failed_in_the_hands_of_its_reader_is_kept_by_nobody(error: Exception) -> None:
    async def reading(stream: Stream) -> None:
        async for _ in stream:
            pass

    async def failing() -> weakref.ref[Stream]:
        stream = Page().sends(b"abc").ends(error).stream
        found = weakref.ref(stream)
        for _ in range(2):  # whoever reads on is told again
            with pytest.raises(type(error)) as told:
                await reading(stream)
            assert (str(told.value), told.value.__dict__) == (str(error), error.__dict__)
            del told
        return found

    found = asyncio.run(failing())
    gc.collect()
    assert found() is None


def test_a_stream_that_nobody_holds_stops_the_page() -> None:
    async def reading() -> None:
        page = Page().sends(b"a")
        page.stream.by_limit(1)
        gc.collect()
        await asyncio.sleep(0)
        assert page.stops == 1

    asyncio.run(reading())


def test_a_stream_that_was_read_to_its_end_stops_nothing() -> None:
    async def reading() -> None:
        page = Page().sends(b"a").ends()
        assert await page.stream.join() == b"a"
        gc.collect()
        await asyncio.sleep(0)
        assert page.stops == 0

    asyncio.run(reading())


def test_a_thread_that_may_wait_reads_by_for() -> None:
    async def reading() -> list[bytes]:
        stream = Page().sends(b"a", b"b").ends().stream
        return await asyncio.to_thread(lambda: list(stream))

    assert asyncio.run(reading()) == [b"a", b"b"]


def test_the_channels_own_thread_must_not_wait() -> None:
    async def reading() -> None:
        with pytest.raises(ChannelError, match="async for"):
            next(iter(Page().sends(b"a").stream))

    asyncio.run(reading())


# for the page


def sent(source: Any) -> list[bytes]:
    async def sending() -> list[bytes]:
        workers = Workers(asyncio.get_running_loop(), 2)
        try:
            return [piece async for piece in pieces_of(source, workers)]
        finally:
            workers.close()

    return asyncio.run(sending())


async def ticking() -> AsyncIterator[bytes]:
    yield b"a"
    yield b"b"


@pytest.mark.parametrize("kind", ["bytes", "memoryview", "file", "list", "generator", "asynchronous generator"])
def test_whatever_yields_bytes_is_a_stream(kind: str) -> None:
    sources: dict[str, Any] = {
        "bytes": b"ab",
        "memoryview": memoryview(b"ab"),
        "file": io.BytesIO(b"ab"),
        "list": [b"a", bytearray(b"b")],
        "generator": (piece for piece in [b"a", b"b"]),
        "asynchronous generator": ticking(),
    }
    assert b"".join(sent(sources[kind])) == b"ab"


@pytest.mark.parametrize("source", ["text", {"a": b"b"}, 1, None])
def test_what_yields_no_bytes_is_no_stream(source: Any) -> None:
    with pytest.raises(Unsendable, match="is no stream"):
        sent(source)


@pytest.mark.parametrize("piece", ["text", None, 1])
def test_pieces_that_are_no_bytes_are_refused_and_do_not_look_like_the_end(piece: Any) -> None:
    with pytest.raises(Unsendable, match="its pieces are bytes"):
        sent([b"a", piece])


def test_a_generator_that_is_not_read_to_its_end_is_closed() -> None:
    closed = []

    def source() -> Iterator[bytes]:
        try:
            yield b"a"
            yield b"b"
        finally:
            closed.append(True)

    async def sending() -> None:
        workers = Workers(asyncio.get_running_loop(), 2)
        pieces = pieces_of(source(), workers)
        await anext(pieces)
        await pieces.aclose()
        workers.close()

    asyncio.run(sending())
    assert closed == [True]


def test_only_what_yields_by_itself_is_taken_for_a_stream() -> None:
    assert is_stream(iter([b""]))
    assert is_stream(ticking())
    assert not any(is_stream(value) for value in (b"", "", [], {}, (), None, 1))
