"""A user server as the tests want it: ``upstream.py SOCKET BASE_URL``.

It echoes what it is asked, speaks websockets (:mod:`.upstream_websocket`), and answers byte for byte what a script
says, so that it can also do what no proper server does. A script is a list of steps:

====================  =============================================================
``body``              read the body of the request
``send, data``        send bytes
``blocks, n, k``      send a block of n bytes k times, as fast as they are taken
``hold``              wait until the test says ``go_on``
``speak``             agree to a websocket, and speak as the query says
``gone``              wait until the other end hangs up
``close``, ``reset``  hang up, in order or not
====================  =============================================================

Tests speak with it through a socket beside its own. It ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from pyramid_notebook.record import LEASE_HEADER
from tests.servers.upstream_websocket import speak

_LIMIT = 1 << 20
_BLOCK = 256 * 1024


class Known(dict[str, Any]):
    """What is known of one request, as tests get it."""

    def __init__(self, raw: bytes) -> None:
        text = raw.decode("latin-1").removesuffix("\r\n\r\n")
        line, *lines = text.split("\r\n")
        method, target, _version = line.split(" ")
        fields = [(name, value.strip(" \t")) for name, _, value in (field.partition(":") for field in lines)]
        super().__init__(head=text, method=method, target=target, headers=fields, length=0, done=False)
        self.raw = raw

    def field(self, name: str) -> str:
        """Return the first field of a name, in lower case, or nothing."""
        return next((value for key, value in self["headers"] if key.lower() == name), "")


class Server:
    """The user server.

    Args:
        base: its base URL.
    """

    def __init__(self, base: str) -> None:
        self.base = base
        self.scripts: dict[str, list[list[Any]]] = {}
        self.holds: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(0))
        self.seen: defaultdict[str, list[Known]] = defaultdict(list)
        self.requests = 0
        self.connections = 0
        self.leases: defaultdict[str, set[asyncio.StreamWriter]] = defaultdict(set)
        self.tellers: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        self.connections += 1
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                while not writer.is_closing():
                    await self._answer(await reader.readuntil(b"\r\n\r\n"), reader, writer)
        finally:
            self.connections -= 1
            self.tellers.discard(writer)
            for writers in self.leases.values():
                writers.discard(writer)
            writer.close()

    async def _answer(self, raw: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        known = Known(raw)
        name = known["target"].removeprefix(self.base).partition("?")[0]
        if name == "-/leases":
            await self._hear(known, reader, writer)
            return
        if lease := known.field(LEASE_HEADER.lower()):
            self.leases[lease].add(writer)
        self.requests += 1
        self.seen[name].append(known)
        try:
            if name in self.scripts:
                await self._follow(name, known, reader, writer)
            elif known.field("upgrade").lower() == "websocket":
                await speak(known, known.raw, reader, writer)
            else:
                await _read_body(known, reader)
                await _echo(known, writer)
        finally:
            known["done"] = True

    async def _hear(self, known: Known, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Do what a user server does with the leases of requests that nginx passes on."""
        told = json.loads(await reader.readexactly(int(known.field("content-length"))))
        self.tellers.add(writer)
        for lease in told["ended"]:
            for ending in self.leases.pop(lease, set()):
                ending.transport.abort()
        body = json.dumps({"unused": [lease for lease in told["renewed"] if not self.leases.get(lease)]}).encode()
        await _send(writer, f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)

    async def _follow(
        self, name: str, known: Known, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        steps: dict[str, Callable[..., Awaitable[Any]]] = {
            "body": lambda: _read_body(known, reader),
            "send": lambda data: _send(writer, base64.b64decode(data)),
            "blocks": lambda size, number: _send_blocks(known, writer, size, number),
            "hold": self.holds[name].acquire,
            "speak": lambda: speak(known, known.raw, reader, writer),
            "gone": lambda: _read_all(reader),
            "close": lambda: _hang_up(writer.close),
            "reset": lambda: _hang_up(writer.transport.abort),
        }
        for step, *arguments in self.scripts[name]:
            await steps[step](*arguments)

    async def control(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Do what a test says, and tell what it asks."""
        known = Known(await reader.readuntil(b"\r\n\r\n"))
        name = known["target"].removeprefix("/")
        answer: Any = None
        if known["method"] == "PUT":
            self.scripts[name] = json.loads(await reader.readexactly(int(known.field("content-length"))))
        elif known["method"] == "POST":
            self.holds[name].release()
        elif name:
            answer = self.seen[name]
        else:
            connections = self.connections - len(self.tellers)
            answer = {"requests": self.requests, "connections": connections, "descriptors": _descriptors()}
        body = json.dumps(answer).encode()
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()


async def _read_body(known: Known, reader: asyncio.StreamReader) -> None:
    digest = hashlib.sha256()
    blocks = _chunks(reader) if known.field("transfer-encoding") == "chunked" else _blocks(known, reader)
    async for block in blocks:
        known["length"] += len(block)
        digest.update(block)
    known["sha256"] = digest.hexdigest()


async def _blocks(known: Known, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    left = int(known.field("content-length") or 0)
    while left:
        block = await reader.read(min(left, _BLOCK))
        if not block:
            raise asyncio.IncompleteReadError(b"", left)
        left -= len(block)
        yield block


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
        yield await reader.readexactly(size)
        await reader.readexactly(2)
    while (await reader.readuntil(b"\r\n")).strip():
        pass


async def _echo(known: Known, writer: asyncio.StreamWriter) -> None:
    known["done"] = True
    body = json.dumps(known).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + (b"" if known["method"] == "HEAD" else body))
    await writer.drain()


async def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()


async def _read_all(reader: asyncio.StreamReader) -> None:
    while await reader.read(_LIMIT):
        pass


async def _hang_up(how: Callable[[], None]) -> None:
    how()


async def _send_blocks(known: Known, writer: asyncio.StreamWriter, size: int, number: int) -> None:
    block = (b"0123456789abcdef" * (size // 16 + 1))[:size]
    known["sent"] = 0
    for _ in range(number):
        writer.write(block)
        known["sent"] += size
        await writer.drain()


def _descriptors() -> int:
    return len(list(Path("/dev/fd").iterdir()))


async def _main(path: str, base: str) -> None:
    server = Server(base)
    await asyncio.start_unix_server(server.serve, path, limit=_LIMIT, backlog=1024)
    await asyncio.start_unix_server(server.control, f"{path}.control", limit=_LIMIT)
    sys.stdout.write("listens\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    os._exit(0)  # connections that are open need no goodbye


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
