"""Nobody passes who may not, and what is refused never reaches a user server."""

from __future__ import annotations

import pytest

from .sites import HANDSHAKE, HTML, Policy, ask, recording_server, small_site

KERNEL = "5d0c1b6e-1111-4222-8333-444444444444"
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
PATHS = [
    "",
    "tree",
    "notebooks/default.ipynb",
    "lab/tree/default.ipynb",
    "api/contents",
    "api/contents/default.ipynb",
    "api/kernels",
    f"api/kernels/{KERNEL}/interrupt",
    "api/sessions",
    "api/shutdown",
    "api/collaboration/session/default.ipynb",
    "files/default.ipynb?download=1",
    "nbconvert/html/default.ipynb",
    "static/notebook/main.js",
    "-/start",
    "-/stop",
    "-/status",
    "-/context",
    "-/launch.js",
    "-/page.css",
]
SOCKETS = [
    f"api/kernels/{KERNEL}/channels?session_id=1",
    "api/collaboration/room/json:notebook:1?sessionId=1",
    "terminals/websocket/1",
    "api/events/subscribe",
    "-/status",
]
#: Addresses that begin as the second user's own, and want to end at the first one's.
DOT_SEGMENTS = [
    "/notebook/user2/../user/api/contents",
    "/notebook/user2/%2e%2e/user/api/contents",
    "/notebook/user2/%2E%2E%2Fuser%2Fapi/contents",
    "/notebook/user2/..%2fuser/api/contents",
    "/notebook/user2/.%2e/user/api/contents",
    "/notebook/user2/./../user/api/contents",
    "/notebook/user2/api/../../user/api/contents",
    "/notebook/user2/files/%2e%2e/%2e%2e/user/api/contents",
]
OTHER_SPELLINGS = [
    "/notebook/user2%2f..%2fuser/api/contents",
    "/notebook/user2/%252e%252e/user/api/contents",
    "/notebook/user2/..%5cuser/api/contents",
    "/notebook/user2/..;/user/api/contents",
    "/notebook/%75ser/api/contents",
    "/notebook/USER/api/contents",
    "/notebook/user%00/api/contents",
    "/notebook/user%20/api/contents",
    "/notebook//user/api/contents",
    "//notebook/user/api/contents",
    "//localhost/notebook/user/api/contents",
    "http://localhost/notebook/user/api/contents",
    "http://user/notebook/user2/../user/api/contents",
    "/notebook/-/user/api/contents",
    "/notebook/./user/api/contents",
    "/notebook/%2e/user/api/contents",
]


@pytest.mark.parametrize("path", PATHS)
def test_a_user_is_refused_at_every_address_of_somebody_else_with_every_method(demo, signed_in, theirs, path):
    statuses = {way: ask(demo.port, way, f"/notebook/user/{path}", signed_in("user2")).status for way in METHODS}
    assert statuses == dict.fromkeys(METHODS, 403)
    assert theirs.requests == []


@pytest.mark.parametrize("path", SOCKETS)
def test_every_websocket_of_somebody_else_gets_a_plain_403(demo, signed_in, theirs, path):
    for name in ("user2", "guest", "nobody"):
        answer = ask(demo.port, "GET", f"/notebook/user/{path}", signed_in(name) | HANDSHAKE)
        assert answer.status == 403
        assert answer.headers["Content-Type"].startswith("text/plain")
    assert theirs.requests == []


@pytest.mark.parametrize("target", DOT_SEGMENTS)
def test_an_address_with_dot_segments_reaches_no_user_server_at_all(demo, signed_in, theirs, target):
    with recording_server(demo.manager, "user2") as own:
        for method, extra in (("GET", {}), ("GET", HANDSHAKE), ("POST", {}), ("DELETE", {})):
            assert ask(demo.port, method, target, signed_in("user2") | extra).status in (403, 404)
        assert own.requests == []
    assert theirs.requests == []


@pytest.mark.parametrize("target", OTHER_SPELLINGS)
def test_no_spelling_of_an_address_leads_to_somebody_elses_server(demo, signed_in, theirs, target):
    for extra in ({}, HANDSHAKE):
        ask(demo.port, "GET", target, signed_in("user2") | extra)
    assert theirs.requests == []


def test_the_owner_passes(demo, signed_in, theirs):
    assert ask(demo.port, "GET", "/notebook/user/api/contents?x=%2F", signed_in("user")).status == 200
    assert ask(demo.port, "GET", f"/notebook/user/{SOCKETS[0]}", signed_in("user") | HANDSHAKE).status == 101
    assert theirs.targets == ["GET /notebook/user/api/contents?x=%2F", f"GET /notebook/user/{SOCKETS[0]}"]


def test_a_stranger_is_sent_to_the_sites_login_page_and_back(demo, signed_in, theirs):
    answer = ask(demo.port, "GET", "/notebook/user/tree", signed_in("nobody") | HTML)
    assert answer.status == 302
    assert answer.location == "/login?next=%2Fnotebook%2Fuser%2Ftree"
    assert theirs.requests == []


@pytest.mark.parametrize("name", ["guest", "nobody"])
@pytest.mark.parametrize("target", ["/notebook/-/open", "/notebook/-/stop", "/notebook/user/-/stop"])
def test_who_lacks_the_permission_starts_and_stops_nothing(demo, signed_in, theirs, target, name):
    assert ask(demo.port, "POST", target, signed_in(name)).status == 403
    assert demo.manager.find("user")
    assert not demo.manager.folder(name).path.exists()


def test_who_lacks_the_permission_is_refused_at_their_own_address_too(demo, signed_in):
    answer = ask(demo.port, "GET", "/notebook/guest/tree", signed_in("guest") | HTML)
    assert answer.status == 403
    assert "site.css" in answer.text


@pytest.mark.parametrize(
    ("policy", "user", "reason"),
    [
        (None, "bob", "no security policy"),
        (Policy(), "bob", "do not have the permission"),
        (Policy("other", "view"), "bob", "do not have the permission"),
        (Policy("shell"), "", "Sign in"),
    ],
    ids=["no policy", "nothing granted", "something else granted", "granted to strangers"],
)
def test_a_site_is_closed_until_its_policy_grants_the_permission_to_a_user(notebooks, policy, user, reason):
    with small_site(notebooks, policy) as closed, recording_server(closed.manager, "bob") as bobs:
        for target in ("/notebook/bob/tree", "/notebook/bob/-/launch.js", "/notebook/None/tree"):
            answer = closed.ask("GET", target, user=user)
            assert (answer.status, reason in answer.text) == (403, True)
            assert closed.ask("GET", target, HANDSHAKE, user=user).status == 403
        for target in ("/notebook/-/open", "/notebook/-/stop", "/notebook/bob/-/start", "/notebook/bob/-/stop"):
            assert closed.ask("POST", target, user=user).status == 403
        assert bobs.requests == []
        assert closed.manager.find("bob")


def test_the_permission_is_the_one_that_the_setting_names(notebooks):
    with small_site(notebooks, Policy("notebook_user"), permission="notebook_user") as named:
        assert named.ask("GET", "/notebook/bob/-/launch.js", user="bob").status == 200
    with small_site(notebooks, Policy("shell"), permission="notebook_user") as named:
        assert named.ask("GET", "/notebook/bob/-/launch.js", user="bob").status == 403
