"""What a cell uses: ``open_channel()``, and the channel that it returns."""

from __future__ import annotations

import asyncio
import os
import re
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar, overload

from ..errors import ChannelClosed, ChannelError, ChannelTimeout, NoChannel, NoPage
from .display import Script
from .exposed import Exposed, Where
from .hub import Hub, Which
from .page import Page, PageInfo
from .places import own_socket
from .protocol import Packed, pack
from .sources import Pieces, Source, pieces_of
from .threads import running_loop

_NAME = re.compile(r"[\w.-]{1,100}")
#: Seconds that a call may take, unless it says otherwise.
SECONDS = 3.0
_GRACE_SECONDS = 1.0  # the channel's thread notices a time-out first

_FORK = "This process is a fork of the kernel, and the channel is the kernel's."

_Function = TypeVar("_Function", bound=Callable[..., Any])
_hub: Hub | None = None
_hub_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class _Call:
    """A call of the page, as :meth:`Channel.call` takes it."""

    name: str
    arguments: tuple[Any, ...]
    stream: Source | None
    seconds: float | None
    page: Which


class Channel:
    """Calls between this kernel and the pages that show its notebook; see :func:`open_channel`.

    Attributes:
        name: of the channel; kernel and page have one of the same name.
        code: JavaScript of a function that each page calls with its end of the channel, whenever it connects.
        exposed: the functions that pages may call, by name.
    """

    def __init__(self, hub: Hub, name: str, code: str) -> None:
        self.name = name
        self.code = code
        self.exposed: dict[str, Exposed] = {}
        self._hub = hub

    def __repr__(self) -> str:
        return f"<channel {self.name!r}: {len(self.pages) or 'no'} pages, {len(self.exposed) or 'no'} functions>"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        self._hub.is_deserted = False
        return Script(self._hub.kernel_id, self.name).bundle()

    @property
    def pages(self) -> tuple[PageInfo, ...]:
        """The pages that are connected, the first one first."""
        return tuple(page.info for page in list(self._hub.pages.values()))

    @property
    def is_open(self) -> bool:
        """Whether it can be used."""
        return self._hub.channels.get(self.name) is self

    @overload
    def expose(self, function: _Function, *, name: str = "", thread: Where = "main") -> _Function: ...

    @overload
    def expose(
        self, function: None = None, *, name: str = "", thread: Where = "main"
    ) -> Callable[[_Function], _Function]: ...

    def expose(self, function: Any = None, *, name: str = "", thread: Where = "main") -> Any:
        """Let pages call a function; also good as a decorator.

        Args:
            function: or coroutine function; what yields bytes is a stream for the page.
            name: by which pages call it; its own unless given.
            thread: ``main``, where it may do all that cells may, but waits for the cell that runs; or ``own``, where it
                runs at once, and must be safe beside the cell.

        Raises:
            ValueError: the thread is none of these, or the function has no name.
        """
        if function is None:
            return lambda found: self.expose(found, name=name, thread=thread)
        if thread not in ("main", "own"):
            raise ValueError(f"A function is exposed on the thread 'main' or 'own', not {thread!r}.")
        called = name or getattr(function, "__name__", "")
        if not callable(function) or not called or called == "<lambda>":
            raise ValueError("Say by which name pages call this: channel.expose(function, name=...).")
        self.exposed[called] = Exposed(function, thread)
        return function

    def call(
        self,
        name: str,
        *arguments: Any,
        stream: Source | None = None,
        timeout: float | None = SECONDS,
        page: Which = "last",
    ) -> asyncio.Task[Any]:
        """Begin to call a function of the page; await what this returns, or cancel it.

        Args:
            name: of the function.
            arguments: None, bool, numbers, texts, bytes, and lists and dictionaries of them.
            stream: sent as a stream, which the function gets before the others.
            timeout: seconds for all of it, connecting too; None for as long as it takes.
            page: ``last`` that connected, ``first``, or the id of one; ``all`` returns a dictionary of values by id,
                with the exception where one failed.

        Raises:
            ChannelClosed: the channel is closed.
            Unsendable: an argument cannot be sent.
            NoPage: no such page is connected (when awaited, as all below).
            PageGone: it went before it answered.
            ChannelTimeout: it did not answer in time.
            PageError: the function threw an exception, or there is none of that name (NotExposed).
        """
        home = asyncio.get_running_loop()
        return self._hub.begun(self._calling(_Call(name, arguments, stream, timeout, page), home))

    def call_sync(
        self,
        name: str,
        *arguments: Any,
        stream: Source | None = None,
        timeout: float | None = SECONDS,
        page: Which = "last",
    ) -> Any:
        """Call a function of the page and wait for its value, in a cell that does not await; see :meth:`call`.

        The loop that runs the cell stands still meanwhile, so an asynchronous stream is read on the channel's own.
        """
        return self._wait(self._calling(_Call(name, arguments, stream, timeout, page)), timeout)

    async def wait_for_page(self, timeout: float | None = SECONDS) -> PageInfo:  # noqa: ASYNC109 - as in call()
        """Return the page that connected last, as soon as there is one.

        Raises:
            NoPage: there is none in time.
        """
        found: list[Page] = await self._hub.begun(lambda: self._hub.chosen("last", timeout))
        return found[0].info

    def close(self) -> None:
        """Close the channel, here and in all pages; calls that are under way end by themselves."""
        if self.is_open:
            self._hub.do(self._forget)

    def _forget(self) -> None:
        if self.is_open:  # still
            del self._hub.channels[self.name]
            for page in self._hub.pages.values():
                page.asking.closed(self.name)

    def _calling(
        self, call: _Call, home: asyncio.AbstractEventLoop | None = None
    ) -> Callable[[], Coroutine[Any, Any, Any]]:
        """Return what makes the coroutine of a call.

        Args:
            call: of the page.
            home: the loop that goes on meanwhile, and on which an asynchronous stream is read; None for the channel's.

        Raises:
            ChannelClosed: the channel is closed.
            Unsendable: an argument cannot be sent.
            ValueError: a stream goes to all pages.
        """
        if not self.is_open:
            raise ChannelClosed
        if call.page == "all" and call.stream is not None:
            raise ValueError("A stream is read once: call one page with it.")
        packed = pack(list(call.arguments))  # now: whoever calls may change them afterwards
        return lambda: self._called(call, packed, home)

    async def _called(self, call: _Call, packed: Packed, home: asyncio.AbstractEventLoop | None) -> Any:
        begun = asyncio.get_running_loop().time()
        deadline = None if call.seconds is None else begun + call.seconds
        pages = await self._pages(call)
        if call.page == "all":
            answers = (self._answer(page, call, packed, None, deadline) for page in pages)
            values = await asyncio.gather(*answers, return_exceptions=True)
            return {page.info.id: value for page, value in zip(pages, values, strict=True)}
        pieces = None if call.stream is None else pieces_of(call.stream, self._hub.readers, home)
        return await self._answer(pages[0], call, packed, pieces, deadline)

    async def _pages(self, call: _Call) -> list[Page]:
        """Return the pages to call; of many calls without a page, the first one waits for it, and no other."""
        hub = self._hub
        seconds = SECONDS if call.seconds is None else min(SECONDS, call.seconds)
        try:
            return await hub.chosen(call.page, 0 if hub.is_deserted and not hub.pages else seconds)
        except NoPage:
            hub.is_deserted |= seconds == SECONDS and not hub.pages
            raise

    async def _answer(
        self, page: Page, call: _Call, packed: Packed, pieces: Pieces | None, deadline: float | None
    ) -> Any:
        try:
            async with asyncio.timeout_at(deadline) as limit:
                return await page.asking.call(self.name, call.name, packed, pieces)
        except TimeoutError:
            if not limit.expired():
                raise
            raise ChannelTimeout(f"The page did not answer {call.name}() within {call.seconds:g} seconds.") from None

    def _wait(self, make: Callable[[], Coroutine[Any, Any, Any]], seconds: float | None) -> Any:
        if threading.current_thread() is self._hub.thread:
            raise ChannelError("Here the channel itself would wait for itself: await channel.call() instead.")
        limit = None if seconds is None else max(0.0, seconds) + _GRACE_SECONDS
        try:
            return self._hub.waited(make, limit)
        except TimeoutError as error:
            if isinstance(error, ChannelError):
                raise
            raise ChannelTimeout("The channel's thread does not answer.") from None


