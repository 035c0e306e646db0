"""User servers and clients that take long, say too much, or do not listen."""

from __future__ import annotations

import re
import select
import socket
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import psutil

from tests.door.sites import HANDSHAKE
from tests.running import Site

from .attackers import Fields, connect, head_of, pairs

MEGABYTE = 1 << 20
#: The answer to the key in :data:`HANDSHAKE` (RFC 6455 section 1.3).
AGREED = (
    b"HTTP/1.1 101 Go\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
)
#: A masked binary frame that says it has the most bytes that a frame can have (RFC 6455 section 5.2).
ENDLESS_FRAME = b"\x82\xff" + struct.pack(">Q", (1 << 63) - 1) + b"\0\0\0\0"
SECONDS_WITHOUT_A_BYTE = 1.0


def bomb(size: int) -> bytes:
    """Return zeros as permessage-deflate sends them (RFC 7692 section 7.2.1)."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = bytes(MEGABYTE)
    packed = b"".join(packer.compress(block) for _ in range(size // MEGABYTE)) + packer.flush(zlib.Z_SYNC_FLUSH)
    return packed.removesuffix(b"\0\0\xff\xff")


def frame(payload: bytes, *, masked: bool) -> bytes:
    """Return one compressed binary frame; its mask is zero, so that its bytes can be compared."""
    head = struct.pack(">BBQ", 0xC2, 0xFF if masked else 0x7F, len(payload))
    return head + (b"\0\0\0\0" if masked else b"") + payload


def memory(site: Site) -> int:
    """Return how many bytes of memory the web worker has."""
    return int(psutil.Process(site.process.pid).memory_info().rss)


@contextmanager
def no_more_memory(site: Site, *, than: int) -> Iterator[None]:
    """Check that the web worker does not grow by more bytes than these."""
    before = memory(site)
    yield
    assert memory(site) - before < than


def fill(connection: socket.socket, most: int) -> int:
    """Send zeros until nothing more is taken, and return how many were; no more than the most."""
    connection.setblocking(False)
    block, sent = bytes(65536), 0
    while sent < most and select.select([], [connection], [], SECONDS_WITHOUT_A_BYTE)[1]:
        sent += connection.send(block)
    return sent


def opened(port: int, target: str, fields: Fields, *, rest: bytes = b"", way: str = "websocket") -> socket.socket:
    """Connect, send a request, and read nothing."""
    connection = connect(port)
    more = HANDSHAKE.items() if way == "websocket" else ()
    connection.sendall(head_of("GET", target, [("Host", f"localhost:{port}"), *pairs(fields), *more]) + rest)
    return connection


def websocket_of(stack: ExitStack, port: int, target: str, fields: Fields) -> socket.socket:
    """Open a websocket, and read the head of the answer."""
    connection = stack.enter_context(opened(port, target, fields))
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += connection.recv(1)
    assert head.startswith(b"HTTP/1.1 101"), head
    return connection


def answer_briefly(upstream: Any, connection: Any, _number: int) -> None:
    """Agree to everything; read what comes, and forget it."""
    while True:
        head = upstream.read_head(connection)
        if b"upgrade: websocket" in head.lower():
            connection.sendall(AGREED)
            while connection.recv(MEGABYTE):
                pass
            return
        found = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        length = int(found[1]) if found else 0
        left = length - len(head.partition(b"\r\n\r\n")[2])
        while left > 0:
            left -= len(connection.recv(MEGABYTE))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")


class Stubborn:
    """A user server that says nothing at all, or agrees to everything and reads nothing, or says more than one wants.

    Attributes:
        said: how many bytes it was rid of, once nobody took more.
        may_end: what makes it hang up.
    """

    def __init__(self, *, answers: bool, most: int) -> None:
        self.said: list[int] = []
        self.may_end = threading.Event()
        self._answers = answers
        self._most = most

    def __call__(self, upstream: Any, connection: Any, _number: int) -> None:
        """Speak on a connection, as the user server."""
        head = upstream.read_head(connection)
        answer = AGREED if b"upgrade: websocket" in head.lower() else b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
        if self._answers:
            connection.sendall(answer)
        if self._most:
            self.said.append(fill(connection, self._most))
        self.may_end.wait(60)


@contextmanager
def stubborn(*, answers: bool = True, most: int = 0) -> Iterator[Stubborn]:
    """Make one that lets go in the end.

    Args:
        answers: whether it answers requests and handshakes.
        most: how many bytes it says after that, if it can.
    """
    server = Stubborn(answers=answers, most=most)
    try:
        yield server
    finally:
        server.may_end.set()
