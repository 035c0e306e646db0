"""A websocket is between its two ends: what one says the other hears, frame by frame (RFC 6455)."""

from __future__ import annotations

import hashlib
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection

from .client import HANDSHAKE, ask, connected, websocket
from .limits import limit
from .memory import MEGABYTE, growing_at_most
from .user_servers import UserServer, until
from .ways import Served


def test_text_and_binary_pass_both_ways_as_what_they_are(served: Served, alice: UserServer) -> None:
    with websocket(served, "socket/kinds") as client:
        client.send("text é 日")
        assert client.recv() == "text é 日"
        data = bytes(range(256)) * 100
        client.send(data)
        assert client.recv() == data
        client.send("")
        assert client.recv() == ""
    frames = alice.seen("socket/kinds")[-1]["frames"]
    assert frames[:3] == [["TEXT", True, 11], ["BINARY", True, 25600], ["TEXT", True, 0]]


@pytest.mark.parametrize("size", [125, 126, 65535, 65536, MEGABYTE])
def test_messages_of_all_lengths_pass(served: Served, size: int) -> None:
    data = os.urandom(size)
    with websocket(served, "socket") as client:
        client.send(data)
        assert client.recv() == data


def test_fragments_stay_fragments(served: Served, alice: UserServer) -> None:
    with websocket(served, "socket/fragments") as client:
        client.send(iter(["one", "two", "three"]))
        assert [part for part in client.recv_streaming() if part] == ["one", "two", "three"]
    frames = alice.seen("socket/fragments")[-1]["frames"]
    assert frames[:4] == [["TEXT", False, 3], ["CONT", False, 3], ["CONT", False, 5], ["CONT", True, 0]]


def test_a_ping_of_the_client_is_answered_by_the_user_server(served: Served, alice: UserServer) -> None:
    with websocket(served, "socket/ping") as client:
        assert client.ping(b"are you there").wait(10)
    assert alice.seen("socket/ping")[-1]["frames"][0] == ["PING", True, 13]


def test_a_ping_of_the_user_server_is_answered_by_the_client(served: Served, alice: UserServer) -> None:
    with websocket(served, "socket/pong") as client:
        client.send("do ping hello")
        alice.until("socket/pong", lambda known: ["PONG", True, 5] in known["frames"], "the pong")


def test_what_comes_in_one_packet_with_the_answer_to_the_handshake_is_not_lost(served: Served) -> None:
    with websocket(served, "socket?greet") as client:
        assert client.recv(timeout=10) == "hello at once"


@pytest.mark.parametrize(("offered", "chosen"), [(["a", "b.v1"], "b.v1"), (["only"], "only"), (None, None)])
def test_the_user_server_chooses_the_subprotocol(served: Served, offered: list[str] | None, chosen: str | None) -> None:
    with websocket(served, "socket", subprotocols=offered) as client:
        assert client.subprotocol == chosen


def test_compression_is_between_the_two_ends(served: Served, alice: UserServer) -> None:
    path = "socket/deflate"
    with websocket(served, f"{path}?deflate", compression="deflate") as client:
        client.send(bytes(MEGABYTE))
        assert client.recv() == bytes(MEGABYTE)
        assert alice.seen(path)[-1]["raw"] < 20_000


def test_compression_that_the_user_server_does_not_want_is_not_used(served: Served, alice: UserServer) -> None:
    with websocket(served, "socket/plain", compression="deflate") as client:
        client.send(bytes(MEGABYTE))
        assert client.recv() == bytes(MEGABYTE)
    assert alice.seen("socket/plain")[-1]["raw"] > MEGABYTE


def test_a_message_of_100_megabytes_passes_both_ways_in_bounded_memory(served: Served) -> None:
    data = os.urandom(MEGABYTE) * 100
    digest = hashlib.sha256(data).digest()
    with growing_at_most(served, 24), websocket(served, "socket") as client:
        client.send(data)
        del data
        assert hashlib.sha256(client.recv(decode=False)).digest() == digest


