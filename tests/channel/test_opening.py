"""Channels that are opened and closed, and where there is none."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest

from pyramid_notebook.channel import kernel, open_channel
from pyramid_notebook.channel.hub import Hub
from pyramid_notebook.channel.kernel import Channel
from pyramid_notebook.errors import (
    ChannelClosed,
    ChannelError,
    NoChannel,
)

from .conftest import opened, page_of


def test_two_threads_that_open_a_channel_get_the_same_one(hub: Hub) -> None:
    together = threading.Barrier(8)
    found: list[Channel] = []

    def opening() -> None:
        together.wait(10)
        found.append(opened("shared"))

    threads = [threading.Thread(target=opening) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(found) == 8
    assert len(set(map(id, found))) == 1
    assert found[0].is_open


def test_a_closed_channel_says_so_and_the_page_is_told(hub: Hub, channel: Channel) -> None:
    async def calling() -> None:
        async with page_of(hub) as page:
            await asyncio.to_thread(channel.close)
            channel.close()
            assert (await page.hear("close")).header["channel"] == "main"
            with pytest.raises(ChannelClosed):
                await channel.call("echo")
            with pytest.raises(ChannelClosed):
                channel.call_sync("echo")

    asyncio.run(calling())


def test_a_hub_that_was_stopped_makes_nobody_wait(hub: Hub, channel: Channel) -> None:
    hub.stop()
    assert not hub.thread.is_alive()
    assert not hub.socket_path.exists()
    with pytest.raises(ChannelError):
        channel.call_sync("echo", timeout=None)
    with pytest.raises(ChannelError):
        hub.submit(lambda: asyncio.sleep(0))


def test_a_hub_takes_away_its_own_socket_only(hub: Hub) -> None:
    other = Hub(hub.kernel_id, hub.socket_path)
    other.start()
    hub.stop()
    assert hub.socket_path.is_socket()
    other.stop()
    assert not hub.socket_path.exists()


def test_a_file_in_the_place_of_the_socket_stays(hub: Hub) -> None:
    path = hub.socket_path.with_name("file")
    path.write_text("mine")
    other = Hub(hub.kernel_id, path)
    with pytest.raises(NoChannel, match="is no socket"):
        other.start()
    other.thread.join(10)
    assert not other.thread.is_alive()
    assert path.read_text() == "mine"


def test_a_path_that_is_too_long_is_no_channel(hub: Hub) -> None:
    other = Hub(hub.kernel_id, hub.socket_path.with_name("x" * 120))
    with pytest.raises(NoChannel, match="cannot be made"):
        other.start()


def test_a_fork_of_the_kernel_has_no_channel_and_holds_no_connection(hub: Hub, channel: Channel) -> None:
    async def calling() -> None:
        async with page_of(hub, echo=lambda value: value) as page:
            reading, writing = os.pipe()
            child = os.fork()
            if child == 0:
                os._exit(_in_the_fork(hub, channel, writing))
            os.close(writing)
            _, status = await asyncio.to_thread(os.waitpid, child, 0)
            assert status == 0, os.read(reading, 1000)
            os.close(reading)
            assert await channel.call("echo", 1) == 1
            await page.call("none")
            await page.error()
        assert hub.socket_path.is_socket()

    asyncio.run(calling())


def _in_the_fork(hub: Hub, channel: Channel, tell: int) -> int:
    try:
        for attempt in (lambda: channel.call_sync("echo", timeout=None), opened, channel.close):
            with pytest.raises(ChannelError, match="fork"):
                attempt()
        numbers = [number for connection in hub._connections for number in connection.descriptors]
        assert len(numbers) == 2  # the page's, and the user server's
        for number in numbers:
            assert str(Path(f"/proc/self/fd/{number}").readlink()) == os.devnull
        hub.stop()
    except BaseException as error:
        os.write(tell, repr(error).encode())
        return 1
    return 0


def test_outside_of_a_kernel_there_is_no_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "_hub", None)
    with pytest.raises(NoChannel):
        open_channel()
