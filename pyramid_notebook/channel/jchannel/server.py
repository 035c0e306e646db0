"""jchannel's server, which is none here: it says whether channels may be used, and knows them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakSet

if TYPE_CHECKING:
    from .channel import Channel

_URL = re.compile(r"https?://[^/]")


class Server:
    """What opens channels; arguments as those of :func:`~pyramid_notebook.channel.jchannel.start`.

    Attributes:
        is_running: whether channels may be used.
        channels: that were made for it and are still held by somebody.
        send_timeout: accepted, and not used; so are the next five.
        receive_timeout: see there.
        max_msg_size: see there.
        keepalive_timeout: see there.
        shutdown_timeout: see there.
        high_water_mark: see there.
    """

    def __init__(self, host: str = "localhost", port: int = 8889, url: str | None = None, heartbeat: int = 30) -> None:
        _check(host, port, url, heartbeat)
        self.is_running = False
        self.channels: WeakSet[Channel] = WeakSet()
        self.send_timeout: float | None = 3
        self.receive_timeout: float | None = None
        self.max_msg_size = 4 * 1024 * 1024
        self.keepalive_timeout: float = 75
        self.shutdown_timeout: float = 60
        self.high_water_mark = 1

    def __await__(self) -> Generator[Any, None, Self]:
        """Start it."""
        yield from asyncio.sleep(0).__await__()
        self.is_running = True
        return self

    async def __aenter__(self) -> Self:
        return await self

    async def __aexit__(self, *_: object) -> None:
        await self._stop()

    def start(self) -> asyncio.Task[None]:
        """Let channels be used; no harm is done where they may already."""
        return asyncio.create_task(self._start())

    def stop(self) -> asyncio.Task[None]:
        """Close all its channels; they open again when they are used after another start."""
        return asyncio.create_task(self._stop())

    async def open(self, code: str, timeout: float | None = 3) -> Channel:  # noqa: ASYNC109 - jchannel's name
        """Return a channel that is open.

        Args:
            code: JavaScript of a function that gets the page's end of the channel.
            timeout: seconds until it is open.

        Raises:
            StateError: the server does not run, or no page is connected in time.
            ChannelTimeout: the function did not return in time.
            FrontendError: the function threw an exception.
        """
        from .channel import Channel

        channel = Channel(self, code)
        await channel.open(timeout)
        return channel

    async def _start(self) -> None:
        await self

    async def _stop(self) -> None:
        self.is_running = False
        for channel in list(self.channels):
            channel.forget()


def _check(host: object, port: object, url: object, heartbeat: object) -> None:
    """Refuse what jchannel refuses, so that a mistake is found here as there."""
    if not isinstance(host, str):
        raise TypeError("Host must be a string")
    if not host.strip() or "/" in host:
        raise ValueError("Host cannot be blank, or have slashes")
    if not isinstance(port, int) or not isinstance(heartbeat, int):
        raise TypeError("Port and heartbeat must be integers")
    if port < 0 or heartbeat <= 0:
        raise ValueError("Port must be non-negative, and heartbeat positive")
    if url is not None and not isinstance(url, str):
        raise TypeError("URL must be a string")
    if url is not None and not _URL.match(url.strip()):
        raise ValueError("URL must start with http:// or https://, and a host")