def quiet(served: Served) -> dict[str, Any]:
    """Return what the web server knows of itself when no websocket is open any more."""
    found: dict[str, Any] = until(
        lambda: next((facts for facts in [served.facts()] if facts["pairs"] == 0), None), "all pairs to be gone"
    )
    return found


def test_200_idle_websockets_are_held_at_little_cost_and_leave_nothing(served: Served) -> None:
    before = quiet(served)
    with growing_at_most(served, 20), ExitStack() as opened, ThreadPoolExecutor(4) as pool:

        def connect(_number: int) -> ClientConnection:
            return opened.enter_context(websocket(served, "socket"))

        clients = list(pool.map(connect, range(200)))
        assert served.facts()["pairs"] == (0 if served.way == "nginx" else 200)  # there they do not reach the site
        for client in (*clients[:5], *clients[-5:]):
            client.send("still here")
            assert client.recv(timeout=10) == "still here"
        list(pool.map(lambda client: client.close(), clients))
    until(lambda: quiet(served)["descriptors"] <= before["descriptors"] + 4, "all descriptors to be closed")


def test_websockets_that_come_and_go_leave_nothing(served: Served) -> None:
    before = quiet(served)
    for number in range(60):
        with websocket(served, "socket") as client:
            client.send(str(number))
            assert client.recv() == str(number)
    until(lambda: quiet(served)["descriptors"] <= before["descriptors"] + 4, "all descriptors to be closed")


def test_the_handshake_reaches_the_user_server_without_what_is_the_sites(served: Served, alice: UserServer) -> None:
    fields = [*HANDSHAKE, ("Sec-WebSocket-Protocol", "a, b"), ("Sec-WebSocket-Extensions", "own; x=1"), ("X-Own", "1")]
    with connected(served) as client:
        client.ask("GET", "socket/fields%2F?a=%20b", [*fields, ("Cookie", "_xsrf=x"), ("Authorization", "Basic YTpi")])
        head = client.socket.recv(65536)
        assert head.startswith(b"HTTP/1.1 101 ")
    known = alice.seen("socket/fields%2F")[-1]
    sent = {name.lower(): value for name, value in known["headers"]}
    assert known["target"] == f"{served.base}socket/fields%2F?a=%20b"
    assert (sent["sec-websocket-protocol"], sent["sec-websocket-extensions"]) == ("a, b", "own; x=1")
    assert sent["sec-websocket-key"] == dict(HANDSHAKE)["Sec-WebSocket-Key"]
    assert sent["origin"] == served.headers["Origin"]
    assert sent["x-own"] == "1"
    assert "user=" not in sent.get("cookie", "")
    assert "authorization" not in sent


def test_the_answer_to_the_handshake_reaches_the_client_and_takes_no_cookie_along(
    served: Served, alice: UserServer
) -> None:
    answer = (
        b"HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSet-Cookie: user=mallory; Path=/\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nX-Own: 1\r\nServer: Tornado\r\n\r\n\x81\x05first"
    )
    path = alice.script(("send", answer), ("gone",))
    with connected(served) as client:
        client.ask("GET", path, HANDSHAKE)
        received = b""
        while not received.endswith(b"\x81\x05first"):
            received += client.socket.recv(65536)
    head = received.partition(b"\r\n\r\n")[0].lower().split(b"\r\n")
    assert head[0].startswith(b"http/1.1 101 ")
    assert {b"upgrade: websocket", b"connection: upgrade", b"x-own: 1"} <= set(head)
    assert b"sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=" in head
    assert not any(line.startswith((b"set-cookie", b"content-length", b"server: tornado")) for line in head)
    if not limit(served.way, "the head of a websocket tells nothing of the web server"):
        assert not any(line.startswith((b"server", b"date")) for line in head)


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 426, 500, 503])
@pytest.mark.parametrize("framing", ["length", "chunked", "end"])
def test_a_refusal_of_the_user_server_keeps_its_status_and_body(
    served: Served, alice: UserServer, status: int, framing: str
) -> None:
    field, body = {
        "length": ("Content-Length: 10", b"the reason"),
        "chunked": ("Transfer-Encoding: chunked", b"a\r\nthe reason\r\n0\r\n\r\n"),
        "end": ("Connection: close", b"the reason"),
    }[framing]
    head = f"HTTP/1.1 {status} No\r\nX-Own: 1\r\nLocation: /elsewhere\r\n{field}\r\n\r\n".encode()
    path = alice.script(("send", head + body), ("close",))
    answer = ask(served, "GET", path, HANDSHAKE)
    assert (answer.status, answer.body, answer.one("X-Own")) == (status, b"the reason", "1")
    assert answer.one("Location") == "/elsewhere"


