"""Bytes flow as they come, in both directions, and nobody's pace costs memory or holds others up."""

from __future__ import annotations

import hashlib
import json
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from http.client import HTTPException, HTTPResponse

import pytest

from .client import ask, connected
from .limits import limit
from .memory import MEGABYTE, growing_at_most
from .user_servers import UserServer, until, user_server
from .ways import Served, serving

_CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_BLOCK = 256 * 1024


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def chunks(data: bytes) -> bytes:
    return b"".join(chunk(data[start : start + _BLOCK]) for start in range(0, len(data), _BLOCK))


def framed(framing: str, length: int) -> tuple[str, str]:
    """Return the field that tells where a body ends."""
    return ("Transfer-Encoding", "chunked") if framing == "chunked" else ("Content-Length", str(length))


def read_all(response: HTTPResponse) -> int:
    """Read what is left of an answer, and return how much it was."""
    buffer, length = memoryview(bytearray(MEGABYTE)), 0
    while size := response.readinto(buffer):
        length += size
    return length


@pytest.mark.parametrize("framing", ["chunked", "length", "end"])
def test_each_event_arrives_before_the_next_one_is_written(served: Served, alice: UserServer, framing: str) -> None:
    events = [b"data: %d\n\n" % number for number in range(5)]
    head, last = {
        "chunked": (_CHUNKED, ("send", b"0\r\n\r\n")),
        "length": (b"HTTP/1.1 200 OK\r\nContent-Length: 45\r\n\r\n", ("body",)),
        "end": (b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n", ("close",)),
    }[framing]
    parts = [chunk(event) if framing == "chunked" else event for event in events]
    path = alice.script(("send", head), *(step for part in parts for step in (("send", part), ("hold",))), last)
    with connected(served) as client:
        client.ask("GET", path, [("Accept", "text/event-stream")])
        response = client.begin()
        for event in events:
            assert response.read(len(event)) == event
            alice.go_on(path)
        assert response.read() == b""


def test_the_head_arrives_before_the_first_byte_of_the_body(served: Served, alice: UserServer) -> None:
    path = alice.script(("send", _CHUNKED), ("hold",), ("send", chunk(b"late") + b"0\r\n\r\n"))
    kept = limit(served.way, "the head of an answer arrives before its body begins")
    with connected(served) as client:
        client.ask("GET", path)
        until(lambda: alice.seen(path), "the request upstream")
        if kept:
            alice.go_on(path)
        client.socket.settimeout(5)
        response = client.begin()
        assert response.status == 200
        if not kept:
            alice.go_on(path)
        assert response.read() == b"late"


def test_a_gigabyte_streams_down_in_bounded_memory(served: Served, alice: UserServer) -> None:
    size = 1 << 30
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size
    path = alice.script(("send", head), ("blocks", _BLOCK, size // _BLOCK))
    with growing_at_most(served, 64), connected(served) as client:
        client.ask("GET", path)
        assert read_all(client.begin()) == size


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_body_of_256_megabytes_streams_up_in_bounded_memory(served: Served, framing: str) -> None:
    block, number = bytes(range(256)) * 4096, 256
    digest = hashlib.sha256()
    with growing_at_most(served, 32), connected(served) as client:
        client.ask("PUT", "echo", [framed(framing, len(block) * number)])
        for _ in range(number):
            client.send(chunks(block) if framing == "chunked" else block)
            digest.update(block)
        if framing == "chunked":
            client.send(b"0\r\n\r\n")
        seen = json.loads(client.answer().body)
    assert (seen["length"], seen["sha256"]) == (len(block) * number, digest.hexdigest())


@pytest.mark.parametrize(
    ("size", "framing", "behaviour"),
    [
        (MEGABYTE, "length", "a long body reaches the user server while it is sent"),
        (MEGABYTE, "chunked", "a long body reaches the user server while it is sent"),
        (10, "length", "the first bytes of a body reach the user server at once"),
        (10, "chunked", "the first bytes of a chunked body reach the user server at once"),
    ],
)
def test_each_part_of_a_body_arrives_before_the_next_one_is_sent(
    served: Served, alice: UserServer, framing: str, size: int, behaviour: str
) -> None:
    path = f"echo/slow-{served.way}-{framing}-{size}"
    kept = limit(served.way, behaviour)
    part = chunks(bytes(size)) if framing == "chunked" else bytes(size)
    with connected(served) as client:
        client.ask("PUT", path, [framed(framing, 3 * size)])
        for arrived in (size, 2 * size):
            client.send(part)
            if not kept:
                alice.until_it_has(path, arrived)
        assert not kept or not any(known["length"] for known in alice.seen(path))
        client.send(part + b"0\r\n\r\n" if framing == "chunked" else part)
        assert json.loads(client.answer().body)["length"] == 3 * size


def test_a_chunk_of_4_megabytes_arrives(served: Served) -> None:
    with connected(served) as client:
        client.ask("PUT", "echo", [framed("chunked", 0)])
        client.send(chunk(bytes(4 * MEGABYTE)) + b"0\r\n\r\n")
        assert json.loads(client.answer().body)["length"] == 4 * MEGABYTE


def test_a_reader_that_stops_costs_little_memory_and_nobody_else(served: Served, alice: UserServer) -> None:
    size = 128 * MEGABYTE
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size
    path = alice.script(("send", head), ("blocks", _BLOCK, size // _BLOCK))
    with growing_at_most(served, 40), connected(served, receive_buffer=64 * 1024) as client:
        client.ask("GET", path)
        response = client.begin()
        stopped = stops(lambda: alice.seen(path)[0]["sent"])
        assert stopped < 64 * MEGABYTE
        assert ask(served, "GET", "echo").status == 200
        assert read_all(response) == size


def stops(value: Callable[[], int]) -> int:
    """Wait until a number has not changed for half a second, and return it."""
    last, since = -1, 0.0

    def is_still() -> bool:
        nonlocal last, since
        now = value()
        if now != last:
            last, since = now, time.monotonic()
        return time.monotonic() - since > 0.5

    until(is_still, "it to stop")
    return last


def test_writers_that_stop_hold_nobody_up(served: Served) -> None:
    with connected(served) as one, connected(served) as other:
        for client in (one, other):
            client.ask("PUT", "echo", [("Content-Length", "10")])
            client.send(b"start")
        assert ask(served, "GET", "echo").status == 200
        for client in (one, other):
            client.send(b"ended")
            assert json.loads(client.answer().body)["length"] == 10


def test_a_client_that_leaves_takes_the_user_servers_work_with_it(served: Served, alice: UserServer) -> None:
    path = alice.script(("send", _CHUNKED), *[("send", chunk(b"x")), ("hold",)] * 200, ("gone",))
    with connected(served) as client:
        client.ask("GET", path)
        assert client.begin().read(1) == b"x"

    def has_ended() -> bool:
        alice.go_on(path)
        return bool(alice.seen(path)[0]["done"])

    until(has_ended, "the user server to learn that nobody listens")


def test_a_client_that_leaves_in_the_middle_of_its_body_is_noticed(served: Served, alice: UserServer) -> None:
    path = f"echo/left-{served.way}"
    with connected(served) as client:
        client.ask("PUT", path, [("Content-Length", str(100 * MEGABYTE))])
        client.send(bytes(2 * MEGABYTE))
    if limit(served.way, "a long body reaches the user server while it is sent"):
        assert ask(served, "GET", "echo").status == 200
        assert not alice.seen(path)
    else:
        alice.until(path, lambda known: known["done"], "the end of the request")
        assert "sha256" not in alice.seen(path)[0]


@pytest.mark.parametrize("status", [401, 413])
@pytest.mark.parametrize("end", ["close", "keep"])
def test_an_answer_that_comes_before_the_body_was_sent_is_passed_on(
    served: Served, alice: UserServer, status: int, end: str
) -> None:
    steps = [("send", b"HTTP/1.1 %d Enough\r\nContent-Length: 4\r\n\r\nstop" % status)]
    path = alice.script(*steps, ("close",) if end == "close" else ("body",))
    with connected(served) as client:
        client.ask("PUT", path, [("Content-Length", str(8 * MEGABYTE))])
        sending = threading.Thread(target=send_all, args=(client.socket, bytes(8 * MEGABYTE)))
        sending.start()
        answer = client.answer()
        kept = limit(served.way, "an answer to a body that is still being sent is passed on")
        assert (kept and answer.status == 503) or (answer.status, answer.body) == (status, b"stop")
        with suppress(OSError):
            client.socket.shutdown(socket.SHUT_RDWR)
        sending.join(10)
        assert not sending.is_alive()


def send_all(connection: socket.socket, data: bytes) -> None:
    with suppress(OSError):  # who has answered need not listen any more
        connection.sendall(data)


def test_who_may_not_pass_is_told_so_before_their_body_is_read(served: Served, alice: UserServer) -> None:
    before = alice.facts()["requests"]
    with connected(served) as client:
        client.ask("PUT", "echo", [("Content-Length", str(100 * MEGABYTE))], user="-")
        if limit(served.way, "who may not pass is told so before their body is read"):
            client.socket.shutdown(socket.SHUT_WR)
            client.rest()
        else:
            assert client.begin().status in (401, 403)
    assert alice.facts()["requests"] == before


def test_a_user_server_that_dies_is_told_to_who_waits_for_it(served: Served, bob: UserServer) -> None:
    path = bob.script(("send", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart"), ("hold",))
    with connected(served) as waiting, connected(served) as reading:
        reading.ask("GET", f"/notebook/bob/{path}", user="bob")
        response = reading.begin()
        assert response.read(4) == b"part"
        silent = bob.script(("hold",))
        waiting.ask("GET", f"/notebook/bob/{silent}", user="bob")
        until(lambda: bob.seen(silent), "the request upstream")
        bob.kill()
        assert waiting.answer().status in (502, 503)
        with pytest.raises((HTTPException, OSError)):
            response.read()
    assert ask(served, "GET", "/notebook/bob/echo", user="bob").status in (502, 503)


def test_a_request_just_after_the_user_server_was_replaced_reaches_the_new_one(served: Served) -> None:
    for _ in range(3):
        with user_server("carol") as upstream:
            served.put(upstream)
            hers = replace(served, base=upstream.record.base_url, user="carol")
            status = ask(hers, "GET", "echo").status
            is_late = limit(served.way, "a request just after the user server was replaced reaches the new one")
            assert status == 200 or (is_late and status == 503)


def test_a_caller_of_a_notebook_who_goes_away_ends_the_call(served: Served, alice: UserServer) -> None:
    path = alice.script(("gone",), below="restified/")
    with connected(served) as client:
        client.ask("GET", path, [("Sec-Fetch-Site", "none")])
        until(lambda: alice.seen(path), "the user server has begun")
    alice.until(path, lambda known: known["done"], "it was hung up on")


def test_clients_that_go_while_a_user_server_thinks_hold_nothing(alice: UserServer) -> None:
    with serving("uvicorn", alice) as served:
        assert ask(served, "GET", "echo").status == 200
        before = served.facts()["descriptors"]
        path = alice.script(("hold",))
        for number in range(1, 21):
            with connected(served) as client:
                client.ask("GET", path)
                until(lambda number=number: len(alice.seen(path)) == number, "it has come")
        until(lambda: served.facts()["descriptors"] <= before, "their connections are closed")


def test_a_user_has_a_hundred_places_where_no_thread_waits(alice: UserServer) -> None:
    with serving("uvicorn", alice) as served, ExitStack() as held:
        path = alice.script(("hold",))
        for number in range(1, 101):
            held.enter_context(connected(served)).ask("GET", path)
            until(lambda number=number: len(alice.seen(path)) == number, "it has come")
        assert ask(served, "GET", "echo").status == 503
    assert alice.facts()


def test_a_client_that_breaks_its_upload_off_after_the_answer_has_begun_holds_nothing(alice: UserServer) -> None:
    with serving("uvicorn", alice) as served:
        assert ask(served, "GET", "echo").status == 200
        before = served.facts()["descriptors"]
        path = alice.script(("send", b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nbegun"), ("hold",))
        with connected(served) as client:
            lines = [f"POST {served.base}{path} HTTP/1.1", f"Host: 127.0.0.1:{served.port}", "Content-Length: 1000"]
            lines += [f"{name}: {value}" for name, value in served.headers.items()]
            client.send("\r\n".join([*lines, "", "begun too"]).encode())
            assert client.socket.recv(12) == b"HTTP/1.1 200"
        until(lambda: served.facts()["descriptors"] <= before, "its connection is closed")
