"""A site that is mounted below a path: what the door passes on and what it says itself stays below that path."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from pyramid_notebook.record import LEASE_HEADER

from .client import ask, websocket
from .user_servers import UserServer, user_server
from .ways import WAYS, Served, missing, serving

_MOUNT = "/app"
_ADDRESS = re.compile(r'(?:href|src|action)="(/[^"]*)"')


@pytest.fixture(scope="module")
def alice() -> Iterator[UserServer]:
    """The user server of a mounted site."""
    with user_server("alice", mount=_MOUNT) as server:
        yield server


@pytest.fixture(scope="module", params=WAYS)
def served(request: pytest.FixtureRequest, alice: UserServer) -> Iterator[Served]:
    """The mounted site, served in each way."""
    assert not missing(request.param)
    with serving(request.param, alice, mount=_MOUNT) as running:
        yield running


def test_the_user_server_of_a_mounted_site_gets_each_path_as_it_was_sent(served: Served) -> None:
    assert served.base == "/app/notebook/alice/"
    for path in ("echo", "echo", "echo/a%2Fb;c/%C3%A9?x=%2F&y=+", "echo/app/notebook/alice/"):
        answer = ask(served, "GET", path)
        seen = json.loads(answer.body)
        assert (answer.status, seen["target"]) == (200, served.base + path)
        by_nginx = LEASE_HEADER.lower() in {name.lower() for name, _value in seen["headers"]}
        assert by_nginx is (served.way == "nginx")  # which leaves to the site what it does not know


def test_redirects_and_cookies_of_the_user_server_keep_the_mount(served: Served, alice: UserServer) -> None:
    path = alice.answer(
        f"HTTP/1.1 302 Found\nContent-Length: 0\nLocation: {served.base}tree?x=%2F\n"
        f"Set-Cookie: _xsrf=1; Path={served.base}\nSet-Cookie: other=2; Path=/notebook/alice/"
    )
    answer = ask(served, "GET", path)
    assert (answer.status, answer.one("Location")) == (302, f"{served.base}tree?x=%2F")
    assert answer.all("Set-Cookie") == [f"_xsrf=1; Path={served.base}"]


def test_addresses_that_the_door_itself_tells_lie_below_the_mount(served: Served) -> None:
    stopped = ask(served, "POST", f"{_MOUNT}/notebook/-/stop", body=b"", user="carol")
    assert (stopped.status, stopped.one("Location")) == (303, f"http://127.0.0.1:{served.port}{_MOUNT}/")
    page = ask(served, "GET", f"{_MOUNT}/notebook/carol/tree", [("Accept", "text/html")], user="carol")
    addresses = _ADDRESS.findall(page.body.decode())
    assert page.status == 502 and addresses
    assert all(address.startswith(f"{_MOUNT}/") for address in addresses), addresses


def test_a_websocket_of_a_mounted_site_echoes(served: Served) -> None:
    with websocket(served, "socket") as client:
        for message in ("text é", b"\x00" * 70_000):
            client.send(message)
            assert client.recv(10) == message


def test_other_peoples_notebooks_are_no_nearer_below_a_mount(served: Served, alice: UserServer) -> None:
    before = alice.facts()["requests"]
    for user in ("bob", "-"):
        assert ask(served, "GET", "echo", user=user).status in (302, 303, 401, 403, 404)
    assert alice.facts()["requests"] == before
