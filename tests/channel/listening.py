"""Stands for a kernel's end of the channel, for faults that a real one won't give; and what pages send."""

from __future__ import annotations

import base64
import hashlib
import http.client
import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from pyramid_notebook.channel.places import EARLY
from pyramid_notebook.proxy.connection import dial
from pyramid_notebook.record import SECRET_HEADER
from tests.server.daemons import Daemon

HOST = "localhost"
ORIGIN = f"http://{HOST}"
SECONDS = 20.0
HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}
Speak = Callable[[socket.socket, bytes], None]


class Listening:
    """A socket where a kernel's would be; ``speak`` gets each connection and the head that came."""

    def __init__(self, path: Path, speak: Speak) -> None:
        self.heads: list[bytes] = []
        self.connections = 0
        self._speak = speak
        self._open: set[socket.socket] = set()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _address = self._listener.accept()
                self.connections += 1
                connection.settimeout(SECONDS)
                self._open.add(connection)
                threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        try:
            with connection, suppress(OSError):
                self._answer(connection)
        finally:
            self._open.discard(connection)

    def _answer(self, connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            data = connection.recv(1)  # not a byte of what comes behind the head
            if not data:
                return
            head += data
        self.heads.append(head)
        self._speak(connection, head)

    @property
    def open(self) -> int:
        """How many connections are open."""
        return len(self._open)

    def fields(self, number: int = -1) -> dict[str, str]:
        """Return the header fields of a request that came."""
        lines = self.heads[number].decode("latin-1").split("\r\n")[1:-2]
        return dict(line.split(": ", 1) for line in lines)

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@contextmanager
def listening(path: Path, speak: Speak) -> Iterator[Listening]:
    """Listen at a path, and take it away afterwards."""
    server = Listening(path, speak)
    try:
        yield server
    finally:
        server.close()
        path.unlink(missing_ok=True)


def switch(head: bytes, more: str = "") -> bytes:
    """Return the head of an answer that agrees to a websocket (RFC 6455 section 4.2.2)."""
    key = re.search(rb"(?i)sec-websocket-key: (\S+)", head)
    assert key
    digest = hashlib.sha1(key[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    fields = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {base64.b64encode(digest).decode()}"
    return f"HTTP/1.1 101 Switching Protocols\r\n{fields}\r\n{more}\r\n".encode()


@contextmanager
def taken(connection: socket.socket) -> Iterator[tuple[socket.socket, bytes]]:
    """Take a page's connection, and what was read from it; a user server that brings none hangs up (OSError)."""
    size, numbers, _, _ = socket.recv_fds(connection, EARLY.size, 1)
    if not numbers:
        raise ConnectionResetError
    (left,) = EARLY.unpack(size)
    with socket.socket(fileno=numbers[0]) as page:
        page.settimeout(SECONDS)
        yield page, connection.recv(left, socket.MSG_WAITALL) if left else b""


def echo(connection: socket.socket, head: bytes) -> None:
    """Agree, and send back all that comes."""
    connection.sendall(switch(head))
    with taken(connection) as (page, early):
        page.sendall(early)
        while data := page.recv(65536):
            page.sendall(data)


def answering(answer: bytes) -> Speak:
    """Return what sends an answer, whatever was asked, and hangs up; what comes behind its head is for the page."""
    head, end, body = answer.partition(b"\r\n\r\n")

    def answered(connection: socket.socket, _head: bytes) -> None:
        connection.sendall(head + end)
        if end:
            with taken(connection) as (page, _early):
                page.sendall(body)

    return answered


def chunked(*pieces: bytes, head: str = "HTTP/1.1 200 OK", end: bytes = b"0\r\n\r\n") -> bytes:
    """Return an answer in chunks, which a kernel sends with a stream."""
    chunks = [f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in pieces]
    return f"{head}\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + b"".join(chunks) + end


def ask(
    server: Daemon,
    method: str,
    path: str,
    fields: Mapping[str, str | list[str]],
    body: bytes = b"",
    *,
    version: str = "1.1",
) -> socket.socket:
    """Send a user server exactly these fields, and Host unless it is among them."""
    lines = [f"{method} {server.record.base_url}{path} HTTP/{version}"]
    for name, value in {"Host": HOST, **fields}.items():
        lines += [f"{name}: {one}" for one in ([value] if isinstance(value, str) else value)]
    connection = dial(server.record, SECONDS)
    connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
    return connection


def answer_of(connection: socket.socket, method: str = "GET") -> http.client.HTTPResponse:
    """Read the head of an answer."""
    answer = http.client.HTTPResponse(connection, method=method)
    answer.begin()
    return answer


def page(server: Daemon) -> dict[str, str]:
    """Return what the door sends with a request of a page."""
    return {SECRET_HEADER: server.record.secret, "Origin": ORIGIN, "Cookie": "session=of-the-site; _xsrf=1"}


def is_open(connection: socket.socket) -> bool:
    """Tell whether the other end has not hung up; what has come stays to be read."""
    connection.setblocking(False)
    try:
        return connection.recv(1, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        connection.settimeout(SECONDS)
