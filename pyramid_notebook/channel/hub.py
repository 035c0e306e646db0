"""The kernel's end: a thread that listens at a unix socket, and the pages that are connected there.

Whoever may open the socket was let through by the user server, which is of the same UNIX user; see :mod:`.handlers`.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, TypeVar

from aiohttp import WSMsgType, web

from ..errors import BadFrame, ChannelClosed, ChannelTimeout, NoChannel, NoPage
from .asking import Opened
from .exposed import Runner
from .listening import Listening
from .loops import Made, crossing
from .page import Page, hello_of
from .protocol import LARGEST, VERSION, Frame, decode, encode
from .receiving import Receiving, prepare
from .threads import Workers, waited

#: Which page is called: that which came first, or last, or all of them, or one by its id.
Which = Literal["first", "last", "all"] | str
_HELLO_SECONDS = 10.0
_HEARTBEAT_SECONDS = 30.0  # a half-open connection is noticed after one and a half of them
_CLOSE_SECONDS = 1.0
_START_SECONDS = 10.0
_FRAME_OVERHEAD = 1024
_REASON = 120  # bytes of the reason of a close (RFC 6455 section 5.5)
_READERS = 32
_Value = TypeVar("_Value")


class Hub:
    """All channels of this kernel, and all pages.

    Args:
        kernel_id: of the kernel.
        path: of the socket.
    """

    def __init__(self, kernel_id: str, path: Path) -> None:
        self.kernel_id = kernel_id
        self.socket_path = path
        self.channels: dict[str, Opened] = {}  # changed on the loop only; so are the pages
        self.pages: dict[str, Page] = {}
        self.loop = asyncio.SelectorEventLoop()  # whatever loop cells have: see receiving.py
        self.runner = Runner(self.loop)
        self.readers = Workers(self.loop, _READERS)
        #: Whether a call has waited for a page in vain, and none has connected or was shown a channel since.
        self.is_deserted = False
        self.thread = threading.Thread(target=self._run, name="notebook-channel", daemon=True)
        self._listening = Listening(path)
        self._connections: set[Receiving] = set()
        self._pid = os.getpid()
        self._changed = asyncio.Event()
        self._web: web.AppRunner | None = None
        self._server: asyncio.Server | None = None

    # for any thread

    def start(self) -> None:
        """Listen.

        Raises:
            NoChannel: the socket cannot be made.
        """
        self.thread.start()
        try:
            self.submit(self._listen).result(_START_SECONDS)
        except BaseException as error:
            self.loop.call_soon_threadsafe(self.loop.stop)
            if isinstance(error, OSError):
                raise NoChannel(f"The socket of the channel cannot be made: {error.strerror or error}.") from error
            raise
        atexit.register(self._listening.remove)

    @property
    def is_fork(self) -> bool:
        """Whether this process is a fork of the one that listens, with a copy that does not run."""
        return self._pid != os.getpid()

    @property
    def is_alive(self) -> bool:
        """Whether it runs in this process."""
        return not self.is_fork and self.thread.is_alive()

    def submit(self, make: Made) -> Future[Any]:
        """Begin a coroutine on the channel's loop.

        Raises:
            ChannelClosed: it does not run any more, or not in this process.
        """
        self._require_alive()
        work = make()
        try:
            return asyncio.run_coroutine_threadsafe(work, self.loop)
        except RuntimeError as error:
            work.close()
            raise ChannelClosed from error

    def begun(self, make: Made) -> asyncio.Task[Any]:
        """Begin a coroutine on the channel's loop, and return what waits for it on the running one.

        Raises:
            ChannelClosed: it does not run any more, or not in this process.
        """
        self._require_alive()
        return crossing(self.loop, make)

    def waited(self, make: Made, seconds: float | None) -> Any:
        """Return what a coroutine returns on the channel's loop; this thread stands still meanwhile.

        Args:
            make: makes it.
            seconds: to wait; None for ever.

        Raises:
            ChannelClosed: it does not run any more, or not in this process.
            TimeoutError: it takes longer.
            KeyboardInterrupt: the user interrupts the kernel.
        """
        self._require_alive()
        return waited(self.loop, make, seconds)

    def do(self, work: Callable[[], _Value]) -> _Value:
        """Return what a function returns on the channel's loop, between everything else that happens there.

        Raises:
            ChannelClosed: the loop does not run any more, or not in this process.
            ChannelTimeout: a function that is exposed on it does not let it go on.
        """

        async def done() -> _Value:
            return work()

        if threading.current_thread() is self.thread:
            return work()
        try:
            value: _Value = self.submit(done).result(_START_SECONDS)
        except TimeoutError:
            raise ChannelTimeout("The channel's thread does not answer.") from None
        return value

    def stop(self) -> None:
        """Hang up on all pages and listen no more."""
        if self.is_alive:
            try:
                self.submit(self._close).result(_START_SECONDS)
            finally:
                self.loop.call_soon_threadsafe(self.loop.stop)
                self.thread.join(_START_SECONDS)
        atexit.unregister(self._listening.remove)

    def let_go(self) -> None:
        """Close the connections in a fork of the kernel; they stay as they are in the kernel."""
        open_ones = [self._listening.fileno(), *(number for one in self._connections for number in one.descriptors)]
        null = os.open(os.devnull, os.O_RDWR)
        for number in open_ones:
            if number >= 0:
                os.dup2(null, number)  # their objects may close the number once more
        os.close(null)

    def _require_alive(self) -> None:
        if self.is_fork:
            raise ChannelClosed("This process is a fork of the kernel, and the channel is the kernel's.")
        if not self.thread.is_alive():
            raise ChannelClosed

    # on the loop

    async def chosen(self, which: Which, seconds: float | None) -> list[Page]:
        """Return the pages that are meant.

        Args:
            which: see :data:`Which`.
            seconds: to wait for one to connect; None for ever.

        Raises:
            NoPage: there is none.
        """
        found = self._matching(which)
        if not found:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    while not self._matching(which):
                        self._changed.clear()
                        await self._changed.wait()
            found = self._matching(which)
        if not found:
            raise NoPage(_missing(which, len(self.pages)))
        return found

    def _matching(self, which: Which) -> list[Page]:
        pages = list(self.pages.values())
        if which == "all":
            return pages
        if which in ("first", "last"):
            return pages[:1] if which == "first" else pages[-1:]
        return [self.pages[which]] if which in self.pages else []

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
            left = asyncio.all_tasks(self.loop)
            for task in left:
                task.cancel()
            self.loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        finally:
            self.runner.close()
            self.readers.close()
            self.loop.close()

    async def _listen(self) -> None:
        app = web.Application(client_max_size=_FRAME_OVERHEAD)
        app.router.add_get("/socket", self._on_socket)
        app.router.add_get("/streams/{ticket}", self._on_stream)
        # a source that yields nothing would not notice by itself that the page reads no more
        self._web = web.AppRunner(
            app, access_log=None, handle_signals=False, shutdown_timeout=_CLOSE_SECONDS, handler_cancellation=True
        )
        await self._web.setup()
        serve = self._web.server
        assert serve is not None  # noqa: S101 - for the type checker
        listening = self._listening.open()
        self._server = await self.loop.create_unix_server(lambda: Receiving(serve(), self._connections), sock=listening)

    async def _close(self) -> None:
        self.channels.clear()
        if self._server is not None:
            self._server.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await asyncio.gather(*(page.close() for page in self.pages.values()))
        for connection in list(self._connections):  # of a page that does not read, or is just being handed over
            connection.abort()
        if self._web is not None:
            await self._web.cleanup()
        self._listening.remove()

    async def _on_socket(self, request: web.Request) -> web.StreamResponse:
        websocket = web.WebSocketResponse(
            timeout=_CLOSE_SECONDS,
            heartbeat=_HEARTBEAT_SECONDS,
            max_msg_size=LARGEST + _FRAME_OVERHEAD,
            compress=False,
            writer_limit=2**20,
        )
        try:
            await prepare(websocket, request)
            await self._serve(websocket)
        except (BadFrame, TimeoutError) as error:
            reason = str(error).encode()[:_REASON].decode(errors="ignore")
            await websocket.close(code=1002, message=reason.encode())
        except OSError:  # it went while it was handed over or greeted
            pass
        return websocket

    async def _serve(self, websocket: web.WebSocketResponse) -> None:
        first = await websocket.receive(_HELLO_SECONDS)
        if first.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
            return
        info = hello_of(decode(first.data))
        page = Page(websocket, info, self.channels, self.runner, self.readers)
        welcome = {"type": "welcome", "version": VERSION, "largest": LARGEST, "kernel": self.kernel_id}
        older = self.pages.pop(info.id, None)
        if older is not None:  # it has connected again before we noticed that it was gone
            older.leave()
        self.pages[info.id] = page
        self.is_deserted = False
        self._changed.set()
        try:
            await websocket.send_str(str(encode(Frame(welcome))))  # written at once, so before anything else
            for name in self.channels:
                page.asking.prepare(name)
            await page.serve()
        finally:
            if self.pages.get(info.id) is page:
                del self.pages[info.id]

    async def _on_stream(self, request: web.Request) -> web.StreamResponse:
        ticket = request.match_info["ticket"]
        page = next((page for page in self.pages.values() if page.flows.has(ticket)), None)
        if page is None:
            raise web.HTTPNotFound(text="There is no such stream, or it was fetched before.")
        return await page.flows.deliver(ticket, request)


def _missing(which: Which, pages: int) -> str:
    if which not in ("first", "last", "all") and pages:
        return f"No page of the id {which!r} is connected; {pages} others are."
    return (
        "No page is connected. Is the notebook open in a browser, and was the cell that opens the channel run in this "
        "page? Where notebooks run without a page, nobody can be called."
    )
