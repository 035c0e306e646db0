"""Row 28: clients and user servers that take time, connections and memory, and that of others above all."""

from __future__ import annotations

import gzip
import time
from contextlib import ExitStack

import pytest

from tests.door.sites import recording_server
from tests.running import wait_until

from .attackers import connect, head_of, is_passed, pairs, read_answer, send
from .heavy import (
    AGREED,
    ENDLESS_FRAME,
    MEGABYTE,
    answer_briefly,
    bomb,
    fill,
    frame,
    no_more_memory,
    opened,
    stubborn,
    websocket_of,
)
from .rows import both_ways

TARGET = "/notebook/user/api/x"
#: More than sockets, the relay and waitress hold together, and less than what was meant to be sent.
BUFFERS = 40 * MEGABYTE
#: How many of waitress's connections (100 by default) an attacker takes.
CONNECTIONS = 90
USER_REQUESTS = 6
USER_WEBSOCKETS = 100


@pytest.fixture
def neighbours(demo):
    """What stands for the user server of ``user2``, who has nothing to do with the attack."""
    with recording_server(demo.manager, "user2", speak=answer_briefly) as server:
        yield server


def neighbour_passes(demo, signed_in, way: str = "http") -> bool:
    began = time.monotonic()
    answer = send(demo.port, way, "/notebook/user2/api/x", signed_in("user2"))
    return is_passed(answer, way) and time.monotonic() - began < 5


@pytest.mark.row(28)
@both_ways
def test_requests_that_never_come_to_their_end_hold_up_nobody_and_reach_no_user_server(
    demo, theirs, neighbours, signed_in, way
):
    fields = [("Host", f"localhost:{demo.port}"), *pairs(signed_in("user"))]
    slow_head = head_of("GET", TARGET, fields)[:-2] + b"X-Slow: "
    slow_body = head_of("POST", TARGET, [*fields, ("Content-Length", "1000000")]) + b"x"
    slow_chunk = head_of("POST", TARGET, [*fields, ("Transfer-Encoding", "chunked")]) + b"ffff\r\nx"
    slow_upgrade = head_of("GET", TARGET, [*fields, ("Upgrade", "websocket"), ("Connection", "Upgrade")])[:-2]
    beginnings = [slow_upgrade] if way == "websocket" else [slow_head, slow_body, slow_chunk]
    with ExitStack() as stack:
        for number in range(CONNECTIONS):
            connection = stack.enter_context(connect(demo.port))
            connection.sendall(beginnings[number % len(beginnings)])
        for _ in range(5):
            assert neighbour_passes(demo, signed_in, way)
        assert theirs.requests == []


