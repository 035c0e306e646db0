"""What a client asks reaches the user server as it was asked."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from .client import Answer, ask, connected
from .user_servers import UserServer
from .ways import Served

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND")


def seen_in(answer: Answer) -> dict[str, Any]:
    assert answer.status == 200, answer
    found: dict[str, Any] = json.loads(answer.body)
    return found


@pytest.mark.parametrize("method", _METHODS)
def test_every_method_reaches_the_user_server(served: Served, method: str) -> None:
    assert seen_in(ask(served, method, "echo"))["method"] == method


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_body_reaches_the_user_server_whole(served: Served, method: str) -> None:
    body = bytes(range(256)) * 3000
    seen = seen_in(ask(served, method, "echo", [("Content-Type", "application/x-own")], body))
    assert (seen["length"], seen["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
    assert ["Content-Type", "application/x-own"] in [[name.title(), value] for name, value in seen["headers"]]


def test_a_body_of_no_bytes_is_one_all_the_same(served: Served) -> None:
    seen = seen_in(ask(served, "POST", "echo", body=b""))
    assert ["Content-Length", "0"] in [[name.title(), value] for name, value in seen["headers"]]


def test_a_head_request_tells_the_length_and_has_no_body(served: Served, alice: UserServer) -> None:
    path = alice.answer('HTTP/1.1 200 OK\nContent-Length: 12345\nETag: "x"')
    with connected(served) as client:
        client.ask("HEAD", path)
        answer = client.answer("HEAD")
        assert (answer.one("Content-Length"), answer.one("ETag"), answer.body) == ("12345", '"x"', b"")
    assert alice.seen(path)[0]["method"] == "HEAD"


def test_a_client_that_waits_for_100_continue_gets_it(served: Served) -> None:
    with connected(served) as client:
        client.ask("PUT", "echo", [("Expect", "100-continue"), ("Content-Length", "4")])
        assert client.socket.recv(1000).startswith(b"HTTP/1.1 100 ")
        client.send(b"data")
        assert seen_in(client.answer())["length"] == 4


def test_a_chunked_body_reaches_the_user_server_whole(served: Served) -> None:
    parts = [b"first", b"x" * 70000, b"last"]
    with connected(served) as client:
        client.ask("POST", "echo", [("Transfer-Encoding", "chunked")])
        for part in parts:
            client.send(b"%x\r\n%s\r\n" % (len(part), part))
        client.send(b"0\r\n\r\n")
        seen = seen_in(client.answer())
    assert (seen["length"], seen["sha256"]) == (70009, hashlib.sha256(b"".join(parts)).hexdigest())


def test_two_requests_in_one_packet_are_answered_in_their_order(served: Served) -> None:
    with connected(served) as client:
        client.ask("GET", "echo/first")
        client.ask("GET", "echo/second", [("Connection", "close")])
        received = client.rest()
    first, second = received.find(b"echo/first"), received.find(b"echo/second")
    assert first > 0
    assert second == -1 or first < second


def test_a_connection_is_used_again_or_closed_in_order(served: Served) -> None:
    with connected(served) as client:
        for number in range(3):
            client.ask("GET", f"echo/{number}")
            answer = client.answer()
            assert seen_in(answer)["target"] == f"{served.base}echo/{number}"
            if "close" in answer.one("Connection").lower():
                assert client.rest() == b""
                break
