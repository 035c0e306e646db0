"""Streams between a kernel and a page that is a plain websocket: both ways, stopped, broken and left alone."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from pyramid_notebook.channel import flows
from pyramid_notebook.channel.exposed import Where
from pyramid_notebook.channel.hub import Hub
from pyramid_notebook.channel.kernel import Channel
from pyramid_notebook.channel.protocol import LARGEST, PIECE, WINDOW
from pyramid_notebook.channel.streams import Stream
from pyramid_notebook.errors import (
    PageError,
    PageGone,
)

from .conftest import FakePage, opened, page_of, until


def test_a_stream_from_the_page_arrives_whole_even_in_the_same_packet_as_its_call(hub: Hub, channel: Channel) -> None:
    async def joined(stream: Stream) -> int:
        return len(await stream.join())

    channel.expose(joined)
    channel.expose(joined, name="own", thread="own")
    channel.expose(lambda stream: sum(map(len, stream)), name="by_for", thread="own")

    async def calling() -> None:
        opened()
        async with page_of(hub) as page:
            for number, name in enumerate(("joined", "own", "by_for")):
                sending = [page.call(name, number=number, stream={"id": number})]
                sending += [page.say("data", b"x" * PIECE, stream=number) for _ in range(WINDOW // PIECE)]
                sending += [page.say("end", stream=number, size=WINDOW)]
                for one in sending:
                    await one
                assert await page.value() == WINDOW

    asyncio.run(calling())


def test_a_page_that_ignores_its_credit_is_hung_up_on(hub: Hub, channel: Channel) -> None:
    held: list[Stream] = []
    channel.expose(held.append, name="hold", thread="own")

    async def calling() -> None:
        async with page_of(hub) as page:
            await page.call("hold", stream={"id": 1})
            await page.value()
            for _ in range(WINDOW // PIECE + 1):
                await page.say("data", b"x" * PIECE, stream=1)
            assert (await page.hear("closed")).header["code"] == 1002
            with pytest.raises(PageGone):
                await held[0].join()

    asyncio.run(calling())


def test_a_stream_that_a_function_does_not_read_is_stopped(hub: Hub, channel: Channel) -> None:
    channel.expose(lambda stream: None, name="ignore", thread="own")

    async def calling() -> None:
        async with page_of(hub) as page:
            for number, name in enumerate(("ignore", "no such function")):
                await page.call(name, number=number, stream={"id": number})
                assert (await page.hear("stop")).header["stream"] == number

    asyncio.run(calling())


def test_a_stream_that_comes_when_nobody_waits_any_more_is_stopped(hub: Hub, channel: Channel) -> None:
    async def calling() -> None:
        async with page_of(hub) as page:
            call = channel.call("stream")
            asked = await page.hear("call")
            call.cancel()
            await page.hear("cancel")
            await page.say("result", id=asked.header["id"], stream={"id": 5})
            assert (await page.hear("stop")).header["stream"] == 5

    asyncio.run(calling())


def test_a_stream_whose_size_is_another_than_its_end_says_is_refused(hub: Hub, channel: Channel) -> None:
    async def calling() -> None:
        async with page_of(hub) as page:
            call = channel.call("stream")
            asked = await page.hear("call")
            await page.say("result", id=asked.header["id"], stream={"id": 5})
            stream = await call
            await page.say("data", b"abc", stream=5)
            await page.say("end", stream=5, size=4)
            assert (await page.hear("closed")).header["code"] == 1002
            with pytest.raises(PageGone):
                await stream.join()

    asyncio.run(calling())


def test_an_error_of_the_page_in_mid_stream_is_raised_after_what_came(hub: Hub, channel: Channel) -> None:
    async def calling() -> None:
        async with page_of(hub) as page:
            call = channel.call("stream")
            asked = await page.hear("call")
            await page.say("result", id=asked.header["id"], stream={"id": 5})
            await page.say("data", b"abc", stream=5)
            await page.say("end", stream=5, size=3, error={"name": "TypeError", "message": "bad", "trace": None})
            pieces = aiter(await call)
            assert await anext(pieces) == b"abc"
            with pytest.raises(PageError, match=r"^TypeError: bad$"):
                await anext(pieces)

    asyncio.run(calling())


async def ticket_of(page: FakePage) -> str:
    return str((await page.hear("call")).header["stream"]["ticket"])


def test_a_ticket_is_good_for_once(hub: Hub, channel: Channel) -> None:
    async def calling() -> None:
        async with page_of(hub) as page:
            call = channel.call("take", stream=io.BytesIO(b"ab" * PIECE))
            ticket = await ticket_of(page)
            assert await page.fetch(ticket) == b"ab" * PIECE
            assert (await page.hear("end")).header == {"type": "end", "ticket": ticket, "size": 2 * PIECE}
            with pytest.raises(aiohttp.ClientResponseError, match="404"):
                await page.fetch(ticket)
            call.cancel()

    asyncio.run(calling())


class Source:
    """A stream that yields one piece, hangs, and tells when it is closed."""

    def __init__(self) -> None:
        self.closed = threading.Event()

    async def pieces(self) -> AsyncIterator[bytes]:
        try:
            yield b"first"
            await asyncio.Event().wait()
        finally:
            self.closed.set()

    async def is_closed(self) -> None:
        await until(self.closed.is_set, "the source is closed")


@pytest.mark.parametrize("ending", ["stop", "hang up", "leave", "cancel"])
def test_a_source_that_hangs_is_closed_when_nobody_reads_it(hub: Hub, channel: Channel, ending: str) -> None:
    async def calling() -> None:
        source = Source()
        async with page_of(hub) as page:
            call = channel.call("take", stream=source.pieces(), timeout=None)
            ticket = await ticket_of(page)
            async with page.get(ticket) as answer:
                assert await answer.content.readany() == b"first"
                if ending == "stop":
                    await page.say("stop", ticket=ticket)
                elif ending == "leave":
                    await page.leave()
                elif ending == "cancel":
                    call.cancel()
                if ending != "hang up":
                    with pytest.raises(aiohttp.ClientPayloadError):
                        await answer.read()
            await source.is_closed()
            call.cancel()

    asyncio.run(calling())


def test_a_ticket_that_nobody_uses_expires(hub: Hub, channel: Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows, "OFFER_SECONDS", 0.05)

    async def calling() -> None:
        async with page_of(hub) as page:
            call = channel.call("take", stream=[b"a"], timeout=None)
            ticket = await ticket_of(page)
            assert "taken back" in (await page.hear("end")).header["error"]["message"]
            with pytest.raises(aiohttp.ClientResponseError, match="404"):
                await page.fetch(ticket)
            call.cancel()

    asyncio.run(calling())


def test_tickets_of_a_page_that_is_gone_are_worth_nothing(hub: Hub, channel: Channel) -> None:
    async def calling() -> None:
        async with page_of(hub, "1") as gone, page_of(hub, "2") as other:
            call = channel.call("take", stream=[b"a"], page="1")
            ticket = await ticket_of(gone)
            await gone.leave()
            with pytest.raises(PageGone):
                await call
            with pytest.raises(aiohttp.ClientResponseError, match="404"):
                await other.fetch(ticket)

    asyncio.run(calling())


def test_an_error_of_the_kernel_in_mid_stream_is_told(hub: Hub, channel: Channel) -> None:
    def failing() -> Iterator[bytes]:
        yield b"abc"
        raise ConnectionResetError("of its own")

    channel.expose(failing)

    async def calling() -> None:
        opened()
        async with page_of(hub) as page:
            await page.call("failing")
            ticket = (await page.hear("result")).header["stream"]["ticket"]
            assert await page.fetch(ticket) == b"abc"
            end = (await page.hear("end")).header
            assert (end["size"], end["error"]["name"], end["error"]["message"]) == (
                3,
                "ConnectionResetError",
                "of its own",
            )

    asyncio.run(calling())


@pytest.mark.parametrize("message", ["x" * LARGEST, "\udcff"], ids=["long", "no Unicode"])
def test_an_error_of_the_kernel_in_mid_stream_is_told_whatever_its_message(
    hub: Hub, channel: Channel, message: str
) -> None:
    def failing() -> Iterator[bytes]:
        yield b"abc"
        raise ValueError(message)

    channel.expose(failing, thread="own")

    async def calling() -> None:
        async with page_of(hub) as page:
            await page.call("failing")
            assert await page.fetch((await page.hear("result")).header["stream"]["ticket"]) == b"abc"
            assert (await page.hear("end")).header["error"]["name"] == "ValueError"

    asyncio.run(calling())


def test_an_asynchronous_source_is_read_on_the_loop_where_it_was_made(hub: Hub, channel: Channel) -> None:
    async def calling() -> None:
        opened()
        here, seen = asyncio.get_running_loop(), []

        async def pieces() -> AsyncIterator[bytes]:
            seen.append(asyncio.get_running_loop())
            yield b"a"

        channel.expose(pieces)
        async with page_of(hub) as page:
            call = channel.call("take", stream=pieces())
            assert await page.fetch(await ticket_of(page)) == b"a"
            await page.call("pieces")
            assert await page.fetch((await page.hear("result")).header["stream"]["ticket"]) == b"a"
            call.cancel()
        assert seen == [here, here]

    asyncio.run(calling())


@pytest.mark.parametrize("where", ["main", "own"])
def test_a_generator_runs_on_the_thread_of_the_function_that_made_it(hub: Hub, channel: Channel, where: Where) -> None:
    threads: list[threading.Thread] = []

    def rows() -> Iterator[bytes]:
        try:
            threads.append(threading.current_thread())
            yield b"a"
            yield b"b"
        finally:
            threads.append(threading.current_thread())

    channel.expose(rows, thread=where)

    async def calling() -> None:
        opened()
        async with page_of(hub) as page:
            await page.call("rows")
            assert await page.fetch((await page.hear("result")).header["stream"]["ticket"]) == b"ab"

    asyncio.run(calling())
    assert [thread is threading.main_thread() for thread in threads] == [where == "main"] * 2


def test_an_asynchronous_source_is_read_while_a_cell_waits_for_the_call(hub: Hub, channel: Channel) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"a"
        await asyncio.sleep(0)
        yield b"b"

    async def serving(ready: threading.Event) -> None:
        async with page_of(hub) as page:
            ready.set()
            asked = (await page.hear("call")).header
            data = await page.fetch(asked["stream"]["ticket"])
            await page.say("result", id=asked["id"], value=data.decode())

    async def cell() -> None:
        ready = threading.Event()
        thread = threading.Thread(target=lambda: asyncio.run(serving(ready)))
        thread.start()
        await asyncio.to_thread(ready.wait)
        assert channel.call_sync("take", stream=pieces()) == "ab"
        thread.join()

    asyncio.run(cell())


def test_a_stream_goes_back_to_the_page_as_it_comes(hub: Hub, channel: Channel) -> None:
    channel.expose(lambda stream: stream, name="pipe")

    async def calling() -> None:
        opened()
        async with page_of(hub) as page:
            await page.call("pipe", stream={"id": 1})
            ticket = (await page.hear("result")).header["stream"]["ticket"]
            async with page.get(ticket) as answer:
                await page.say("data", b"there", stream=1)
                assert await answer.content.readany() == b"there"
                await page.say("end", stream=1, size=5)
                assert await answer.read() == b""

    asyncio.run(calling())
