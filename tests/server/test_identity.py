"""Who calls the user server: the door, or nobody."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
import websocket
from hypothesis import given
from hypothesis import strategies as st

from pyramid_notebook.proxy.connection import dial
from pyramid_notebook.proxy.upstream import ask as ask_json
from pyramid_notebook.proxy.upstream import exchange
from pyramid_notebook.record import SECRET_HEADER
from pyramid_notebook.server.identity import DoorIdentityProvider

from .daemons import Daemon

ADDRESSES = [
    *("api/status", "api/me", "api/contents", "api/kernels", "api/sessions", "api/terminals", "api/kernelspecs"),
    *("tree", "lab", "files/x", "static/notebook/", "-/status", "-/context", "metrics", "terminals/websocket/1"),
    *("api/events/subscribe", "api/collaboration/room/x", "login", "logout", ""),
]


def provider(secret: str = "sesame") -> DoorIdentityProvider:
    return DoorIdentityProvider(secret=secret, username="alice")


def request(**headers: str) -> SimpleNamespace:
    return SimpleNamespace(request=SimpleNamespace(headers={key.replace("_", "-"): headers[key] for key in headers}))


def ask(server: Daemon, method: str, path: str, **headers: str) -> tuple[int, bytes]:
    fields = [("Host", "localhost"), ("Content-Length", "0"), *((k.replace("_", "-"), v) for k, v in headers.items())]
    answer = exchange(server.record, method, f"{server.record.base_url}{path}", headers=fields, body=[b""], timeout=10)
    return answer.status, b"".join(iter(answer.read, b""))


def dial_websocket(server: Daemon, path: str, **options: object) -> None:
    connection = websocket.WebSocket()
    address = f"ws://localhost{server.record.base_url}{path}"
    connection.connect(address, socket=dial(server.record, 10), **options)  # type: ignore[arg-type]
    connection.close(timeout=1)


def secret(server: Daemon) -> dict[str, str]:
    return {SECRET_HEADER: server.record.secret}


def test_the_secret_makes_the_owner() -> None:
    user = provider().get_user(request(**{SECRET_HEADER: "sesame"}))
    assert user is not None
    assert (user.username, user.name, user.display_name) == ("alice", "alice", "alice")


@given(st.text().filter(lambda given: given != "sesame"))
def test_any_other_text_makes_nobody(given: str) -> None:
    assert provider().get_user(request(**{SECRET_HEADER: given})) is None


def test_no_secret_at_all_makes_nobody() -> None:
    assert provider().get_user(request()) is None


@pytest.mark.parametrize("given", [{}, {SECRET_HEADER: ""}])
def test_a_server_without_a_secret_lets_nobody_in(given: dict[str, str]) -> None:
    assert provider("").get_user(request(**given)) is None


def test_jupyters_own_ways_to_sign_in_are_off() -> None:
    identity = provider()
    assert not identity.is_token_authenticated(request())
    assert identity.auth_enabled
    assert not identity.login_available
    assert not identity.logout_available


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("headers", [{}, {SECRET_HEADER: "wrong"}, {"Authorization": "token "}], ids=str)
def test_without_the_secret_nothing_is_told(server: Daemon, address: str, headers: dict[str, str]) -> None:
    status, body = ask(server, "GET", address, **headers)
    assert status in (302, 403, 404)
    assert b"alice" not in body.replace(server.record.base_url.encode(), b"")


@pytest.mark.parametrize("address", ["api/events/subscribe", "terminals/websocket/1"])
def test_without_the_secret_no_websocket_opens(server: Daemon, address: str) -> None:
    with pytest.raises(websocket.WebSocketException, match=r"403|Redirect"):
        dial_websocket(server, address, suppress_origin=True, redirect_limit=0)


def test_the_door_is_the_owner(server: Daemon) -> None:
    status, body = ask(server, "GET", "api/me", **secret(server))
    assert status == 200
    assert json.loads(body)["identity"]["username"] == "alice"


def test_jupyters_xsrf_check_stays_on_for_pages(server: Daemon) -> None:
    assert ask(server, "POST", "api/terminals", **secret(server))[0] == 403
    assert ask(server, "POST", "api/terminals", Cookie="_xsrf=a", X_XSRFToken="b", **secret(server))[0] == 403
    status, body = ask(server, "POST", "api/terminals", Cookie="_xsrf=a", X_XSRFToken="a", **secret(server))
    assert status == 200
    server.request("DELETE", f"api/terminals/{json.loads(body)['name']}")


def test_jupyters_origin_check_stays_on_for_websockets(server: Daemon) -> None:
    headers = secret(server)
    with pytest.raises(websocket.WebSocketBadStatusException):
        dial_websocket(server, "api/events/subscribe", header=headers, origin="http://evil.example")
    dial_websocket(server, "api/events/subscribe", header=headers, origin="http://localhost")


def test_no_page_holds_a_token_or_the_secret(server: Daemon) -> None:
    status, page = ask(server, "GET", "tree", **secret(server))
    assert status == 200
    assert server.record.secret.encode() not in page
    assert json.loads(page.partition(b'type="application/json">')[2].partition(b"</script>")[0]).get("token", "") == ""


def test_the_doors_own_addresses_check_what_they_are_sent(server: Daemon) -> None:
    address = f"{server.record.base_url}-/context"
    status, answer = ask_json(server.record, "POST", address, json={"start_up": "x"}, timeout=10)
    assert status == 400
    assert "start_up" in answer["message"]
