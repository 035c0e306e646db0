"""The API through the door of a site: who may, and what outlives a web worker."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests
import websocket

from tests.running import demo_site
from tests.running_console import USER, Desk, desk

from .clients import Socket, request


@pytest.fixture(scope="module")
def at_home() -> Iterator[Desk]:
    """A user's machine, and a site that runs."""
    with demo_site() as site, tempfile.TemporaryDirectory(prefix="pnb-test-") as folder:
        yield desk(site, Path(folder), is_signed_in=False)


def posted(desk: Desk, token: str, method: str, **params: Any) -> requests.Response:
    fields = {"Authorization": f"Bearer {token}"} if token else {}
    return requests.post(f"{desk.url}rpc", json=request(method, **params), headers=fields, timeout=120)


def dialled(desk: Desk, *fields: str, origin: str | None = None) -> Socket:
    """Open a websocket with header fields; without an origin, as programs do."""
    connection = websocket.WebSocket()
    connection.settimeout(60)
    address = f"{desk.url.replace('http', 'ws', 1)}rpc"
    connection.connect(address, header=list(fields), origin=origin, suppress_origin=origin is None)
    return Socket(connection)


@pytest.fixture(scope="module")
def opened(at_home: Desk) -> dict[str, Any]:
    """A session that a program has opened."""
    answer = posted(at_home, at_home.token(), "session.open")
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["result"])


@pytest.mark.parametrize("scopes", ["console", "shell", "sync console"])
def test_a_token_with_the_scope_runs_code(at_home: Desk, opened: dict[str, Any], scopes: str) -> None:
    token = at_home.token(scopes)
    answer = posted(at_home, token, "execute", session=opened["session"], code="6 * 7").json()["result"]
    assert answer["events"][2]["data"] == {"text/plain": "42"}
    with closing(dialled(at_home, f"Authorization: Bearer {token}")) as socket:
        assert socket.call("session.open", kernel=opened["kernel"])["session"] == opened["session"]
        assert socket.run(opened["session"], "1")[-1]["status"] == "ok"


@pytest.mark.parametrize("scopes", ["sync", "run", "run:reports/*.ipynb", "sync run"])
def test_a_token_with_another_scope_gets_nothing(at_home: Desk, opened: dict[str, Any], scopes: str) -> None:
    token = at_home.token(scopes)
    assert posted(at_home, token, "execute", session=opened["session"], code="1").status_code == 403
    with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
        dialled(at_home, f"Authorization: Bearer {token}")


@pytest.mark.parametrize("token", ["", "wrong"])
def test_without_a_valid_token_there_is_no_answer(at_home: Desk, opened: dict[str, Any], token: str) -> None:
    answer = posted(at_home, token, "execute", session=opened["session"], code="1")
    assert answer.status_code in (401, 403)
    with pytest.raises(websocket.WebSocketBadStatusException, match=r"401|403"):
        dialled(at_home, *([f"Authorization: Bearer {token}"] if token else []))


def test_a_page_of_the_site_may_and_one_of_another_origin_gets_nothing(at_home: Desk, opened: dict[str, Any]) -> None:
    browser = at_home.site.session(USER)
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in browser.cookies)
    with closing(dialled(at_home, f"Cookie: {cookies}", origin=at_home.site.origin)) as socket:
        assert socket.call("session.list")
    for origin in ("https://evil.example", "null", None):
        with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
            dialled(at_home, f"Cookie: {cookies}", origin=origin)
    for origin in ("https://evil.example", "null"):
        answer = browser.post(f"{at_home.url}rpc", json=request("session.list"), headers={"Origin": origin}, timeout=60)
        assert answer.status_code == 403


def test_a_web_worker_that_is_killed_in_between_costs_a_client_nothing(at_home: Desk, opened: dict[str, Any]) -> None:
    token = at_home.token()
    field = f"Authorization: Bearer {token}"
    code = "import time\nfor line in range(100): print('line', line, flush=True); time.sleep(0.02)\ninput('Name? ')"
    first = dialled(at_home, field)
    first.call("session.open", kernel=opened["kernel"], key="my own key")
    asked = {"session": opened["session"], "code": code, "id": "over-a-restart", "allow_stdin": True}
    first.call("execute", **asked)
    events = first.until("stream")
    at_home.site.kill()
    with pytest.raises((websocket.WebSocketException, OSError)):
        while True:
            events.append(first.event())
    at_home.site.start()
    with closing(dialled(at_home, field)) as second:
        second.call("session.open", kernel=opened["kernel"], key="my own key", after=events[-1]["seq"])
        assert second.call("execute", **asked)["execution"] == "over-a-restart"  # it runs once, whoever repeats it
        events += second.until("input_request")
        second.call("input.reply", session=opened["session"], execution="over-a-restart", value="alice")
        events += second.until("end")
    assert [event["seq"] for event in events] == list(range(events[0]["seq"], events[0]["seq"] + len(events)))
    text = "".join(event["text"] for event in events if event["event"] == "stream")
    assert text == "".join(f"line {line}\n" for line in range(100))
    assert [event["event"] for event in events].count("begin") == 1
    assert events[-1]["status"] == "ok"
