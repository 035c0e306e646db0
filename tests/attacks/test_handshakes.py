"""Rows 2, 3 and 4: who opens a websocket or changes something, and from which page."""

from __future__ import annotations

import json
import re
import time

import pytest
import requests
from webob.cookies import SignedSerializer

from tests.door.sites import HTML, JSON, SmallSite, cookies_of
from tests.running import Site

from .attackers import (
    KERNEL,
    bad_tokens,
    is_passed,
    is_refused,
    send,
    session_of,
    untouched,
)
from .rows import both_ways

#: Every kind of websocket there is or will be, and a port of a program of the user.
SOCKETS = [
    f"api/kernels/{KERNEL}/channels?session_id=1",
    "terminals/websocket/1",
    "api/collaboration/room/json:notebook:1?sessionId=1",
    "api/events/subscribe",
    "lsp/ws/pylsp",
    "sync",
    "rpc",
    "restified/a.ipynb",
    "channel/1",
    "proxy/8888/",
]
FORGED = "x" * 86


class Serializer:
    """How the demo's sessions are written."""

    def loads(self, data: bytes) -> object:
        return json.loads(data)

    def dumps(self, value: object) -> bytes:
        return json.dumps(value).encode()


def signed_by(secret: str) -> SignedSerializer:
    return SignedSerializer(secret, "pyramid.session.", "sha512", serializer=Serializer())


def signed_out(session: requests.Session, site: Site) -> dict[str, str]:
    """Sign out as the button does, and return the cookies from before."""
    page = session.get(f"{site.url}/account", timeout=10).text
    token = re.search('name="csrf_token" value="([^"]+)"', page)
    assert token
    before = cookies_of(session)
    session.post(f"{site.url}/logout", data={"csrf_token": token[1]}, timeout=10)
    assert 'id="log-in"' in session.get(f"{site.url}/account", timeout=10).text
    return before


@pytest.fixture(scope="module")
def strangers(demo: Site) -> dict[str, dict[str, str]]:
    """Cookies that must open nothing of ``user``."""
    mine = cookies_of(demo.session("user"))["Cookie"]
    value = mine.partition("=")[2]
    own = signed_by((demo.folder / "demo.secret").read_text())
    _accessed, created, state = own.loads(value.encode())
    old = time.time() - 13 * 3600
    left = demo.session("user")
    signed_out(left, demo)

    def cookie(text: str) -> dict[str, str]:
        return {"Cookie": f"session={text}"}

    return {
        "nothing": {},
        "an expired session": cookie(own.dumps((old, old, state)).decode()),
        "a session that was signed with another secret": cookie(
            signed_by("guess").dumps((time.time(), created, state)).decode()
        ),
        "a session that was not signed": cookie(FORGED + value[86:]),
        "a session that was cut": cookie(value[:-4]),
        "what is left after signing out": cookies_of(left) if left.cookies else {},
        "the session of another user": cookies_of(demo.session("user2")),
        "the session of an administrator": cookies_of(demo.session("admin")),
        "the session of one without the permission": cookies_of(demo.session("guest")),
        "a user's name and password": {"Authorization": "Basic dXNlcjpwYXNzd29yZA=="},
    }


@pytest.mark.row(2)
@both_ways
def test_the_sessions_of_the_test_are_refused_for_what_is_wrong_with_them(demo, theirs, way):
    own = signed_by((demo.folder / "demo.secret").read_text())
    value = cookies_of(demo.session("user"))["Cookie"].partition("=")[2]
    _accessed, created, state = own.loads(value.encode())
    made = {"Cookie": f"session={own.dumps((time.time(), created, state)).decode()}", "Origin": demo.url}
    assert is_passed(send(demo.port, way, "/notebook/user/api/kernels", made), way)


@pytest.mark.row(2)
@both_ways
def test_a_session_that_does_not_fit_opens_nothing_and_is_told_before_the_101(demo, theirs, strangers, way):
    for name, fields in strangers.items():
        for path in SOCKETS:
            answer = send(demo.port, way, f"/notebook/user/{path}", {"Origin": demo.url, **JSON, **fields})
            assert is_refused(answer), (name, path, answer.status)
            if way == "websocket":
                assert answer.status in (401, 403), (name, path, answer.status)
    assert untouched(theirs)