def open_channel(name: str = "main", code: str = "", *, show: bool = True) -> Channel:
    """Return the channel of a name, and connect the page that shows this cell.

    The same name gives the same channel, with what it exposes. Its output holds no secret: it may be saved and shared.

    Args:
        name: of letters, digits, ``_``, ``.`` and ``-``.
        code: JavaScript of a function that gets the page's end of the channel; each page runs it whenever it connects,
            so again after a connection that broke. For example ``(channel) => channel.expose({double: (x) => 2 * x})``.
        show: connect a page by the output of this cell; without it, display the channel yourself.

    Raises:
        NoChannel: this is no kernel of a user server, so there is no page to call.
        ValueError: the name is none.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"A channel's name is of letters, digits, '_', '.' and '-', and {name!r} is not.")
    hub = _started()
    if hub.runner.main is None or hub.runner.main.is_closed():
        hub.runner.main = _main_loop()
    channel = hub.do(lambda: _found(hub, name, code))
    hub.is_deserted = False
    if show:
        Script(hub.kernel_id, name).show()
    return channel


def _found(hub: Hub, name: str, code: str) -> Channel:
    found = hub.channels.get(name)
    channel = found if isinstance(found, Channel) else Channel(hub, name, code)
    if channel is found and (not code or code == channel.code):
        return channel
    channel.code = code
    hub.channels[name] = channel
    for page in hub.pages.values():
        page.asking.reopen(name)
    return channel


def _started() -> Hub:
    global _hub  # noqa: PLW0603 - a kernel has one socket
    with _hub_lock:
        if _hub is not None and _hub.is_fork:
            raise NoChannel(_FORK)
        if _hub is None or not _hub.is_alive:
            app = _application()
            hub = Hub(*own_socket(os.environ, "" if app is None else str(app.abs_connection_file)))
            hub.start()
            _hub = hub
        return _hub


def _application() -> Any:
    """Return what runs this kernel, or None.

    Raises:
        NoChannel: it runs in another process, of which this one is a fork.
    """
    from ipykernel.kernelapp import IPKernelApp

    if not IPKernelApp.initialized():
        return None
    app = IPKernelApp.instance()
    if app.session.pid != os.getpid():
        raise NoChannel(_FORK)
    return app


def _main_loop() -> asyncio.AbstractEventLoop | None:
    here = running_loop() if threading.current_thread() is threading.main_thread() else None
    kernel = getattr(_application(), "kernel", None)
    found = here or getattr(getattr(kernel, "io_loop", None), "asyncio_loop", None)
    return found if isinstance(found, asyncio.AbstractEventLoop) else None


def _forked() -> None:
    global _hub_lock  # noqa: PLW0603 - another thread of the kernel may have held it
    _hub_lock = threading.Lock()
    if _hub is not None:
        _hub.let_go()


os.register_at_fork(after_in_child=_forked)
