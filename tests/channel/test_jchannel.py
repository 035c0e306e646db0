"""jchannel's API on our channel, with a page that needs no browser; its JavaScript is in tests/browser."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_notebook.channel import jchannel
from pyramid_notebook.channel.hub import Hub
from pyramid_notebook.channel.jchannel.channel import public_methods
from pyramid_notebook.channel.jchannel.types import FrontendError, StateError
from pyramid_notebook.errors import ChannelTimeout, Unsendable

from .conftest import page_of, until

OPENED = {"jchannel.opened": lambda: "ready"}


def test_a_server_is_started_by_await_and_stopped_by_its_block() -> None:
    async def scenario() -> None:
        server = await jchannel.start(host="127.0.0.1", port=8889)
        assert server.is_running
        await server.stop()
        assert not server.is_running
        await server.start()
        assert server.is_running
        async with jchannel.start() as other:
            assert other.is_running
        assert not other.is_running

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"host": 1}, TypeError),
        ({"host": "  "}, ValueError),
        ({"host": "a/b"}, ValueError),
        ({"port": "8889"}, TypeError),
        ({"port": -1}, ValueError),
        ({"url": 1}, TypeError),
        ({"url": "example.com"}, ValueError),
        ({"url": "https://"}, ValueError),
        ({"url": "http:///path"}, ValueError),
        ({"heartbeat": 0.5}, TypeError),
        ({"heartbeat": 0}, ValueError),
    ],
    ids=str,
)
def test_arguments_that_jchannel_refuses_are_refused(arguments: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        jchannel.start(**arguments)


@pytest.mark.parametrize("url", ["http://localhost", " https://example.com:8000/// "])
def test_arguments_that_jchannel_takes_are_taken(url: str) -> None:
    jchannel.start("localhost", 0, url, 1)


def test_a_channel_is_opened_with_its_code_and_calls_the_page(hub: Hub) -> None:
    async def scenario() -> None:
        async with page_of(hub, **OPENED, double=lambda number: 2 * number) as page:
            server = await jchannel.start()
            channel = await server.open("(channel) => { mine(channel); }", timeout=0.5 + 5)
            assert "(channel) => { mine(channel); }" in page.codes[0]
            task = channel.call("double", 21)
            assert isinstance(task, asyncio.Task)
            assert await task == 42
            assert await channel.open() == "ready"

    asyncio.run(scenario())


def test_an_exception_of_the_page_is_jchannels(hub: Hub) -> None:
    async def scenario() -> None:
        async with page_of(hub, **OPENED) as page:
            channel = await (await jchannel.start()).open("() => {}")
            task = channel.call("fail")
            error = {"name": "RangeError", "message": "too far", "trace": "at fail", "kind": "exception"}
            await page.say("error", id=(await page.hear("call")).header["id"], error=error)
            with pytest.raises(FrontendError) as raised:
                await task
            assert str(raised.value) == "RangeError: too far"
            assert "at fail" in str(raised.value.__cause__)

    asyncio.run(scenario())


def test_a_page_that_hangs_is_waited_for_as_long_as_was_said_and_does_no_harm(hub: Hub) -> None:
    async def scenario() -> None:
        async with page_of(hub, **OPENED, one=lambda: 1) as page:
            channel = await (await jchannel.start()).open("() => {}")
            with pytest.raises(ChannelTimeout):
                await channel.call("hang", timeout=0.05)
            late = (await page.hear("call")).header["id"]
            await page.say("result", id=late, value="late")
            assert await channel.call("one") == 1

    asyncio.run(scenario())


@pytest.mark.parametrize("value", [float("nan"), object(), "x" * (17 * 1024 * 1024)], ids=["NaN", "object", "large"])
def test_a_value_that_cannot_be_sent_fails_its_own_call_only(hub: Hub, value: Any) -> None:
    async def scenario() -> None:
        async with page_of(hub, **OPENED, one=lambda: 1):
            channel = await (await jchannel.start()).open("() => {}")
            with pytest.raises(Unsendable):
                await channel.call("one", value)
            assert await channel.call("one") == 1

    asyncio.run(scenario())


def test_without_a_page_the_server_is_not_connected(hub: Hub) -> None:
    async def scenario() -> None:
        server = await jchannel.start()
        with pytest.raises(StateError, match="Server not connected"):
            await server.open("() => {}", timeout=0)

    asyncio.run(scenario())


def test_a_page_that_goes_is_a_disconnected_server(hub: Hub) -> None:
    async def scenario() -> None:
        async with page_of(hub, **OPENED) as page:
            channel = await (await jchannel.start()).open("() => {}")
            task = channel.call("hang", timeout=None)
            await page.hear("call")
            await page.leave()
            with pytest.raises(StateError, match="Server has disconnected"):
                await task

    asyncio.run(scenario())


def test_outside_of_a_kernel_the_server_is_not_prepared() -> None:
    async def scenario() -> None:
        server = await jchannel.start()
        with pytest.raises(StateError, match="Server not prepared"):
            await server.open("() => {}")

    asyncio.run(scenario())


def test_a_server_that_does_not_run_opens_and_calls_nothing(hub: Hub) -> None:
    async def scenario() -> None:
        async with page_of(hub, **OPENED, one=lambda: 1):
            async with jchannel.start() as server:
                channel = await server.open("() => {}")
            for task in (channel.call("one"), channel.call_with_stream("one", b""), channel.echo(), channel.pipe(b"")):
                with pytest.raises(StateError, match="Server not running"):
                    await task
            with pytest.raises(StateError, match="Server not running"):
                await server.open("() => {}")
            await server.start()
            assert await channel.call("one") == 1

    asyncio.run(scenario())


def test_a_closed_channel_opens_again_for_a_call_but_not_for_a_stream(
    hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        async with page_of(hub, **OPENED, one=lambda: 1) as page:
            channel = await (await jchannel.start()).open("() => {}")
            await channel.close()
            await page.hear("close")
            with pytest.raises(StateError, match="Channel was closed"):
                await channel.call_with_stream("one", b"")
            with caplog.at_level(logging.WARNING):
                assert await channel.call("one") == 1
            assert "trying to open" in caplog.text
            assert len(page.codes) == 2

    asyncio.run(scenario())


def test_a_block_opens_and_closes_a_channel(hub: Hub) -> None:
    async def scenario() -> None:
        async with page_of(hub, **OPENED) as page, jchannel.start() as server:
            channel = jchannel.Channel(server, "() => {}")
            assert channel.context_timeout == 3
            async with channel as opened:
                assert opened is channel
                assert len(hub.channels) == 1
            await page.hear("close")
            assert not hub.channels

    asyncio.run(scenario())


def test_a_channel_that_nobody_holds_is_closed(hub: Hub) -> None:
    async def scenario() -> None:
        async with page_of(hub, **OPENED) as page:
            server = await jchannel.start()
            await server.open("() => {}")
            gc.collect()
            await page.hear("close")
            await until(lambda: not hub.channels, "the channel is gone")

    asyncio.run(scenario())


@pytest.mark.parametrize(("timeout", "error"), [("3", TypeError), (True, TypeError), (-1, ValueError)])
def test_a_timeout_is_a_number_of_seconds(hub: Hub, timeout: Any, error: type[Exception]) -> None:
    async def scenario() -> None:
        channel = jchannel.Channel(await jchannel.start(), "() => {}")
        uses: tuple[Callable[..., Any], ...] = (channel.open, channel.close, channel.echo)
        for use in uses:
            with pytest.raises(error):
                await use(timeout=timeout)

    asyncio.run(scenario())


def test_a_channel_is_of_a_server() -> None:
    with pytest.raises(TypeError, match="jchannel server"):
        jchannel.Channel(object(), "() => {}")  # type: ignore[arg-type]


class Handler:
    rate = 2
    _hidden = print

    def __init__(self) -> None:
        self.names: list[str] = []

    def multiply(self, first: int, second: int) -> int:
        return first * second

    async def later(self) -> str:
        return "later"

    @property
    def shown(self) -> str:
        raise AssertionError("nobody may ask for it")

    def _private(self) -> None:
        raise AssertionError("nobody may call it")


def test_the_page_calls_the_handlers_public_methods(hub: Hub) -> None:
    async def scenario() -> None:
        async with page_of(hub, **OPENED) as page:
            channel = await (await jchannel.start()).open("() => {}")
            name = next(iter(hub.channels))
            channel.handler = Handler()
            await page.call("multiply", 6, 7, channel=name)
            assert await page.value() == 42
            await page.call("later", number=2, channel=name)
            assert await page.value() == "later"
            for number, asked in enumerate(
                ("rate", "names", "shown", "_private", "_hidden", "__init__", "__class__"), 3
            ):
                await page.call(asked, number=number, channel=name)
                assert (await page.error())["kind"] == "not-exposed"
            channel.handler = None
            await page.call("multiply", 6, 7, number=20, channel=name)
            assert (await page.error())["kind"] == "not-exposed"

    asyncio.run(scenario())


def test_a_handler_may_be_set_before_its_channel_is_open(hub: Hub) -> None:
    async def scenario() -> None:
        async with page_of(hub, **OPENED) as page:
            channel = jchannel.Channel(await jchannel.start(), "() => {}")
            channel.handler = Handler()
            await channel.open()
            await page.call("multiply", 6, 7, channel=next(iter(hub.channels)))
            assert await page.value() == 42

    asyncio.run(scenario())


HANDLERLESS = (None, 3, {"a": len}, [], object(), dict, type("Empty", (dict,), {})())


@pytest.mark.parametrize("handler", HANDLERLESS, ids=lambda it: type(it).__name__)
def test_what_has_no_functions_of_its_own_exposes_none(handler: object) -> None:
    assert list(public_methods(handler)) == []


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), st.sampled_from([len, 3, "x", lambda: 1])))
def test_public_methods_are_functions_without_an_underscore(attributes: dict[str, Any]) -> None:
    handler = type("Made", (), attributes)()
    wanted = [name for name, value in attributes.items() if not name.startswith("_") and value.__class__ is _function]
    assert sorted(public_methods(handler)) == sorted(wanted)


_function = type(lambda: None)
