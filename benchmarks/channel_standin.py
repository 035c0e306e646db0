"""A program that a kernel takes for a page: it speaks the channel's protocol over a websocket, as channel.js does."""

from __future__ import annotations

import secrets
import socket
import struct
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import websocket

from pyramid_notebook.channel.protocol import PIECE, VERSION, WINDOW, Frame, decode, encode
from pyramid_notebook.proxy.connection import dial
from pyramid_notebook.record import SECRET_HEADER, ServerRecord
from tests.running import Site, wait_until

#: Opens a websocket to a kernel's channel.
Connect = Callable[[], websocket.WebSocket]
#: Answers a call: takes the stand-in and the header, returns a value, or None where the answer comes later or never.
Function = Callable[["StandIn", dict[str, Any]], Any]
_SECONDS = 20.0
_NO_DELAY = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)


def through_door(site: Site, user: str, kernel: str) -> Connect:
    """Return what connects as a page does, with the session of a user who has signed in."""
    cookie = "; ".join(f"{item.name}={item.value}" for item in site.session(user).cookies)
    url = f"ws://127.0.0.1:{site.port}{site.prefix}/notebook/{user}/channel/{kernel}/socket"
    return lambda: websocket.create_connection(
        url, origin=f"http://127.0.0.1:{site.port}", cookie=cookie, timeout=_SECONDS, sockopt=_NO_DELAY
    )


def past_door(record: ServerRecord, kernel: str) -> Connect:
    """Return what connects to the user server, as the door does."""
    url = f"ws://localhost{record.base_url}channel/{kernel}/socket"
    fields = {SECRET_HEADER: record.secret}
    return lambda: websocket.create_connection(
        url, socket=dial(record, _SECONDS), header=fields, origin="http://localhost"
    )


class StandIn:
    """A page that is none.

    Args:
        connect: opens its websocket; called again when that breaks, until :meth:`close`.
        functions: that the kernel may call, by name.

    Attributes:
        id: of the page, which changes each time that it connects, as a page's does that is loaded anew.
        connections: how many it has had.
        problems: what it did not understand.
    """

    def __init__(self, connect: Connect, functions: dict[str, Function]) -> None:
        self.id = ""
        self.connections = 0
        self.problems: list[str] = []
        self._connect = connect
        self._functions = functions
        self._is_closed = False
        self._socket: websocket.WebSocket | None = None
        self._asked: dict[int, int] = {}  # by the number of our call: the number of the kernel's, which that answers
        self._last = 0
        self._left: dict[int, tuple[int, int, int]] = {}  # bytes of a stream: to send, that may be sent, and sent
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()
        wait_until(lambda: self.id, "the kernel has welcomed the stand-in")

    def close(self) -> None:
        """Go away."""
        self._is_closed = True
        self.vanish()
        self._thread.join(_SECONDS)

    def vanish(self, *, rudely: bool = False) -> None:
        """Break the connection, politely or by a reset (RFC 9293, 3.10.7.4)."""
        opened = self._socket
        with suppress(OSError, AssertionError, websocket.WebSocketException):  # it has gone already
            assert opened is not None and opened.sock is not None
            if rudely:
                opened.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                opened.sock.close()
            else:
                opened.send_close()
                opened.sock.shutdown(socket.SHUT_WR)

    def ask(self, header: dict[str, Any], answered: int, *, stream: int = 0) -> int:
        """Call a function of the kernel; its answer becomes the answer to a call of the kernel.

        Args:
            header: of the call: channel, name, arguments.
            answered: number of the kernel's call.
            stream: bytes to send along as a stream; none where 0.
        """
        self._last += 1
        self._asked[self._last] = answered
        about = {"stream": {"id": self._last}} if stream else {}
        self.send({"type": "call", "id": self._last, **header, **about})
        if stream:
            self.begin(self._last, stream)
        return self._last

    def cancel(self, call: int) -> None:
        """Wait for a call no longer; its answer is that."""
        self.send({"type": "cancel", "id": call})
        error = {"name": "AbortError", "message": "", "trace": "", "kind": "exception"}
        self.send({"type": "error", "id": self._asked.pop(call), "error": error})

    def begin(self, number: int, size: int) -> None:
        """Send a stream, as far as the kernel lets us."""
        self._left[number] = size, WINDOW, 0
        self._pour(number)

    def next_stream(self) -> int:
        """Return a number that no other stream has."""
        self._last += 1
        return self._last

    def send(self, header: dict[str, Any], payload: bytes = b"") -> None:
        """Send a message."""
        assert self._socket is not None
        message = encode(Frame(header, payload))
        if isinstance(message, str):
            self._socket.send(message)
        else:
            self._socket.send_binary(message)

    def _work(self) -> None:
        while not self._is_closed:
            try:
                self._socket = self._connect()
                self._hear()
            except (OSError, websocket.WebSocketException):  # no kernel now, or we have gone
                threading.Event().wait(0.05)
            finally:
                self._asked.clear()
                self._left.clear()
                if self._socket is not None and self._socket.sock is not None:
                    self._socket.sock.close()

    def _hear(self) -> None:
        assert self._socket is not None
        identifier = uuid.uuid4().hex
        self.send({"type": "hello", "version": VERSION, "page": identifier, "title": "stand-in"})
        while True:
            data = self._socket.recv()
            if not data:
                return
            header = decode(data).header
            if header["type"] == "welcome":
                self.id, self.connections = identifier, self.connections + 1
            else:
                self._take(header)

    def _take(self, header: dict[str, Any]) -> None:
        kind, number = header["type"], int(header.get("id", 0))
        if kind == "open":
            self.send({"type": "result", "id": number, "value": None})
        elif kind == "call":
            self._called(header)
        elif kind in ("result", "error") and number in self._asked:
            answered = self._asked.pop(number)
            about = {"value": header.get("value")} if kind == "result" else {"error": header["error"]}
            self.send({"type": kind, "id": answered, **about})
        elif kind == "credit" and header["stream"] in self._left:
            size, allowed, sent = self._left[header["stream"]]
            self._left[header["stream"]] = size, allowed + header["bytes"], sent
            self._pour(header["stream"])
        elif kind == "stop":
            self._left.pop(header.get("stream", 0), None)
        elif kind not in ("result", "error", "cancel", "close", "credit", "end"):
            self.problems.append(f"A page got {kind!r}.")

    def _called(self, header: dict[str, Any]) -> None:
        value = self._functions[header["name"]](self, header)
        if value is not None:
            self.send({"type": "result", "id": header["id"], "value": value})

    def _pour(self, number: int) -> None:
        size, allowed, sent = self._left[number]
        while size and allowed:
            piece = secrets.token_bytes(min(PIECE, size, allowed))
            size, allowed, sent = size - len(piece), allowed - len(piece), sent + len(piece)
            self.send({"type": "data", "stream": number}, piece)
        self._left[number] = size, allowed, sent
        if not size:
            del self._left[number]
            self.send({"type": "end", "stream": number, "size": sent})
