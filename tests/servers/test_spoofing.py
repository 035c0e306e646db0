"""Neither a client nor a user server can speak in the name of the door, of a proxy, or of the site."""

from __future__ import annotations

import json

import pytest

from pyramid_notebook.record import LEASE_HEADER

from .client import HANDSHAKE, ask, connected
from .limits import limit
from .user_servers import SECRET, UserServer
from .ways import Served, serving

Fields = list[tuple[str, str]]


def sent_upstream(served: Served, fields: Fields) -> Fields:
    """Ask with header fields, and return those that the user server got, their names in lower case."""
    answer = ask(served, "GET", "echo", fields)
    assert answer.status == 200, answer
    return [(name.lower(), value) for name, value in json.loads(answer.body)["headers"]]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Forwarded-For", "192.0.2.1"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-User", "root"), ("X-Forwarded_For", "192.0.2.1"), ("X_Forwarded_For", "192.0.2.1"),
        ("Forwarded", 'for="_x;y, z";proto=https;host="evil.example"'), ("X-Real-IP", "192.0.2.1"),
        ("X-Forwarded", "192.0.2.1"), ("X-Client-IP", "192.0.2.1"), ("X-Forwarded-Port", "443"),
        ("X-Forwarded-Prefix", "/evil"), ("X-Scheme", "https"), ("X-Forwarded-Ssl", "on"),
        ("X-Pyramid-Notebook-Secret", "guess"), ("X-Pyramid-Notebook-Token", "guess"),
        ("X-Pyramid_Notebook-Secret", "guess"), ("X_Pyramid_Notebook_Secret", "guess"),
        ("Authorization", "Basic YTpi"), ("Proxy-Authorization", "Basic YTpi"), ("X-CSRF-Token", "guess"),
    ],
)  # fmt: skip
def test_what_only_the_door_may_say_is_said_by_the_door_alone(served: Served, name: str, value: str) -> None:
    sent = sent_upstream(served, [(name, value)])
    said = {key: text for key, text in sent if key.startswith(("x-forwarded", "x-pyramid-notebook-"))}
    said.pop(LEASE_HEADER.lower(), None)  # what nginx passes on by itself has one
    assert said == {
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-proto": "http",
        "x-pyramid-notebook-secret": SECRET,
    }
    assert value not in [text for _key, text in sent]
    assert len({key.replace("_", "-") for key, _ in sent}) == len(sent)


@pytest.mark.parametrize(
    "field",
    [
        ("X-Forwarded-Host", "evil.example"), ("X-Forwarded-Proto", "https"), ("Forwarded", "host=evil.example"),
        ("X-Forwarded-Server", "evil.example"), ("X-Original-Host", "evil.example"),
    ],
)  # fmt: skip
def test_a_field_of_the_client_does_not_make_a_foreign_page_the_sites_own(
    served: Served, alice: UserServer, field: tuple[str, str]
) -> None:
    before = alice.facts()["requests"]
    for origin in ("http://evil.example", "https://evil.example", f"https://127.0.0.1:{served.port}"):
        with connected(served) as client:
            lines = [f"POST {served.base}echo HTTP/1.1", f"Host: 127.0.0.1:{served.port}", "Content-Length: 0"]
            lines += [f"Origin: {origin}", f"Cookie: user={served.user}", ": ".join(field)]
            client.send("\r\n".join([*lines, "", ""]).encode())
            assert client.answer().status == 403, f"{field} makes {origin} the site's own"
    assert alice.facts()["requests"] == before


@pytest.mark.parametrize("name", ["Remote-User", "X-Remote-User", "REMOTE_USER", "User", "X-User", "X-Forwarded-User"])
def test_a_field_of_the_client_makes_nobody_somebody(served: Served, name: str) -> None:
    assert ask(served, "GET", "echo", [(name, "alice")], user="-").status in (302, 303, 401, 403)
    assert ask(served, "GET", "echo", [(name, "alice")], user="bob").status == 403


def test_fields_of_one_connection_end_there(served: Served) -> None:
    sent = sent_upstream(
        served,
        [
            ("Connection", "keep-alive, X-Mine, Origin"), ("X-Mine", "1"), ("Keep-Alive", "timeout=9"),
            ("TE", "trailers"), ("Proxy-Connection", "keep-alive"), ("Trailer", "X-Late"), ("X-Other", "2"),
        ],
    )  # fmt: skip
    names = {name for name, _value in sent}
    named = {"x-mine"} if limit(served.way, "fields that Connection names end there") else set()
    assert names & {"x-mine", "keep-alive", "te", "proxy-connection", "trailer", "upgrade"} == named
    assert {"x-other", "origin", "x-pyramid-notebook-secret"} <= names


def test_nothing_that_the_door_adds_can_be_named_away(served: Served) -> None:
    named = "X-Pyramid-Notebook-Secret, X-Forwarded-For, X-Forwarded-Proto, Host"
    names = {name for name, _value in sent_upstream(served, [("Connection", named)])}
    assert {"x-pyramid-notebook-secret", "x-forwarded-for", "x-forwarded-proto", "host"} <= names


