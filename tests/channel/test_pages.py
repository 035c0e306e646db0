"""Pages that come and go, and those that make no sense."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pyramid_notebook.channel.hub import Hub
from pyramid_notebook.channel.kernel import Channel
from pyramid_notebook.errors import (
    NoPage,
    PageGone,
)

from .conftest import FakePage, opened, page_of, session_with, until


def test_without_a_page_a_call_says_so(hub: Hub, channel: Channel) -> None:
    with pytest.raises(NoPage, match="No page is connected"):
        channel.call_sync("echo", timeout=0.05)
    with pytest.raises(NoPage):
        asyncio.run(channel.wait_for_page(timeout=0.05))


def test_of_calls_without_a_page_only_the_first_one_waits_for_it(
    hub: Hub, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float | None] = []
    chosen = hub.chosen

    async def counted(which: Any, seconds: float | None) -> Any:
        waits.append(seconds)
        return await chosen(which, 0)

    monkeypatch.setattr(hub, "chosen", counted)
    for _ in range(2):
        with pytest.raises(NoPage):
            channel.call_sync("echo")
    channel._repr_mimebundle_()  # a cell shows it: a page may be about to connect
    with pytest.raises(NoPage):
        channel.call_sync("echo")
    assert waits == [3, 0, 3]


def test_a_call_that_has_waited_shortly_keeps_no_other_from_waiting(hub: Hub, channel: Channel) -> None:
    with pytest.raises(NoPage):
        channel.call_sync("echo", timeout=0.01)
    assert not hub.is_deserted


def test_a_page_that_connects_late_is_called_all_the_same(hub: Hub, channel: Channel) -> None:
    hub.is_deserted = True

    async def calling() -> None:
        async with page_of(hub, echo=lambda value: value) as page:
            assert await channel.call("echo", 1) == 1
            await page.leave()
        assert not hub.is_deserted  # it may come back, as after a reload

    asyncio.run(calling())


def test_a_call_waits_for_a_page_that_is_about_to_connect(hub: Hub, channel: Channel) -> None:
    async def calling() -> None:
        call = channel.call("echo", 1)
        found = asyncio.create_task(channel.wait_for_page(timeout=None))
        await asyncio.sleep(0)
        async with page_of(hub, echo=lambda value: value):
            assert await call == 1
            assert (await found).title == "A notebook"

    asyncio.run(calling())


def test_a_page_that_is_not_connected_is_named(hub: Hub, channel: Channel) -> None:
    async def calling() -> None:
        async with page_of(hub):
            with pytest.raises(NoPage, match="'other' is connected; 1 others are"):
                await channel.call("echo", page="other", timeout=0.05)

    asyncio.run(calling())


def test_a_page_that_goes_during_a_call_is_a_connection_error(hub: Hub, channel: Channel) -> None:
    async def calling() -> None:
        async with page_of(hub) as page:
            call = channel.call("hang", timeout=None)
            await page.hear("call")
            await page.leave()
            with pytest.raises(ConnectionError) as caught:
                await call
            assert isinstance(caught.value, PageGone)

    asyncio.run(calling())


def test_the_same_page_again_takes_the_place_of_the_one_before(hub: Hub, channel: Channel) -> None:
    async def calling() -> None:
        async with page_of(hub) as before:
            call = channel.call("hang", timeout=None)
            await before.hear("call")
            async with page_of(hub, echo=lambda value: value):
                with pytest.raises(PageGone):
                    await call
                assert (await before.hear("closed")).header["code"] == 1001
                assert await channel.call("echo", 1) == 1
                assert len(channel.pages) == 1

    asyncio.run(calling())


def test_the_code_of_a_channel_runs_whenever_a_page_connects(hub: Hub) -> None:
    opened("main", "(channel) => 1")

    async def calling() -> None:
        for _ in range(2):  # the same page both times, which was not loaded anew
            async with page_of(hub) as page:
                await until(lambda: page.codes == ["(channel) => 1"], "the code has run in this connection")

    asyncio.run(calling())


def test_the_code_of_a_channel_runs_once_in_a_connection_and_again_when_it_is_another(hub: Hub) -> None:
    channel = opened("main", "(channel) => 1")

    async def calling() -> None:
        async with page_of(hub, echo=lambda value: value) as page:
            await channel.call("echo", 1)
            await channel.call("echo", 1)
            assert page.codes == ["(channel) => 1"]
            assert opened("main", "(channel) => 1") is channel
            assert opened("main") is channel
            assert opened("main", "(channel) => 2") is channel
            await channel.call("echo", 1)
            assert page.codes == ["(channel) => 1", "(channel) => 2"]

    asyncio.run(calling())


def test_a_page_that_asks_for_a_word_gets_one(hub: Hub, channel: Channel) -> None:
    async def asking() -> None:
        async with page_of(hub) as page:
            await page.say("ping")
            assert (await page.hear("pong")).header == {"type": "pong"}

    asyncio.run(asking())


@pytest.mark.parametrize("name", ["first", "last", "all", ""])
def test_a_page_cannot_take_a_word_for_its_id(hub: Hub, name: str) -> None:
    async def connecting() -> None:
        async with session_with(hub) as session:
            page = FakePage(hub, session, {})
            await page.connect(name)
            await page.listen()
            assert (await page.hear("closed")).header["code"] == 1002
        assert not hub.pages

    asyncio.run(connecting())


@pytest.mark.parametrize(
    "message",
    [
        "no JSON",
        '{"type":"open"}',
        '{"type":"call"}',
        '{"type":"call","id":1,"stream":7}',
        '{"type":"result","id":1,"stream":{"id":"x"}}',
        b"\xff\xff\xff\xff",
    ],
)
def test_a_page_that_makes_no_sense_is_hung_up_on(hub: Hub, channel: Channel, message: str | bytes) -> None:
    async def calling() -> None:
        async with page_of(hub) as page:
            await page.say_raw(message)
            assert (await page.hear("closed")).header["code"] == 1002

    asyncio.run(calling())


@pytest.mark.parametrize("stream", [None, [], {}, "x", 1e9, -1])
def test_ends_data_and_stops_of_streams_that_nobody_knows_are_for_nobody(
    hub: Hub, channel: Channel, stream: Any
) -> None:
    async def calling() -> None:
        async with page_of(hub, echo=lambda value: value) as page:
            for kind in ("data", "end", "stop", "cancel"):
                await page.say(kind, b"x" * 10, stream=stream, ticket=stream, id=stream)
            assert await channel.call("echo", 1) == 1

    asyncio.run(calling())