@pytest.mark.parametrize(
    ("user", "origin", "path"),
    [("-", "", "socket"), ("", "https://evil.example", "socket"), ("", "null", "socket"), ("bob", "", "socket"),
     ("", "", "-/socket"), ("", "", "../socket")],
    ids=["stranger", "foreign page", "no page", "somebody else", "private", "dots"],
)  # fmt: skip
def test_who_may_not_open_a_websocket_is_told_so_by_http(
    served: Served, alice: UserServer, user: str, origin: str, path: str
) -> None:
    before = alice.facts()["requests"]
    with connected(served) as client:
        fields = {"Origin": origin or served.headers["Origin"]}
        if user != "-":
            fields["Cookie"] = f"user={user or served.user}"
        lines = [f"GET {served.base}{path} HTTP/1.1", f"Host: 127.0.0.1:{served.port}"]
        lines += [f"{name}: {value}" for name, value in (*HANDSHAKE, *fields.items())]
        client.send("\r\n".join([*lines, "", ""]).encode())
        answer = client.answer()
    assert answer.status in (400, 403, 404)
    assert answer.body
    assert alice.facts()["requests"] == before


def test_a_refusal_is_told_to_a_websocket_client(served: Served, alice: UserServer) -> None:
    path = alice.answer("HTTP/1.1 403 Not You\nContent-Length: 7", b"not you")
    with pytest.raises(InvalidStatus) as refused, websocket(served, path):
        pass
    assert (refused.value.response.status_code, refused.value.response.body) == (403, b"not you")


@pytest.mark.parametrize("packets", [1, 2])
def test_what_a_client_sends_before_the_answer_to_its_handshake_is_heard_or_refused(
    served: Served, alice: UserServer, packets: int
) -> None:
    path = alice.script(("hold",), ("speak",))
    early = b"\x81\x82\x00\x00\x00\x00hi"
    lines = [f"GET {served.base}{path} HTTP/1.1", f"Host: 127.0.0.1:{served.port}"]
    lines += [f"{name}: {value}" for name, value in (*HANDSHAKE, *served.headers.items())]
    head = "\r\n".join([*lines, "", ""]).encode()
    with connected(served) as client:
        client.send(head + early if packets == 1 else head)
        if packets == 2:
            until(lambda: alice.seen(path), "the handshake upstream")
            client.send(early)
        alice.go_on(path)
        received = client.socket.recv(65536)
        if not received.startswith(b"HTTP/1.1 101 "):
            assert received.startswith(b"HTTP/1.1 400 ")
            return
        client.send(b"\x81\x84\x00\x00\x00\x00more")
        alice.until(path, lambda known: known.get("last") == "more", "the message")
    is_lost = packets == 1 and limit(served.way, "a message that did not wait for the handshake's answer is not lost")
    assert alice.seen(path)[-1]["frames"][0] == ["TEXT", True, 4 if is_lost else 2]


@pytest.mark.parametrize("field", ["Content-Length: 5", "Transfer-Encoding: chunked"])
def test_a_handshake_with_a_body_is_refused(served: Served, alice: UserServer, field: str) -> None:
    name, _, value = field.partition(": ")
    path = f"socket/body-{served.way}-{name}"
    with connected(served) as client:
        client.ask("GET", path, [*HANDSHAKE, (name, value)])
        client.send(b"5\r\nhello\r\n0\r\n\r\n" if "chunked" in value else b"hello")
        if limit(served.way, "a handshake with a body is answered"):
            client.socket.shutdown(socket.SHUT_WR)
            assert client.rest() == b""
        else:
            assert client.begin().status == 400
    assert not any(known["frames"] for known in alice.seen(path))