def test_another_protocol_is_not_switched_to(served: Served, alice: UserServer) -> None:
    fields = [("Connection", "Upgrade, HTTP2-Settings"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABkAAQAAP__")]
    names = {name for name, _value in sent_upstream(served, fields)}
    assert not names & {"upgrade", "http2-settings"}


def test_a_protocol_that_was_not_asked_for_is_a_fault_of_the_user_server(served: Served, alice: UserServer) -> None:
    answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"
    path = alice.script(("send", answer), ("gone",))
    answer = ask(served, "GET", path)
    if limit(served.way, "another protocol cannot be switched to unasked"):
        assert (answer.status, answer.all("Upgrade")) == (101, [])
    else:
        assert answer.status == 502


def test_the_user_server_cannot_speak_for_the_site(served: Served, alice: UserServer) -> None:
    path = alice.answer(
        "HTTP/1.1 200 OK\nContent-Length: 0\nConnection: X-Mine\nX-Mine: 1\nKeep-Alive: timeout=9\nUpgrade: h2c\n"
        "Proxy-Authenticate: Basic\nService-Worker-Allowed: /\nClear-Site-Data: *\nAlt-Svc: h3\n"
        f"Strict-Transport-Security: max-age=1\nX-Pyramid-Notebook-Secret: {SECRET}\nX-Other: 2"
    )
    names = {name.lower() for name, _value in ask(served, "GET", path).fields}
    assert "x-other" in names
    assert ("x-mine" in names) == bool(limit(served.way, "fields that Connection names end there"))
    assert not names & {
        "keep-alive", "upgrade", "proxy-authenticate", "service-worker-allowed", "clear-site-data", "alt-svc",
        "strict-transport-security", "x-pyramid-notebook-secret",
    }  # fmt: skip


def test_of_the_cookies_only_that_against_forgery_reaches_the_user_server(served: Served) -> None:
    sent = sent_upstream(served, [("Cookie", "_xsrf=good; session=secret")])
    assert dict(sent).get("cookie", "") in ("_xsrf=good", "")
    assert "secret" not in str([value for name, value in sent if name == "cookie"])
    assert "user=" not in str(sent)


def test_two_fields_of_one_name_are_both_heard(served: Served) -> None:
    values = [value for name, value in sent_upstream(served, [("X-Twice", "a"), ("X-Twice", "b")]) if name == "x-twice"]
    assert [part.strip() for value in values for part in value.split(",")] == ["a", "b"]


@pytest.mark.parametrize("kind", ["page", "websocket"])
def test_what_a_stranger_writes_stays_one_line_of_the_log(served: Served, kind: str) -> None:
    written = len(served.log())
    path = "/notebook/%0d%0aFORGED%20%1b%5b31m/echo?%0d%0aFORGED=%1b"
    fields = [("User-Agent", "FORGED \x1b[31m"), ("Sec-WebSocket-Protocol", "\x1bFORGED"), ("Referer", "\x1bFORGED")]
    handshake = HANDSHAKE if kind == "websocket" else ()
    for user in ("-", "", "x" * 3000, "%0aFORGED"):
        with connected(served) as client:
            client.ask("GET", path, [*fields, *handshake], user=user)
            assert 400 <= client.answer().status < 500
    new = served.log()[written:]
    assert "\x1b" not in new
    assert not any(line.startswith("FORGED") for line in new.splitlines())
    assert all(len(line) < 10_000 for line in new.splitlines())


@pytest.mark.parametrize("way", ["gunicorn", "uvicorn"])
def test_the_host_that_a_trusted_proxy_tells_reaches_the_user_server(way: str, alice: UserServer) -> None:
    trusted = {"trusted_proxies": "127.0.0.1", "trusted_proxy_headers": "x-forwarded-host"}
    with serving(way, alice, **trusted) as served:
        for _ in range(2):  # the second time it was decided a moment ago
            sent = sent_upstream(served, [("X-Forwarded-Host", "shop.example.com")])
            assert [text for name, text in sent if name == "host"] == ["shop.example.com"]


@pytest.mark.parametrize("way", ["gunicorn", "uvicorn", "uwsgi"])
def test_the_scheme_that_a_trusted_proxy_tells_is_the_one_that_origins_are_compared_with(
    way: str, alice: UserServer
) -> None:
    trusted = {"trusted_proxies": "127.0.0.1", "trusted_proxy_headers": "x-forwarded-proto"}
    with serving(way, alice, **trusted) as served, connected(served) as client:
        lines = [f"POST {served.base}echo HTTP/1.1", f"Host: 127.0.0.1:{served.port}", "Content-Length: 0"]
        lines += [f"Origin: https://127.0.0.1:{served.port}", f"Cookie: user={served.user}", "X-Forwarded-Proto: https"]
        client.send("\r\n".join([*lines, "", ""]).encode())
        answer = client.answer()
        assert answer.status == 200
        sent = {name.lower(): value for name, value in json.loads(answer.body)["headers"]}
        assert sent["x-forwarded-proto"] == "https"
