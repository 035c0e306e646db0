"""jchannel's channel: the same calls, made by ours."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import logging
import threading
import weakref
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from types import FunctionType, MethodType
from typing import Any, Self

from ...errors import ChannelClosed
from ..kernel import Channel as Ours
from ..kernel import open_channel
from ..streams import Source
from .server import Server
from .types import MetaGenerator, StateError, in_jchannels_words

_numbers = itertools.count(1)
_OWN = "jchannel."
_Seconds = float | None
_log = logging.getLogger(__name__)


class Channel:
    """Calls between the kernel and the page that connected last.

    Attributes:
        context_timeout: seconds that ``async with`` takes to open the channel.

    Args:
        server: see :class:`Server`.
        code: JavaScript of a function that gets the page's end of the channel; it runs again when a page is loaded
            anew.
    """

    def __init__(self, server: Server, code: str) -> None:
        if not isinstance(server, Server):
            raise TypeError("First argument must be a jchannel server")
        self.context_timeout: _Seconds = 3
        self._server = server
        self._code = f"(channel) => ({_page()})(channel, () => ({code}\n))"
        self._name = f"{_OWN}{next(_numbers)}"
        self._handler: object = None
        self._ours: Ours | None = None
        server.channels.add(self)

    async def __aenter__(self) -> Self:
        await self._open(self.context_timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.forget()

    @property
    def handler(self) -> object:
        """The object whose public methods the page may call; None for none."""
        return self._handler

    @handler.setter
    def handler(self, handler: object) -> None:
        self._handler = handler
        self._expose()

    def open(self, timeout: _Seconds = 3) -> asyncio.Task[Any]:
        """Begin to open it; await what this returns for what the function of the code returned in the page.

        Args:
            timeout: seconds until the page is connected and has answered; None for as long as it takes.

        Raises:
            StateError: the server does not run, or no page is connected in time (when awaited, as all below).
            ChannelTimeout: the function did not return in time.
            FrontendError: the function threw an exception.
            TypeError: the timeout is no number.
            ValueError: the timeout is negative.
        """
        return asyncio.create_task(self._open(timeout))

    def close(self, timeout: _Seconds = 3) -> asyncio.Task[None]:
        """Close it, here and in the page; a call opens it again."""
        return asyncio.create_task(self._close(timeout))

    def call(self, name: str, *args: Any, timeout: _Seconds = 3) -> asyncio.Task[Any]:
        """Begin to call a method of the page's handler; await what this returns for its value.

        Args:
            name: of the method.
            args: what JSON can hold, and bytes.
            timeout: seconds for all of it; None for as long as it takes.

        Raises:
            StateError: the server does not run, no page is connected, or it went before it answered.
            ChannelTimeout: the page did not answer in time.
            FrontendError: the method threw an exception, or there is none of that name.
            Unsendable: an argument cannot be sent.
        """
        return asyncio.create_task(self._call(name, args, None, timeout))

    def call_with_stream(self, name: str, stream: Source, *args: Any, timeout: _Seconds = 3) -> asyncio.Task[Any]:
        """Do the same with bytes that come piece by piece; the method gets them before the other arguments."""
        return asyncio.create_task(self._call(name, args, stream, timeout))

    def echo(self, *args: Any, timeout: _Seconds = 3) -> asyncio.Task[list[Any]]:
        """Send values to the page, and get them back as a list."""
        return asyncio.create_task(self._call(f"{_OWN}echo", args, None, timeout))

    def pipe(self, stream: Source, timeout: _Seconds = 3) -> asyncio.Task[MetaGenerator]:
        """Send bytes to the page piece by piece, and get them back so."""
        return asyncio.create_task(self._call(f"{_OWN}pipe", (), stream, timeout))

    def forget(self) -> None:
        """Close it at once."""
        if self._ours is not None:
            self._ours.close()

    async def _open(self, timeout: _Seconds) -> Any:  # noqa: ASYNC109 - jchannel's name
        seconds = _checked(timeout)
        if not self._server.is_running:
            raise StateError("Server not running")
        loop = asyncio.get_running_loop()
        begun = loop.time()
        with in_jchannels_words():
            ours = self._opened()
            await ours.wait_for_page(seconds)
            rest = None if seconds is None else max(0.0, seconds - (loop.time() - begun))
            return await ours.call(f"{_OWN}opened", timeout=rest)

    async def _close(self, timeout: _Seconds) -> None:  # noqa: ASYNC109 - jchannel's name
        _checked(timeout)
        self.forget()

    async def _call(self, name: str, args: tuple[Any, ...], stream: Source | None, timeout: _Seconds) -> Any:  # noqa: ASYNC109
        seconds = _checked(timeout)
        if not self._server.is_running:
            raise StateError("Server not running")
        if self._ours is None or not self._ours.is_open:
            if stream is not None:
                raise StateError("Channel was closed") from ChannelClosed()
            _log.warning("Channel is closed: trying to open...")
            await self._open(timeout)
        assert self._ours is not None  # noqa: S101 - for the type checker
        with in_jchannels_words():
            return await self._ours.call(name, *args, stream=stream, timeout=seconds)

    def _opened(self) -> Ours:
        if self._ours is None or not self._ours.is_open:
            self._ours = open_channel(self._name, self._code)
            self._ours.expose(_echo, name=f"{_OWN}echo", thread="own")
            self._ours.expose(_pipe, name=f"{_OWN}pipe", thread="own")
            weakref.finalize(self, _close_later, self._ours).atexit = False
            self._expose()
        return self._ours

    def _expose(self) -> None:
        if self._ours is None:
            return
        for name in [name for name in self._ours.exposed if not name.startswith(_OWN)]:
            del self._ours.exposed[name]
        for name in public_methods(self._handler):
            self._ours.expose(getattr(self._handler, name), name=name)


def public_methods(handler: object) -> Iterator[str]:
    """Yield the names of an object's methods and functions that are no private ones; values and properties are none."""
    for name in dir(handler):
        if name.startswith("_"):
            continue
        found = inspect.getattr_static(handler, name)
        if isinstance(found, (FunctionType, MethodType, staticmethod, classmethod)):
            yield name


@lru_cache
def _page() -> str:
    return Path(__file__).with_name("page.js").read_text(encoding="utf-8").partition("\n")[2].rstrip()


def _echo(*values: Any) -> list[Any]:
    return list(values)


def _pipe(stream: MetaGenerator) -> MetaGenerator:
    return stream


def _close_later(ours: Ours) -> None:
    # nobody knows on which thread an object is collected: it may be the one that closes channels
    threading.Thread(target=ours.close, daemon=True).start()


def _checked(timeout: object) -> _Seconds:
    """Return seconds, or refuse them."""
    if timeout is None:
        return None
    if not isinstance(timeout, (int, float)) or isinstance(timeout, bool):
        raise TypeError("Timeout must be a number of seconds")
    if not timeout >= 0:
        raise ValueError("Timeout must be non-negative")
    return timeout