@pytest.mark.row(2)
@both_ways
def test_a_session_that_was_signed_out_opens_nothing_for_who_kept_its_cookie(demo, theirs, way):
    stolen = signed_out(demo.session("user"), demo)
    answer = send(demo.port, way, "/notebook/user/api/kernels", {"Origin": demo.url, **JSON, **stolen})
    assert is_refused(answer), answer.status
    assert untouched(theirs)


@pytest.mark.row(2)
@both_ways
def test_a_token_that_does_not_fit_opens_nothing_even_beside_the_session_of_its_user(site, alices, way):
    for name, fields in bad_tokens(site, "alice").items():
        for path in SOCKETS:
            for more in ({}, session_of(site, "alice")):
                answer = send(site.port, way, f"/notebook/alice/{path}", {**JSON, **more, **fields})
                assert answer.status in (400, 401, 403), (name, path, answer.status)
    assert untouched(alices)


@pytest.mark.row(2)
@both_ways
def test_a_user_who_was_disabled_opens_nothing_with_session_or_token(site, alices, way):
    token = site.token("alice").fields
    site.policy.disabled.add("alice")
    try:
        for fields in (session_of(site, "alice"), token):
            for path in SOCKETS:
                assert send(site.port, way, f"/notebook/alice/{path}", {**JSON, **fields}).status in (401, 403)
    finally:
        site.policy.disabled.clear()
    assert untouched(alices)


#: ``{port}`` is that of the site, whose own origin is http://localhost:{port}.
ORIGINS = [
    [],
    ["null"],
    [""],
    ["https://evil.example"],
    ["http://localhost:{port}.evil.example"],
    ["http://evil.localhost:{port}"],
    ["http://localhost.:{port}"],
    ["http://127.0.0.1:{port}"],
    ["http://[::1]:{port}"],
    ["https://localhost:{port}"],
    ["ws://localhost:{port}"],
    ["//localhost:{port}"],
    ["localhost:{port}"],
    ["http://localhost"],
    ["http://localhost:9999"],
    ["http://localhost:0{port}"],
    ["http://localhost:{port}:80"],
    ["HTTP://localhost:{port}"],
    ["http://LOCALHOST:{port}"],
    ["http://localhost:{port}/"],
    ["http://localhost:{port}/notebook/alice/"],
    ["http://localhost:{port}#"],
    ["http://localhost:{port}?"],
    ["http://evil.example@localhost:{port}"],
    ["http://localhost:{port}@evil.example"],
    ["http://localhost:{port}\\.evil.example"],
    ["http://localhost:{port}\t.evil.example"],
    ["http://loc\xe4lhost:{port}"],
    ["http://local%68ost:{port}"],
    ["file://"],
    ["chrome-extension://localhost:{port}"],
    ["http://localhost:{port} http://evil.example"],
    ["http://localhost:{port},http://evil.example"],
    ["http://localhost:{port}", "http://evil.example"],
    ["http://evil.example", "http://localhost:{port}"],
    ["http://localhost:{port}", "http://localhost:{port}"],
    ["*"],
]


def as_page(site: SmallSite, origins: list[str], **fields: str) -> list[tuple[str, str]]:
    filled = [("Origin", origin.replace("{port}", str(site.port))) for origin in origins]
    return [("X-User", "alice"), *fields.items(), *filled]


@pytest.mark.row(3)
@both_ways
@pytest.mark.parametrize("path", ["api/kernels/1/channels", "terminals/websocket/1", "sync", "-/stop", "api/shutdown"])
def test_a_page_of_another_origin_opens_no_websocket_and_changes_nothing(site, alices, path, way):
    for origins in ORIGINS:
        answer = send(site.port, way, f"/notebook/alice/{path}", as_page(site, origins), method="POST")
        assert answer.status == 403, origins
    assert untouched(alices)
    assert site.manager.find("alice")


