"""How websockets end, and what those cost whose other end does not listen."""

from __future__ import annotations

import select
import socket
import struct
import time
from contextlib import suppress
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.frames import Close

from .client import HANDSHAKE, Client, ask, connected, websocket
from .memory import MEGABYTE, growing_at_most
from .user_servers import UserServer, until, user_server
from .ways import Served, serving

#: Seconds until a connection whose other end has vanished is probed for the first time.
_PROBED_AFTER = 60


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "going away"), (3000, "é 日"), (4999, "x" * 120)])
def test_how_a_client_closes_reaches_the_user_server(served: Served, alice: UserServer, code: int, reason: str) -> None:
    path = f"socket/closes-{code}"
    with websocket(served, path) as client:
        client.close(code, reason)
    assert client.protocol.close_rcvd == Close(code, reason)
    known = alice.until(path, lambda known: known["done"], "the end upstream")
    assert known["closed"] == [code, reason]


@pytest.mark.parametrize(("code", "reason"), [(1000, "ok"), (1001, "restart"), (1011, "é"), (4000, "y" * 100)])
def test_how_the_user_server_closes_reaches_the_client(served: Served, code: int, reason: str) -> None:
    with websocket(served, "socket") as client:
        client.send(f"do close {code} {reason}")
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(timeout=10)
    assert closed.value.rcvd == Close(code, reason)


@pytest.mark.parametrize("end", ["drop", "eof"])
def test_a_user_server_that_hangs_up_ends_the_clients_connection(served: Served, end: str) -> None:
    with websocket(served, "socket") as client:
        client.send(f"do {end}")
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(timeout=10)
    assert closed.value.rcvd is None


def test_a_user_server_that_dies_ends_the_clients_connections(served: Served, bob: UserServer) -> None:
    with websocket(served, "socket", user="bob") as one, websocket(served, "socket", user="bob") as other:
        bob.kill()
        for client in (one, other):
            with pytest.raises(ConnectionClosed):
                client.recv(timeout=10)
    answer = ask(served, "GET", "/notebook/bob/socket", HANDSHAKE, user="bob")
    assert answer.status in (502, 503)


@pytest.mark.parametrize("end", ["close", "reset"])
def test_a_client_that_leaves_without_a_word_is_told_to_the_user_server(
    served: Served, alice: UserServer, end: str
) -> None:
    path = f"socket/left-{served.way}-{end}"
    before = served.facts()["pairs"]
    with connected(served) as client:
        open_raw(client, path)
        if end == "reset":
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    alice.until(path, lambda known: known["done"], "the end upstream")
    assert alice.seen(path)[-1]["closed"] is None
    until(lambda: served.facts()["pairs"] == before, "the pair to be gone")


def test_what_a_client_said_last_arrives_though_it_has_left(served: Served, alice: UserServer) -> None:
    path = f"socket/last-{served.way}"
    with connected(served) as client:
        open_raw(client, path)
        client.send(b"\x81\x84\x00\x00\x00\x00last")
    alice.until(path, lambda known: known.get("last") == "last" and known["done"], "the last message")


def test_a_client_that_has_vanished_is_looked_for_within_a_minute(served: Served) -> None:
    with connected(served) as client:
        open_raw(client, "socket")
        port = client.socket.getsockname()[1]
        seconds = until(lambda: seconds_to_probe(served.port, port), "keep-alive probes to be switched on")
    assert seconds <= _PROBED_AFTER


def seconds_to_probe(local: int, remote: int) -> float | None:
    """Return when the kernel will probe the other end of a connection (Linux ``proc_net_tcp``), None for never."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        ports = [int(address.rpartition(":")[2], 16) for address in fields[1:3]]
        timer, when = fields[5].split(":")
        if ports == [local, remote] and int(timer, 16) == 2:
            return int(when, 16) / 100
    return None


def open_raw(client: Client, path: str, *, user: str = "") -> None:
    """Open a websocket of which nothing reads or answers anything."""
    client.ask("GET", path, HANDSHAKE, user=user)
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += client.socket.recv(1)
    assert head.startswith(b"HTTP/1.1 101 "), head


def test_a_client_that_never_reads_costs_little_memory_and_loses_nothing(served: Served, alice: UserServer) -> None:
    number = 128
    path = f"socket/flood-{served.way}"
    with growing_at_most(served, 16), connected(served, receive_buffer=64 * 1024) as client:
        open_raw(client, f"{path}?flood={number}")
        alice.until(path, lambda known: known.get("stalled"), "the user server to be held up")
        assert alice.seen(path)[-1]["sent"] < 32
        assert ask(served, "GET", "echo").status == 200
        with websocket(served, "socket") as other:
            other.send("hi")
            assert other.recv(timeout=10) == "hi"
        left, buffer = number * (MEGABYTE + 10), memoryview(bytearray(MEGABYTE))
        while left:
            left -= client.socket.recv_into(buffer, min(left, MEGABYTE))


def test_a_user_server_that_never_reads_holds_its_client_up(served: Served, bob: UserServer) -> None:
    with growing_at_most(served, 16), connected(served) as client:
        open_raw(client, "/notebook/bob/socket?deaf", user="bob")
        client.socket.setblocking(False)
        sent, block = 0, bytes(MEGABYTE)
        while select.select([], [client.socket], [], 0.5)[1]:
            with suppress(BlockingIOError):
                sent += client.socket.send(block)
            assert sent < 64 * MEGABYTE, "nothing holds the client up"
        assert ask(served, "GET", "echo").status == 200


def test_connections_of_a_user_who_may_pass_no_more_end_within_5_seconds(served: Served) -> None:
    user = f"carol{served.way}"
    with user_server(user) as server:
        served.put(server)
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n"
        path = server.script(("send", head), ("gone",))
        with websocket(served, "socket", user=user) as client, connected(served) as streaming:
            streaming.ask("GET", f"/notebook/{user}/{path}", user=user)
            assert streaming.begin().read(1) == b"x"
            client.send("hi")
            assert client.recv() == "hi"
            began = time.monotonic()
            served.disable(user)
            with pytest.raises(ConnectionClosed):
                client.recv(timeout=10)
            streaming.rest()
            assert time.monotonic() - began < 5


def test_a_server_that_is_told_to_end_does_so_with_websockets_open(served: Served, alice: UserServer) -> None:
    with serving(served.way, alice) as other, websocket(other, "socket") as client:
        client.send("hi")
        assert client.recv() == "hi"
        other.process.terminate()
        other.process.wait(10)
        with pytest.raises(ConnectionClosed):
            client.recv(timeout=10)
