"""What is refused, and that nothing else happens; whatever comes, the standard's error goes back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import websocket
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pyramid_notebook.proxy.connection import dial
from pyramid_notebook.proxy.upstream import exchange
from pyramid_notebook.record import SECRET_HEADER
from pyramid_notebook.rpc.jsonrpc import MOST_BYTES
from pyramid_notebook.rpc.methods import METHODS
from pyramid_notebook.rpc.openrpc import document
from tests.server.daemons import Daemon

from .clients import Socket, connected, post, request, send
from .conftest import Opened

_FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def codes(message: Any) -> list[int]:
    """Return the error codes of a response, or of a batch of some."""
    return [one["error"]["code"] for one in (message if isinstance(message, list) else [message])]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", -32700),
        (b"{", -32700),
        (b"\xff\xfe", -32700),
        (b"[" * 100_000, -32700),
        (b'{"a":' * 200 + b"1" + b"}" * 200, -32700),
        (b"[]", -32600),
        (b"1", -32600),
        (b'{"jsonrpc": "2.0", "id": -1e999, "method": "session.list"}', -32700),
        (json.dumps([request("session.list")] * 10_000).encode(), -32600),
        (json.dumps(request("unknown")).encode(), -32601),
        (json.dumps(request("execute", session=1, code=[])).encode(), -32602),
        (json.dumps(request("execute", session="x", code="1")).encode(), -32001),
        (json.dumps(request("session.open", __proto__=1)).encode(), -32602),
    ],
)
def test_a_post_that_cannot_be_answered_gets_the_standards_error(server: Daemon, body: bytes, code: int) -> None:
    before = post(server, "session.list")
    answer = send(server, body)
    assert (answer.status, codes(answer.message)) == (200, [code])
    assert post(server, "session.list") == before


@pytest.mark.parametrize("method", ["complete", "inspect"])
def test_a_cursor_behind_the_code_is_refused(session: Opened, method: str) -> None:
    params = {"session": session.id, "code": "impo", "cursor": 10**30}
    [code] = codes(send(session.server, json.dumps(request(method, **params)).encode()).message)
    assert code == -32602


def test_a_slash_too_many_changes_nothing(server: Daemon) -> None:
    assert server.request("GET", "rpc/") == document()


def test_a_parameter_of_fifty_megabytes_is_refused_by_its_size(server: Daemon) -> None:
    answer = send(server, json.dumps(request("session.open", notebook="x" * 50_000_000)).encode())
    assert (answer.status, codes(answer.message)) == (413, [-32600])
    assert answer.message["error"]["data"]["reason"] == "too-large"
    assert answer.message["id"] is None


def test_a_frame_of_fifty_megabytes_is_refused_by_its_size(session: Opened) -> None:
    session.socket.connection.send(json.dumps(request("execute", code="x" * 50_000_000, session=session.id)))
    error = session.socket.answer(None)["error"]
    assert (error["code"], error["data"]["reason"]) == (-32600, "too-large")
    assert session.run("1")[-1]["status"] == "ok"


def test_code_that_is_long_is_run(session: Opened) -> None:
    code = f"len({'x' * 1_000_000!r})"
    assert session.run(code)[2]["data"] == {"text/plain": "1000000"}
    assert len(code) < MOST_BYTES


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_a_body_that_is_not_called_json_is_refused(server: Daemon, kind: str) -> None:
    body = json.dumps(request("session.open")).encode()
    assert send(server, body, Content_Type=kind).status == 415


def test_only_notifications_are_answered_with_nothing(server: Daemon) -> None:
    one = {"jsonrpc": "2.0", "method": "session.list"}
    for body in (one, [one, one]):
        answer = send(server, json.dumps(body).encode())
        assert (answer.status, answer.message) == (204, None)


def test_a_batch_is_answered_by_a_batch(session: Opened) -> None:
    batch = [
        request("execute", 1, session=session.id, code="x = 1"),
        request("unknown", 2),
        {"jsonrpc": "2.0", "method": "session.list"},
        7,
        request("execute", 3, session=session.id, code="x + 1"),
    ]
    answer = send(session.server, json.dumps(batch).encode())
    found = {one["id"]: one for one in answer.message}
    assert set(found) == {1, 2, 3, None}
    assert found[3]["result"]["events"][2]["data"] == {"text/plain": "2"}
    assert (found[2]["error"]["code"], found[None]["error"]["code"]) == (-32601, -32600)


def test_a_get_answers_with_the_openrpc_document(server: Daemon) -> None:
    assert server.request("GET", "rpc") == document()
    assert post(server, "rpc.discover") == document()


def test_without_the_doors_secret_nobody_is_answered(server: Daemon) -> None:
    assert send(server, json.dumps(request("session.list")).encode(), **{SECRET_HEADER: "x"}).status == 403
    with pytest.raises(websocket.WebSocketBadStatusException, match="403"), connected(server, **{SECRET_HEADER: "x"}):
        pass


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost.evil.example"])
def test_a_page_of_another_origin_gets_nothing(server: Daemon, origin: str) -> None:
    fields = [
        ("Host", "localhost"), (SECRET_HEADER, server.record.secret), ("Origin", origin), ("Upgrade", "websocket"),
        ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", "MDEyMzQ1Njc4OWFiY2RlZg=="),
    ]  # fmt: skip
    target = f"{server.record.base_url}rpc"
    answer = exchange(server.record, "GET", target, headers=fields, body=[], timeout=60)
    assert answer.status in (403, 404)
    body = json.dumps(request("session.list")).encode()
    fields[3:] = [
        *(("Content-Type", "application/json"), ("Content-Length", str(len(body))), ("Connection", "close")),
    ]
    answer = exchange(server.record, "POST", target, headers=fields, body=[body], timeout=60)
    assert answer.status in (403, 404)
    assert b"result" not in b"".join(iter(answer.read, b""))


def test_a_page_of_the_site_may_open_a_websocket(server: Daemon) -> None:
    connection = websocket.WebSocket()
    connection.connect(
        f"ws://localhost{server.record.base_url}rpc",
        socket=dial(server.record, 60),
        header={SECRET_HEADER: server.record.secret},
        origin="http://localhost",
    )
    with closing(Socket(connection)) as socket:
        assert isinstance(socket.call("session.list"), list)


def test_what_fails_here_is_logged_and_not_told(session: Opened) -> None:
    # a kernel that breaks the protocol: a reply that is no reply
    answer = session.socket.ask("history", session=session.id, pattern="\0" * 10)
    told = session.socket.answer(answer)
    assert "Traceback" not in json.dumps(told)


@pytest.fixture(scope="module")
def victim(server: Daemon) -> Iterator[Socket]:
    """A websocket that gets whatever hypothesis thinks of."""
    with connected(server) as socket:
        yield socket


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_HARMLESS = sorted(METHODS.keys() - {"session.open"})  # which starts kernels, as it should
_requests = st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0"), "method": st.sampled_from(_HARMLESS) | st.text(max_size=8), "id": st.integers(1, 9)},
    optional={
        "params": st.dictionaries(st.sampled_from(["session", "code", "cursor", "wait", "id", "after"]), _json)
        | st.lists(_json, max_size=4)
    },
)


@_FEW
@given(st.text(max_size=40) | _json.map(json.dumps) | st.lists(_requests, min_size=1, max_size=4).map(json.dumps))
def test_whatever_is_posted_the_answer_is_one_of_json_rpc(server: Daemon, text: str) -> None:
    before = post(server, "session.list")
    answer = send(server, text.encode("utf-8", "surrogatepass"))
    assert answer.status in (200, 204)
    for one in answer.message if isinstance(answer.message, list) else [answer.message] * (answer.status == 200):
        assert one["jsonrpc"] == "2.0"
        assert ("result" in one) != ("error" in one)
        assert one.get("error", {}).get("code", -32600) in (-32700, -32600, -32601, -32602, -32001)
    assert post(server, "session.list") == before


@_FEW
@given(_requests)
@example({"jsonrpc": "2.0", "method": "session.list", "id": 1, "params": {"wait": float("nan")}})
def test_whatever_comes_over_a_websocket_it_is_answered_and_the_next_one_too(
    victim: Socket, asked: dict[str, Any]
) -> None:
    victim.connection.send(json.dumps(asked))
    answer = victim.answer(asked["id"] if _is_json(asked) else None)
    assert ("result" in answer) != ("error" in answer)
    assert isinstance(victim.call("session.list"), list)


def _is_json(value: Any) -> bool:
    """Whether JSON has such a value; NaN and infinities it has not, and nobody can tell the id of such a request."""
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        return False
    return True
