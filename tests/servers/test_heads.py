"""How much a client may say in the head of a request, and that a head has to end."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest

from .client import ask, connected
from .user_servers import UserServer
from .ways import Served

_TOO_MUCH = (400, 413, 414, 431)


def test_a_field_of_6_kilobytes_reaches_the_user_server(served: Served) -> None:
    seen = json.loads(ask(served, "GET", "echo", [("X-Long", "x" * 6000)]).body)
    assert {len(value) for name, value in seen["headers"] if name.lower() == "x-long"} == {6000}


def test_cookies_of_8_kilobytes_do_not_lock_a_user_out(served: Served) -> None:
    with connected(served) as client:
        cookies = f"user={served.user}; big={'x' * 4000}; bigger={'y' * 4000}"
        lines = [f"GET {served.base}echo HTTP/1.1", f"Host: 127.0.0.1:{served.port}", f"Cookie: {cookies}"]
        client.send("\r\n".join([*lines, "", ""]).encode())
        assert client.answer().status == 200


def test_60_fields_reach_the_user_server(served: Served) -> None:
    seen = json.loads(ask(served, "GET", "echo", [(f"X-Number-{number}", "1") for number in range(60)]).body)
    assert sum(name.lower().startswith("x-number-") for name, _value in seen["headers"]) == 60


@pytest.mark.parametrize(
    ("target", "fields"),
    [
        ("echo?" + "x" * 1_000_000, []),
        ("echo", [("X-Long", "x" * 1_000_000)]),
        ("echo", [(f"X-{number}", "y" * 90) for number in range(10_000)]),
    ],
    ids=["address", "field", "fields"],
)
def test_a_head_of_a_megabyte_is_refused(
    served: Served, alice: UserServer, target: str, fields: list[tuple[str, str]]
) -> None:
    before = alice.facts()["requests"]
    with connected(served) as client:
        with suppress(ConnectionError):  # it was refused before its end
            client.ask("GET", target, [*fields, ("Connection", "close")])
        received = client.rest()
    assert not received or int(received.split(b" ")[1]) in _TOO_MUCH
    assert alice.facts()["requests"] == before
    assert ask(served, "GET", "echo").status == 200


@pytest.mark.parametrize("head", [b"", b"G", b"GET / HTT", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nX-A"])
def test_heads_that_do_not_end_hold_nobody_up(served: Served, head: bytes) -> None:
    with connected(served) as one, connected(served) as other:
        one.send(head)
        other.send(head)
        assert ask(served, "GET", "echo").status == 200


@pytest.mark.parametrize(
    "line", ["GET", "GET /", "GET / HTTP/3.7", "GET  / HTTP/1.1", "G@T / HTTP/1.1", "GET / HTTP/1.1 x", "\x16\x03\x01"]
)
def test_what_is_no_http_is_refused_and_harms_nobody(served: Served, line: str) -> None:
    with connected(served) as client:
        client.socket.settimeout(3)
        client.send(f"{line}\r\nHost: x\r\nConnection: close\r\n\r\n".encode("latin-1"))
        received = b""
        with suppress(TimeoutError):
            received = client.rest()
    assert b"500 " not in received[:20]
    assert ask(served, "GET", "echo").status == 200