@pytest.mark.row(3, "websocket")
@pytest.mark.parametrize("field", ["Sec-WebSocket-Origin", "Referer", "Sec-Fetch-Site", "X-Forwarded-Host"])
def test_nothing_but_the_origin_speaks_for_a_websocket(site, alices, field):
    value = "same-origin" if field == "Sec-Fetch-Site" else f"{site.url}/"
    for origins in ([], ["null"], ["https://evil.example"]):
        sent = [*as_page(site, origins), (field, value)]
        assert send(site.port, "websocket", "/notebook/alice/api/kernels/1/channels", sent).status == 403
    assert untouched(alices)


@pytest.mark.row(3)
@both_ways
def test_a_foreign_page_with_the_real_cookies_of_a_browser_is_refused(demo, theirs, signed_in, way):
    cookies = {"Cookie": signed_in("user")["Cookie"]}
    for origin in ("null", "https://evil.example", f"http://evil.localhost:{demo.port}", demo.url.upper()):
        answer = send(demo.port, way, "/notebook/user/api/kernels", {**cookies, "Origin": origin}, method="POST")
        assert answer.status == 403
    assert untouched(theirs)
    own = {**cookies, "Origin": demo.url}
    assert is_passed(send(demo.port, way, "/notebook/user/api/kernels", own, method="POST"), way)


@pytest.mark.row(3)
@both_ways
def test_a_foreign_page_gets_no_leave_to_send_a_token_or_to_read_an_answer(site, alices, way):
    asked = {
        "Origin": "https://evil.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, x-notebook-launch",
    }
    for user in ("alice", ""):
        for path in ("alice/sync", "-/open", "-/tokens", "-/device/code", "-/device/token"):
            answer = send(site.port, way, f"/notebook/{path}", {**asked, "X-User": user}, method="OPTIONS")
            assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


#: What a pattern that is not matched in full would let pass; the site is http://trusted.example.com.
LOOK_ALIKES = [
    "http://trusted.example.com.evil.example",
    "http://trusted.example.comedy",
    "http://trusted.example.com:9999",
    "http://trusted.example.com:8",
    "http://trusted.example.com:080",
    "http://trusted.example.com.",
    "http://trustedxexample.com",
    "http://trusted.example.co",
    "http://rusted.example.com",
    "http://untrusted.example.com",
    "http://evil.example/trusted.example.com",
    "http://evil.example?http://trusted.example.com",
    "http://evil.example#http://trusted.example.com",
    "http://trusted.example.com@evil.example",
    "https://trusted.example.com",
    "http://example.com",
    "xhttp://trusted.example.com",
]
TRUSTED = {"Host": "trusted.example.com", "X-User": "alice"}


@pytest.mark.row(4)
@both_ways
@pytest.mark.parametrize("field", ["Origin", "Referer"])
def test_an_origin_or_referer_that_only_looks_like_the_sites_own_is_refused(site, alices, field, way):
    for address in LOOK_ALIKES:
        fields = {**TRUSTED, field: address}
        assert send(site.port, way, "/notebook/alice/api/kernels", fields, method="POST").status == 403, address
        assert send(site.port, way, "/notebook/alice/-/stop", fields, method="POST").status == 403, address
        assert send(site.port, way, "/shutdown", {**fields, **HTML}).status == 403, address
    assert untouched(alices)
    assert site.manager.find("alice")


@pytest.mark.row(4)
@both_ways
def test_the_sites_own_origin_is_let_pass_with_and_without_its_usual_port(site, alices, way):
    for origin in ("http://trusted.example.com", "http://trusted.example.com:80"):
        fields = {**TRUSTED, "Origin": origin}
        assert is_passed(send(site.port, way, "/notebook/alice/api/kernels", fields, method="POST"), way)


@pytest.mark.row(4, "http")
@pytest.mark.parametrize("address", [*LOOK_ALIKES, "http://trusted.example.com/", "//trusted.example.com/"])
def test_a_form_comes_back_to_no_other_address_than_one_of_the_users_own(site, alices, address):
    fields = {**TRUSTED, "Origin": "http://trusted.example.com", "Content-Type": "application/x-www-form-urlencoded"}
    for target in ("/notebook/-/open", "/notebook/alice/-/start"):
        body = f"next={address.replace('#', '%23')}".encode()
        answer = send(site.port, "http", target, {**fields, **HTML}, method="POST", body=body)
        assert answer.headers["Location"] == "http://trusted.example.com/notebook/alice/notebooks/recorded.ipynb"