@pytest.mark.row(28, "http")
def test_a_large_upload_takes_no_memory_of_the_site(demo, signed_in):
    with recording_server(demo.manager, "user", speak=answer_briefly), no_more_memory(demo, than=24 * MEGABYTE):
        size = 96 * MEGABYTE
        with connect(demo.port, seconds=60) as connection:
            fields = [("Host", f"localhost:{demo.port}"), *pairs(signed_in("user")), ("Content-Length", str(size))]
            connection.sendall(head_of("PUT", TARGET, fields))
            for _ in range(size // MEGABYTE):
                connection.sendall(bytes(MEGABYTE))
            assert read_answer(connection).status == 200


@pytest.mark.row(28, "websocket")
def test_a_frame_that_never_ends_takes_no_memory_of_the_site(demo, neighbours, signed_in):
    with recording_server(demo.manager, "user", speak=answer_briefly), ExitStack() as stack:
        client = websocket_of(stack, demo.port, TARGET, signed_in("user"))
        with no_more_memory(demo, than=24 * MEGABYTE):
            client.sendall(ENDLESS_FRAME)
            for _ in range(96):
                client.sendall(bytes(MEGABYTE))
        assert neighbour_passes(demo, signed_in, "websocket")


@pytest.mark.row(28, "websocket")
def test_fragments_without_end_take_no_memory_of_the_site(demo, signed_in):
    fragment = b"\x02\xfe\xff\xff\0\0\0\0" + bytes(65535)
    with recording_server(demo.manager, "user", speak=answer_briefly), ExitStack() as stack:
        client = websocket_of(stack, demo.port, TARGET, signed_in("user"))
        with no_more_memory(demo, than=24 * MEGABYTE):
            for _ in range(1000):
                client.sendall(fragment)


@pytest.mark.row(28, "websocket")
def test_a_user_server_that_never_reads_stops_its_client_instead_of_filling_the_site(demo, neighbours, signed_in):
    with stubborn() as server, recording_server(demo.manager, "user", speak=server), ExitStack() as stack:
        client = websocket_of(stack, demo.port, TARGET, signed_in("user"))
        with no_more_memory(demo, than=16 * MEGABYTE):
            assert fill(client, 200 * MEGABYTE) < BUFFERS
        assert neighbour_passes(demo, signed_in, "websocket")


@pytest.mark.row(28)
@both_ways
def test_a_client_that_never_reads_stops_its_user_server_instead_of_filling_the_site(demo, neighbours, signed_in, way):
    with (
        stubborn(most=200 * MEGABYTE) as server,
        recording_server(demo.manager, "user", speak=server),
        no_more_memory(demo, than=24 * MEGABYTE),
        opened(demo.port, TARGET, signed_in("user"), way=way),
    ):
        wait_until(lambda: server.said, "the user server is stopped")
        assert server.said[0] < BUFFERS
        assert neighbour_passes(demo, signed_in, way)


@pytest.mark.row(28)
@both_ways
def test_a_user_with_a_server_that_hangs_holds_up_nobody_else(demo, neighbours, signed_in, way):
    with (
        stubborn(answers=False) as hanging,
        recording_server(demo.manager, "user", speak=hanging) as server,
        ExitStack() as stack,
    ):
        for _ in range(USER_REQUESTS):
            stack.enter_context(opened(demo.port, TARGET, signed_in("user"), way=way))
        wait_until(lambda: len(server.requests) == USER_REQUESTS, "all places are taken")
        answer = send(demo.port, way, TARGET, signed_in("user"))
        assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
        for _ in range(5):
            assert neighbour_passes(demo, signed_in, way)
        assert len(server.requests) == USER_REQUESTS
    with recording_server(demo.manager, "user", speak=answer_briefly):
        wait_until(lambda: is_passed(send(demo.port, way, TARGET, signed_in("user")), way), "the places are free again")


@pytest.mark.row(28, "http")
def test_clients_of_one_user_who_never_read_hold_up_nobody_else(demo, neighbours, signed_in):
    with (
        stubborn(most=200 * MEGABYTE) as server,
        recording_server(demo.manager, "user", speak=server),
        ExitStack() as stack,
    ):
        for _ in range(USER_REQUESTS):
            stack.enter_context(opened(demo.port, TARGET, signed_in("user"), way="http"))
        wait_until(lambda: len(server.said) == USER_REQUESTS, "nobody takes more")
        assert max(server.said) < BUFFERS
        assert send(demo.port, "http", TARGET, signed_in("user")).status == 503
        assert neighbour_passes(demo, signed_in)


@pytest.mark.row(28, "websocket")
def test_idle_websockets_are_limited_for_each_user_and_take_no_thread(demo, neighbours, signed_in):
    with recording_server(demo.manager, "user", speak=answer_briefly) as server, ExitStack() as stack:
        for _ in range(USER_WEBSOCKETS):
            websocket_of(stack, demo.port, TARGET, signed_in("user"))
        for _ in range(USER_WEBSOCKETS):
            answer = send(demo.port, "websocket", TARGET, signed_in("user"))
            assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
        assert len(server.requests) == USER_WEBSOCKETS
        assert send(demo.port, "http", TARGET, signed_in("user")).status == 200
        assert neighbour_passes(demo, signed_in, "websocket")
        stack.close()
        wait_until(
            lambda: is_passed(send(demo.port, "websocket", TARGET, signed_in("user")), "websocket"),
            "there is room again",
        )


@pytest.mark.row(28, "websocket")
def test_a_compressed_frame_of_100_megabytes_passes_both_ways_as_it_is(demo, signed_in):
    payload = bomb(100 * MEGABYTE)
    sent, back = frame(payload, masked=True), frame(payload, masked=False)
    assert len(sent) < MEGABYTE
    received = bytearray()

    def speak(upstream, connection, _number):
        upstream.read_head(connection)
        connection.sendall(AGREED)
        while len(received) < len(sent) and (data := connection.recv(65536)):
            received.extend(data)
        connection.sendall(back)
        connection.recv(1)

    fields = [*pairs(signed_in("user")), ("Sec-WebSocket-Extensions", "permessage-deflate")]
    with recording_server(demo.manager, "user", speak=speak) as server, ExitStack() as stack:
        with no_more_memory(demo, than=16 * MEGABYTE):
            client = websocket_of(stack, demo.port, TARGET, fields)
            client.sendall(sent)
            got = bytearray()
            while len(got) < len(back):
                got += client.recv(65536)
        assert b"sec-websocket-extensions: permessage-deflate" in server.requests[0].lower()
    assert received == sent
    assert got == back


@pytest.mark.row(28, "http")
def test_a_compressed_body_of_100_megabytes_passes_both_ways_as_it_is(demo, signed_in):
    packed = gzip.compress(bytes(100 * MEGABYTE), compresslevel=9, mtime=0)
    received = bytearray()

    def speak(upstream, connection, _number):
        head = upstream.read_head(connection)
        received.extend(head.partition(b"\r\n\r\n")[2])
        while len(received) < len(packed) and (data := connection.recv(65536)):
            received.extend(data)
        length = b"Content-Length: %d\r\n\r\n" % len(packed)
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Encoding: gzip\r\n" + length + packed)

    fields = [
        *(("Host", f"localhost:{demo.port}"), *pairs(signed_in("user")), ("Content-Encoding", "gzip")),
        *(("Content-Length", str(len(packed))), ("Connection", "close")),
    ]
    got = bytearray()
    with (
        recording_server(demo.manager, "user", speak=speak),
        connect(demo.port) as client,
        no_more_memory(demo, than=16 * MEGABYTE),
    ):
        client.sendall(head_of("PUT", TARGET, fields) + packed)
        while data := client.recv(65536):
            got += data
    head, _, body = bytes(got).partition(b"\r\n\r\n")
    assert b"content-encoding: gzip" in head.lower()
    assert body == packed
    assert received == packed
