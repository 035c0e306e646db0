"""A page's connection in the hands of a kernel, and what is left when one of them goes."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import h11
import psutil
import pytest
from tornado.iostream import IOStream

from pyramid_notebook.channel import passing
from pyramid_notebook.channel.passing import KernelConnection, dial, pass_on
from pyramid_notebook.errors import NoPage
from pyramid_notebook.proxy.upstream import ask as ask_privately
from pyramid_notebook.record import LEASE_HEADER
from tests.running import wait_until

from .listening import HANDSHAKE, SECONDS, Listening, ask, chunked, echo, is_open, listening, page, switch, taken
from .user_server import Way, way_to_a_kernel

MEGABYTE = 1 << 20
#: Bytes that all buffers between two ends may hold: two sockets with two sides each, and the transports.
MOST_UNDER_WAY = 4 * MEGABYTE


@pytest.fixture(scope="module")
def way() -> Iterator[Way]:
    with way_to_a_kernel() as running:
        yield running


def connected(way: Way, early: bytes = b"", **fields: str) -> socket.socket:
    """Return a connection of a page to the kernel."""
    connection = ask(way.server, "GET", way.socket, {**page(way.server), **HANDSHAKE, **fields}, early)
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        data = connection.recv(1)
        assert data, head
        head += data
    assert head.startswith(b"HTTP/1.1 101 "), head
    return connection


def received(connection: socket.socket, size: int) -> bytes:
    """Read so many bytes, or all that come before the end."""
    pieces = []
    while size and (piece := connection.recv(min(size, MEGABYTE))):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def is_clean(way: Way, kernel: Listening, before: int) -> bool:
    return kernel.open == 0 and psutil.Process(way.server.record.pid).num_fds() <= before


def test_bytes_pass_both_ways_at_once_as_they_are(way):
    data = os.urandom(20 * MEGABYTE)
    with way.listening(echo), connected(way) as connection:
        sending = threading.Thread(target=connection.sendall, args=(data,))
        sending.start()
        assert received(connection, len(data)) == data
        sending.join()


def test_what_comes_in_one_packet_with_a_handshake_is_not_lost(way):
    early = os.urandom(100_000)
    with way.listening(echo), connected(way, early) as connection:
        assert received(connection, len(early)) == early


def test_what_a_kernel_says_before_it_has_the_page_is_for_nobody(way):
    def greet(connection: socket.socket, head: bytes) -> None:
        connection.sendall(switch(head) + b"Set-Cookie: a=b\r\n\r\n")
        with taken(connection) as (page, _early):
            page.sendall(b"hello")

    with way.listening(greet), connected(way) as connection:
        assert received(connection, 100) == b"hello"


def test_a_page_that_hangs_up_has_the_kernel_hung_up_on_after_its_last_bytes(way):
    got: list[bytes] = []

    def take(connection: socket.socket, head: bytes) -> None:
        connection.sendall(switch(head))
        with taken(connection) as (page, early):
            got.append(early + received(page, 100 * MEGABYTE))

    data = os.urandom(3 * MEGABYTE)
    with way.listening(take) as kernel:
        with connected(way) as connection:
            connection.sendall(data)
        wait_until(lambda: kernel.open == 0, "the kernel was hung up on")
    assert got == [data]


def test_a_kernel_that_hangs_up_has_the_page_hung_up_on_after_its_last_bytes(way):
    data = os.urandom(3 * MEGABYTE)

    def last_words(connection: socket.socket, head: bytes) -> None:
        connection.sendall(switch(head))
        with taken(connection) as (page, _early):
            page.sendall(data)

    with way.listening(last_words), connected(way) as connection:
        assert received(connection, 100 * MEGABYTE) == data


def test_a_lease_that_ends_ends_the_websocket(way):
    with way.listening(echo) as kernel, connected(way, **{LEASE_HEADER: "lease-1"}) as connection:
        connection.sendall(b"x")
        assert received(connection, 1) == b"x"
        address = f"{way.server.record.base_url}-/leases"
        told = {"renewed": ["lease-1"], "ended": []}
        assert ask_privately(way.server.record, "POST", address, json=told, timeout=20) == (200, {"unused": []})
        assert is_open(connection)
        told = {"renewed": [], "ended": ["lease-1"]}
        assert ask_privately(way.server.record, "POST", address, json=told, timeout=20)[0] == 200
        assert received(connection, 1) == b""
        wait_until(lambda: kernel.open == 0, "the kernel was hung up on")


def under_way(take_none: socket.socket, give: socket.socket) -> int:
    """Return how many bytes one side can send while the other takes none."""
    sent = 0
    give.settimeout(1.0)
    with suppress(TimeoutError):
        while sent <= 2 * MOST_UNDER_WAY:
            sent += give.send(bytes(64 * 1024))
    assert is_open(take_none)
    return sent


def test_a_page_that_does_not_read_stops_the_kernel(way):
    ends: list[socket.socket] = []
    done = threading.Event()

    def keep(connection: socket.socket, head: bytes) -> None:
        connection.sendall(switch(head))
        with taken(connection) as (page, _early):
            ends.append(page)
            done.wait(60)

    with way.listening(keep) as kernel:
        try:
            with connected(way) as connection:
                wait_until(lambda: ends, "the kernel has agreed")
                sent = under_way(connection, ends[0])
                assert 0 < sent < MOST_UNDER_WAY
                assert len(received(connection, sent)) == sent
                back = under_way(ends[0], connection)
                assert 0 < back < MOST_UNDER_WAY
                assert len(received(ends[0], back)) == back
        finally:
            done.set()
        wait_until(lambda: kernel.open == 0, "the kernel was hung up on")


def test_a_page_that_does_not_read_a_stream_stops_the_kernel(way):
    sent: list[int] = []

    def flood(connection: socket.socket, head: bytes) -> None:
        connection.sendall(chunked(end=b""))
        with taken(connection) as (page, _early):
            page.sendall(f"{2 * MOST_UNDER_WAY:x}\r\n".encode())
            page.settimeout(1.0)
            size = 0
            with suppress(TimeoutError):
                while size < 2 * MOST_UNDER_WAY:
                    size += page.send(bytes(64 * 1024))
            sent.append(size)

    with way.listening(flood), ask(way.server, "GET", way.stream, page(way.server)) as connection:
        wait_until(lambda: sent, "the kernel has stopped")
        assert 0 < sent[0] < MOST_UNDER_WAY
        body = received(connection, 100 * MEGABYTE).partition(b"\r\n\r\n")[2]
    assert len(body.partition(b"\r\n")[2]) == sent[0]


def leave_somehow(way: Way, chance: random.Random) -> None:
    """Connect, and hang up or break off at any moment."""
    moment = chance.randrange(5)
    path = way.stream if chance.random() < 0.3 else way.socket
    early = bytes(chance.choice([0, 0, 10, 200_000]))
    connection = ask(way.server, "GET", path, {**page(way.server), **HANDSHAKE}, early)
    connection.settimeout(0.01)
    with connection, suppress(ConnectionError, TimeoutError):
        if moment:
            connection.recv(1)
        if moment > 1:
            connection.sendall(bytes(chance.choice([1, 1000, 50_000])))
        if moment > 2:
            connection.recv(chance.choice([10, 10_000]))
        if moment > 3:
            connection.shutdown(socket.SHUT_WR)


def test_a_thousand_connections_that_end_at_any_moment_leave_no_descriptor(way):
    chance = random.Random(7)

    def speak(connection: socket.socket, head: bytes) -> None:
        moment = chance.randrange(5)
        if moment == 0:
            return
        cut = chance.randrange(1, 100)
        connection.sendall(switch(head) if b"Upgrade" in head else chunked(end=b"")[:cut])
        if moment == 1:
            return
        with taken(connection) as (page, _early):
            page.sendall(bytes(chance.choice([1, 1000, 300_000])))
            if moment > 2:
                page.recv(chance.choice([1, 100_000]))
            if moment > 3:
                page.recv(1)

    with way.listening(echo) as kernel:
        connected(way).close()
        wait_until(lambda: kernel.open == 0, "the first one has ended")
    before = psutil.Process(way.server.record.pid).num_fds()
    with way.listening(speak) as kernel:
        with ThreadPoolExecutor(8) as pages:
            list(pages.map(lambda number: leave_somehow(way, random.Random(number)), range(1000)))
        wait_until(lambda: is_clean(way, kernel, before), "all is closed")
    assert "Traceback" not in way.server.log


def test_a_page_that_leaves_while_its_kernel_stands_still_leaves_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passing, "_LINGER_SECONDS", 0.1)
    done = threading.Event()

    def stand_still(connection: socket.socket, _head: bytes) -> None:
        connection.sendall(chunked(end=b""))
        done.wait(SECONDS)

    async def leaving() -> None:
        ours, theirs = socket.socketpair()
        with listening(folder / "s", stand_still):
            work = asyncio.create_task(pass_on(IOStream(ours), await dial(folder / "s", "/", {}), b"head"))
            await asyncio.to_thread(received, theirs, 4)
            assert not work.done()
            theirs.close()
            await asyncio.wait_for(work, SECONDS)

    try:
        asyncio.run(leaving())
    finally:
        done.set()


def test_what_comes_by_a_port_does_not_wait_to_be_more() -> None:
    async def options() -> int:
        with closing(socket.create_server(("127.0.0.1", 0))) as server, closing(socket.socket()) as page:
            page.connect(server.getsockname())
            ours = server.accept()[0]
            kernel, other = socket.socketpair()
            other.close()
            told = KernelConnection(kernel, h11.Response(status_code=200, headers=[]))
            with ours.dup() as seen:
                await pass_on(IOStream(ours), told, b"head")
                return seen.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    assert asyncio.run(options()) != 0


# dialling


def test_a_socket_that_is_gone_has_nobody_to_call(folder):
    with pytest.raises(NoPage):
        asyncio.run(dial(folder / "none", "/socket", {}))


def test_dialling_that_nobody_waits_for_any_more_leaves_nothing_open(folder):
    async def given_up() -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(0.05):
                await dial(folder / "s", "/socket", {})

    with listening(folder / "s", lambda connection, _head: connection.recv(1) and None) as kernel:
        asyncio.run(given_up())
        wait_until(lambda: kernel.heads and kernel.open == 0, "it was hung up on")
