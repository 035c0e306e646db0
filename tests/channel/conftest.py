"""A kernel's end of the channel without a kernel, and a page without a browser."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
from tornado.iostream import IOStream, StreamClosedError
from tornado.netutil import bind_unix_socket
from tornado.tcpserver import TCPServer

from pyramid_notebook.channel import kernel, open_channel
from pyramid_notebook.channel.hub import Hub
from pyramid_notebook.channel.kernel import Channel
from pyramid_notebook.channel.passing import dial, pass_on
from pyramid_notebook.channel.protocol import VERSION, Frame, decode, encode, pack, unpack

PATIENCE = 10.0


@pytest.fixture
def hub(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that listens, which open_channel() of this process uses."""
    kernel_id = str(uuid4())
    made = Hub(kernel_id, folder / f"channel-{kernel_id}")
    made.start()
    monkeypatch.setattr(kernel, "_hub", made)
    yield made
    made.stop()


def opened(name: str = "main", code: str = "") -> Channel:
    return open_channel(name, code, show=False)


@pytest.fixture
def channel(hub: Hub) -> Channel:
    return opened()


class FakePage:
    """The other end of a websocket: says frames, hears them, and has functions."""

    def __init__(self, hub: Hub, session: aiohttp.ClientSession, functions: dict[str, Callable[..., Any]]) -> None:
        self.id = ""
        self.functions = functions
        self.heard: dict[str, asyncio.Queue[Frame]] = defaultdict(asyncio.Queue)
        self.codes: list[str] = []  # that it was told to run
        self.hub = hub
        self._session = session
        self._socket: aiohttp.ClientWebSocketResponse

    async def connect(self, page: str) -> None:
        self.id = page
        self._socket = await self._session.ws_connect("http://kernel/socket", max_msg_size=0)
        await self.say("hello", version=VERSION, page=page, title="A notebook")

    async def say(self, kind: str, payload: bytes = b"", **fields: Any) -> None:
        message = encode(Frame({"type": kind, **fields}, payload))
        await (self._socket.send_str(message) if isinstance(message, str) else self._socket.send_bytes(message))

    async def say_raw(self, message: str | bytes) -> None:
        await (self._socket.send_str(message) if isinstance(message, str) else self._socket.send_bytes(message))

    async def call(self, name: str, *values: Any, number: int = 1, channel: str = "main", **fields: Any) -> None:
        packed = pack(list(values))
        header = {"id": number, "channel": channel, "name": name, **fields}
        await self.say("call", packed.payload, **packed.fields("args"), **header)

    async def hear(self, kind: str) -> Frame:
        return await asyncio.wait_for(self.heard[kind].get(), PATIENCE)

    async def value(self) -> Any:
        """Return the value of the next result."""
        frame = await self.hear("result")
        return unpack(frame.header.get("value"), frame.header.get("buffers"), frame.payload)

    async def error(self) -> dict[str, Any]:
        error: dict[str, Any] = (await self.hear("error")).header["error"]
        return error

    async def fetch(self, ticket: str) -> bytes:
        async with self._session.get(f"http://kernel/streams/{ticket}") as answer:
            answer.raise_for_status()
            return await answer.read()

    def get(self, ticket: str) -> Any:
        return self._session.get(f"http://kernel/streams/{ticket}")

    async def listen(self) -> None:
        async for message in self._socket:
            frame = decode(message.data)
            header = frame.header
            if frame.type == "open":
                self.codes.append(header["code"])
                await self.say("result", id=header["id"], value=None)
            elif frame.type == "call" and header["name"] in self.functions:
                await self._answer(frame)
            else:
                self.heard[frame.type].put_nowait(frame)
        self.heard["closed"].put_nowait(Frame({"type": "closed", "code": self._socket.close_code}))

    async def _answer(self, frame: Frame) -> None:
        header = frame.header
        values = unpack(header["args"], header.get("buffers"), frame.payload)
        packed = pack(self.functions[header["name"]](*values))
        await self.say("result", packed.payload, id=header["id"], **packed.fields("value"))

    async def leave(self) -> None:
        await self._socket.close()


class PassingOn(TCPServer):
    """Lets everybody through to the kernel, and hands their connections on, as the user server does."""

    def __init__(self, hub: Hub) -> None:
        super().__init__()
        self._hub = hub

    async def handle_stream(self, stream: IOStream, address: Any) -> None:
        head = (await stream.read_until(b"\r\n\r\n")).decode("latin-1")
        target, fields = head.split()[1], dict(line.split(": ", 1) for line in head.split("\r\n")[2:-2])
        kernel = await dial(self._hub.socket_path, target, fields)  # without the first one, which is Host
        said = {**kernel.headers, "connection": "upgrade" if kernel.status == 101 else "close"}
        lines = [f"HTTP/1.1 {kernel.status} As it is", *(f"{name}: {value}" for name, value in said.items())]
        if kernel.status in (101, 200):
            await pass_on(stream, kernel, "\r\n".join([*lines, "", ""]).encode(), page_speaks=kernel.status == 101)
        else:
            kernel.close()
            with closing(stream), suppress(StreamClosedError):
                await stream.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")


@asynccontextmanager
async def session_with(hub: Hub) -> AsyncIterator[aiohttp.ClientSession]:
    """Return what asks the kernel, by way of what stands for its user server."""
    path = hub.socket_path.with_name(uuid4().hex)  # one for each: some tests have many pages
    server = PassingOn(hub)
    server.add_socket(bind_unix_socket(str(path)))
    try:
        async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(path), limit=0)) as session:
            yield session
    finally:
        server.stop()
        path.unlink()


@asynccontextmanager
async def page_of(hub: Hub, page: str = "page-1", /, **functions: Callable[..., Any]) -> AsyncIterator[FakePage]:
    """Connect a page that has functions, and wait until the kernel has welcomed it."""
    async with AsyncExitStack() as held:
        session = await held.enter_async_context(session_with(hub))
        found = FakePage(hub, session, functions)
        await found.connect(page)
        listening = asyncio.create_task(found.listen())
        held.callback(listening.cancel)
        await found.hear("welcome")
        yield found
        await found.leave()


async def until(condition: Callable[[], Any], what: str) -> Any:
    """Return what the condition returns once that is true."""
    async with asyncio.timeout(PATIENCE):
        while not (value := condition()):  # noqa: ASYNC110 - what changes it is in another thread
            await asyncio.sleep(0.005)
    assert value, what
    return value


async def answered(page: FakePage, value: Any) -> None:
    call = await page.hear("call")
    await page.say("result", id=call.header["id"], value=value)
