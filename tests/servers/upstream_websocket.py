"""How the tests' user server speaks websockets (RFC 6455): it echoes each frame as it came, and does what it is told.

The query of its address may hold ``greet`` (say hello in the same packet as the handshake's answer), ``deaf`` (never
read a message), ``flood=N`` (send N messages of one megabyte), ``deflate`` (take an offer of permessage-deflate), and
``hold`` (answer the handshake, and then do nothing at all). A text message ``do close CODE REASON``, ``do ping TEXT``,
``do drop`` or ``do eof`` is an order.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs

from websockets.datastructures import Headers
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import Close, Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

MEGABYTE = 1 << 20
_STALLED_SECONDS = 0.5
_KEPT_FRAMES = 50


class Conversation:
    """One websocket."""

    def __init__(self, known: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        options = parse_qs(known["target"].partition("?")[2], keep_blank_values=True)
        self._options = {name: values[-1] for name, values in options.items()}
        self._known = known
        self._reader = reader
        self._writer = writer
        extensions = [ServerPerMessageDeflateFactory()] if "deflate" in options else None
        self._protocol = ServerProtocol(extensions=extensions, select_subprotocol=_last, max_size=None)
        known |= {"frames": [], "raw": 0, "closed": None}

    async def run(self, raw: bytes) -> None:
        """Speak until one end has enough."""
        self._shake_hands(raw)
        if "greet" in self._options:
            self._protocol.send_text(b"hello at once")
        await self._flush()
        self._known["open"] = True
        if "flood" in self._options:
            await self._flood(int(self._options["flood"]))
        if "deaf" in self._options or "hold" in self._options:
            await self._writer.wait_closed()
        while not self._writer.is_closing():
            await self._hear(await self._reader.read(MEGABYTE))

    def _shake_hands(self, raw: bytes) -> None:
        self._protocol.receive_data(raw)
        request = self._protocol.events_received()[0]
        assert isinstance(request, Request)
        response = self._protocol.accept(request)
        response.headers["X-From-User-Server"] = "yes"
        self._known["answer"] = dict(Headers(response.headers).raw_items())
        self._protocol.send_response(response)

    async def _hear(self, data: bytes) -> None:
        self._known["raw"] += len(data)
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
            self._known["eof"] = True
        for event in self._protocol.events_received():
            assert isinstance(event, Frame)
            await self._frame(event)
        await self._flush()
        if not data:
            self._writer.close()

    async def _frame(self, frame: Frame) -> None:
        about = [frame.opcode.name, frame.fin, len(frame.data)]
        if len(self._known["frames"]) < _KEPT_FRAMES:
            self._known["frames"].append(about)
        self._known["last"] = bytes(frame.data[:100]).decode("latin-1")
        if frame.opcode is Opcode.CLOSE:
            close = Close.parse(frame.data)
            self._known["closed"] = [close.code, close.reason]
        elif frame.opcode is Opcode.TEXT and bytes(frame.data[:3]) == b"do ":
            await self._obey(*bytes(frame.data).decode().split(" ", 3)[1:])
        elif frame.opcode is Opcode.TEXT:
            self._protocol.send_text(frame.data, fin=frame.fin)
        elif frame.opcode is Opcode.BINARY:
            self._protocol.send_binary(frame.data, fin=frame.fin)
        elif frame.opcode is Opcode.CONT:
            self._protocol.send_continuation(frame.data, fin=frame.fin)

    async def _obey(self, order: str, *arguments: str) -> None:
        if order == "close":
            code, reason = arguments
            self._protocol.send_close(int(code), reason)
        elif order == "ping":
            self._protocol.send_ping(arguments[0].encode())
        elif order == "drop":
            self._writer.transport.abort()
        elif order == "eof":
            self._writer.close()

    async def _flood(self, number: int) -> None:
        """Send messages; what is known tells how many left, and whether the other end has stopped taking them."""
        for index in range(number):
            self._protocol.send_binary(bytes([index % 256]) * MEGABYTE)
            try:
                await asyncio.wait_for(self._flush(), _STALLED_SECONDS)
            except TimeoutError:
                self._known["stalled"] = True
                await self._writer.drain()
            self._known["sent"] = index + 1

    async def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._writer.write(data)
            else:
                self._writer.close()
        if not self._writer.is_closing():
            await self._writer.drain()


def _last(_protocol: ServerProtocol, offered: Any) -> Any:
    return offered[-1] if offered else None


async def speak(known: dict[str, Any], raw: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer a handshake, and speak until the connection is closed.

    Args:
        known: what is known of the request; grows.
        raw: the head of the request.
        reader: what comes from the client.
        writer: to the client.
    """
    with suppress(OSError):
        await Conversation(known, reader, writer).run(raw)
