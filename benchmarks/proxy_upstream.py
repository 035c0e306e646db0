"""A user server that does next to nothing, so that what is measured is what stands in front of it.

It listens on a unix socket, as user servers do, and on a loopback port for who knows no sockets. It has a file of
10 KB and one of 1 MB, and echoes websockets (RFC 6455). It takes the mask of each frame for zeros, which is what
:mod:`.proxy_clients` sends: there is nothing to compute, and a proxy that splices bytes cannot tell.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import secrets
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from pyramid_notebook import processes
from pyramid_notebook.record import ServerRecord
from tests.proxy.nginx_server import GROUP
from tests.servers.user_servers import open_to_group

USER = "alice"
BASE = f"/notebook/{USER}/"
#: Bytes of the files, by their paths below :data:`BASE`.
FILES = {"files/10k.bin": 10_240, "files/1m.bin": 1 << 20}
ECHO = "echo"

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_ROOT = Path(__file__).parent.parent
_HIGH_WATER = 1 << 20
_MASKED_HEAD = {126: struct.Struct(">2xH4x"), 127: struct.Struct(">2xQ4x")}
_CLOSE = 8


def _answer(size: int) -> bytes:
    head = (
        "HTTP/1.1 200 OK\r\nServer: benchmark\r\nContent-Type: application/octet-stream\r\n"
        f'ETag: "{size}"\r\nCache-Control: no-cache\r\nContent-Length: {size}\r\n\r\n'
    )
    return head.encode() + os.urandom(size)


_ANSWERS = {f"{BASE}{path}".encode(): _answer(size) for path, size in FILES.items()}
_MISSING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
#: How the door tells a user server what nginx may go on to pass on, and the answer: that all of it is still needed.
_LEASES = f"POST {BASE}-/leases ".encode()
_RENEWED = b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\nConnection: close\r\n\r\n{"unused":[]}'


class _Connection(asyncio.Protocol):
    """One connection: HTTP without bodies of requests, and after an upgrade the echo."""

    def __init__(self) -> None:
        self._transport: Any = None
        self._pending = b""
        self._left: int | None = None  # of the payload of a frame; None as long as it is HTTP

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        transport.set_write_buffer_limits(high=_HIGH_WATER)

    def pause_writing(self) -> None:
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        if self._pending:
            data, self._pending = self._pending + data, b""
        if self._left is None:
            self._http(data)
        else:
            self._echo(data)

    def _http(self, data: bytes) -> None:
        while (end := data.find(b"\r\n\r\n")) >= 0:
            head, data = data[:end], data[end + 4 :]
            if head.startswith(_LEASES):
                self._transport.write(_RENEWED)
                self._transport.close()
                return
            if head.lower().find(b"\r\nupgrade: websocket") >= 0:
                self._shake_hands(head)
                self._echo(data)
                return
            self._transport.write(_ANSWERS.get(head.split(b" ", 2)[1], _MISSING))
        self._pending = data

    def _shake_hands(self, head: bytes) -> None:
        """Accept a websocket (RFC 6455 section 4.2.2)."""
        fields = dict(line.lower().split(b": ", 1)[:1] + line.split(b": ", 1)[1:] for line in head.split(b"\r\n")[1:])
        accept = base64.b64encode(hashlib.sha1(fields[b"sec-websocket-key"] + _GUID).digest())
        answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        self._transport.write(answer + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        self._left = 0

    def _echo(self, data: bytes) -> None:
        """Send frames back without their masks, as they arrive (RFC 6455 section 5.2)."""
        out: list[bytes | memoryview] = []
        view = memoryview(data)
        while view:
            if not self._left:
                used = self._frame_head(view, out)
                if not used:
                    self._pending = bytes(view)
                    break
                view = view[used:]
            assert self._left is not None
            piece = view[: self._left]
            self._left -= len(piece)
            view = view[len(piece) :]
            out.append(piece)
        if out:
            self._transport.writelines(out)
            if bytes(out[0][:1]) == bytes([0x80 | _CLOSE]):
                self._transport.close()

    def _frame_head(self, view: memoryview, out: list[bytes | memoryview]) -> int:
        """Answer the head of a frame; returns its bytes, or 0 where it has not come as a whole."""
        if len(view) < 2:
            return 0
        short = view[1] & 0x7F
        long = _MASKED_HEAD.get(short)
        size = long.size if long else 6
        if len(view) < size:
            return 0
        self._left = long.unpack(view[:size])[0] if long else short
        out.append(bytes([view[0], short]) + bytes(view[2 : size - 4]))
        return size


async def _serve(path: str) -> None:
    loop = asyncio.get_running_loop()
    within = await loop.create_unix_server(_Connection, path, backlog=2048)
    server = await loop.create_server(_Connection, "127.0.0.1", 0, backlog=2048)
    async with within, server:  # uvloop closes a server that nobody holds
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.to_thread(sys.stdin.read)
        os._exit(0)  # connections that are open need no goodbye


def run(path: str) -> None:
    """Serve on a unix socket until the standard input ends; the port is printed."""
    uvloop.run(_serve(path))


@dataclass(frozen=True, slots=True)
class FastUpstream:
    """The user server in a process of its own.

    Attributes:
        record: as the door finds it.
        port: where it listens as well, on 127.0.0.1.
    """

    record: ServerRecord
    port: int


@contextmanager
def fast_upstream() -> Iterator[FastUpstream]:
    """Run the user server; it listens when this returns."""
    code = "import sys; from benchmarks.proxy_upstream import run; run(sys.argv[1])"
    with tempfile.TemporaryDirectory(prefix="pnb-bench-") as folder:
        path = str(Path(folder, "s"))
        command = [sys.executable, "-c", code, path]
        with subprocess.Popen(
            command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        ) as process:
            assert process.stdout is not None
            try:
                port = int(process.stdout.readline())
                open_to_group(Path(folder), Path(path))
                yield FastUpstream(_record(path, process.pid), port)
            finally:
                process.kill()


def _record(path: str, pid: int) -> ServerRecord:
    return ServerRecord(
        pid=pid,
        identity=str(processes.identity(pid)),
        launch_id=secrets.token_hex(16),
        user=USER,
        base_url=BASE,
        socket=path,
        secret=secrets.token_hex(32),
        started=time.time(),
        socket_group=GROUP,
    )
