"""Rows 5 and 6: requests that a browser sends with its user's cookies, and its user knows nothing of."""

from __future__ import annotations

import re
from itertools import product

import pytest

from tests.door.sites import CLICK, HANDSHAKE, HTML, JSON

from .attackers import is_passed, pairs, send, untouched
from .rows import both_ways

UNSAFE = ["POST", "PUT", "PATCH", "DELETE"]
#: Fetch Metadata: what browsers say, what they say nothing of, and what none would say.
MODES = ["navigate", "no-cors", "cors", "same-origin", "websocket", ""]
SITES = ["same-origin", "same-site", "cross-site", "none", "", "Same-Origin", "same-origin, cross-site", "null"]
#: Types and bodies with which forms and scripts of foreign pages reach an API that wants JSON.
BODIES = {
    "nothing": ("", b""),
    "json": ("application/json", b'{"type": "notebook"}'),
    "text": ("text/plain", b'{"type": "notebook"}'),
    "form": ("application/x-www-form-urlencoded", b"type=notebook&_xsrf=1"),
    "multipart": (
        "multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--',
    ),
    "beacon": ("", b'{"type": "notebook"}'),
}
CONTENTS = "/notebook/alice/api/contents"
#: What changes something, by POST.
CHANGES = [
    *("/notebook/-/open", "/notebook/-/stop", "/notebook/alice/-/start", "/notebook/alice/-/restart"),
    *("/notebook/alice/-/stop", "/notebook/alice/api/shutdown", "/notebook/-/device", "/notebook/-/tokens"),
    *("/shell", "/shutdown"),
]


def metadata(mode: str, site: str) -> list[tuple[str, str]]:
    return [(f"Sec-Fetch-{name}", value) for name, value in (("Mode", mode), ("Site", site)) if value]


def typed(kind: str) -> list[tuple[str, str]]:
    content_type, _ = BODIES[kind]
    return [("Content-Type", content_type)] if content_type else []


@pytest.mark.row(5, "http")
@pytest.mark.parametrize("origin", ["", "null", "https://evil.example"], ids=["no origin", "null", "foreign"])
@pytest.mark.parametrize("fetch_site", SITES)
def test_a_change_passes_only_when_the_browser_calls_it_its_own_whatever_its_mode_and_body(
    site, alices, fetch_site, origin
):
    passes = fetch_site == "same-origin" and not origin
    for mode, method, kind in product(MODES, UNSAFE, BODIES):
        said = [("X-User", "alice"), *metadata(mode, fetch_site), *typed(kind)]
        said += [("Origin", origin)] if origin else []
        answer = send(site.port, "http", CONTENTS, said, method=method, body=BODIES[kind][1])
        assert answer.status == (200 if passes else 403), (mode, method, kind)
    assert len(alices.requests) == (len(MODES) * len(UNSAFE) * len(BODIES) if passes else 0)


@pytest.mark.row(5, "websocket")
@pytest.mark.parametrize("origin", ["", "null", "https://evil.example", "own"])
def test_no_fetch_metadata_opens_a_websocket_in_place_of_the_origin(site, alices, origin):
    said = [("Origin", site.url if origin == "own" else origin)] if origin else []
    for mode, fetch_site in product(MODES, SITES):
        fields = [("X-User", "alice"), *metadata(mode, fetch_site), *said]
        answer = send(site.port, "websocket", "/notebook/alice/api/kernels/1/channels", fields)
        assert answer.status == (101 if origin == "own" else 403), (mode, fetch_site)
    assert len(alices.requests) == (len(MODES) * len(SITES) if origin == "own" else 0)


@pytest.mark.row(5)
@both_ways
def test_cookies_alone_change_nothing_and_open_nothing(demo, theirs, signed_in, way):
    cookies = {"Cookie": signed_in("user")["Cookie"] + "; _xsrf=1"}
    xsrf = [("X-XSRFToken", "1"), ("X-Requested-With", "XMLHttpRequest"), ("X-CSRF-Token", "1")]
    paths = ["api/contents", "api/kernels", "api/terminals", "sync", "-/start", "-/restart", "-/stop", "api/shutdown"]
    targets = [*(f"/notebook/user/{path}" for path in paths), "/notebook/-/open", "/notebook/-/stop"]
    targets += ["/notebook/-/device", "/notebook/-/tokens"]
    for target, method in product(targets, UNSAFE):
        for more in ([], xsrf, [("Referer", "https://evil.example/")]):
            answer = send(demo.port, way, f"{target}?_xsrf=1", [*pairs(cookies), *more], method=method)
            assert answer.status == 403, (target, method)
    assert untouched(theirs)
    assert demo.manager.find("user")


@pytest.mark.row(5, "http")
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_reading_never_launches_stops_or_shares(site, alices, method):
    tokens = site.tokens.list("alice")
    query = "action=make&name=evil&scope=shell&days=90&decision=approve&sure=yes&notebook_anyway=yes"
    tries = [HTML, JSON, {"X-HTTP-Method-Override": "POST"}, {"X-HTTP-Method": "DELETE"}, {"X-Method-Override": "POST"}]
    for target in CHANGES:
        if target.startswith("/sh"):  # a site's own view, which may be asked for by GET
            continue
        for fields in tries:
            said = {"X-User": "alice", "Sec-Fetch-Site": "cross-site", **fields}
            send(site.port, "http", f"{target}?{query}&_method=POST", said, method=method)
    asked = [head for head in alices.requests if b"/-/" in head.split(b"\r\n")[0]]
    assert asked == []
    assert site.manager.find("alice")
    assert site.tokens.list("alice") == tokens


@pytest.mark.row(5, "websocket")
def test_a_handshake_never_launches_stops_or_shares(site, alices):
    tokens = site.tokens.list("alice")
    for target in CHANGES:
        for fields in ({}, {"X-HTTP-Method-Override": "POST"}, {"Sec-Fetch-Site": "cross-site"}):
            said = {"X-User": "alice", "Origin": site.url, **fields}
            answer = send(site.port, "websocket", f"{target}?action=make&name=x&scope=shell&decision=approve", said)
            assert answer.status != 101 or target == "/notebook/alice/api/shutdown"
    assert not [head for head in alices.requests if b"/-/stop" in head or b"POST" in head[:4]]
    assert site.manager.find("alice")
    assert site.tokens.list("alice") == tokens


@pytest.mark.row(5, "http")
@pytest.mark.parametrize("method", ["PROPFIND", "MKCOL", "LINK", "TRACE", "CONNECT", "FOO", "get", "Post", "GETX"])
def test_a_method_that_nobody_knows_counts_as_one_that_changes_something(site, alices, method):
    for target in (CONTENTS, *CHANGES):
        for said in ({"X-User": "alice"}, {"X-User": "alice", "Origin": "https://evil.example"}):
            answer = send(site.port, "http", target, said, method=method)
            assert answer.status in (400, 403, 404, 405, 501), (method, target)
    assert untouched(alices)
    assert site.manager.find("alice")


@pytest.mark.row(5, "http", "websocket")
def test_a_handshake_with_another_method_is_a_change_like_any_other(site, alices):
    for method in UNSAFE:
        for said in ({"X-User": "alice"}, {"X-User": "alice", "Origin": "https://evil.example"}):
            fields = {**said, **HANDSHAKE}
            assert send(site.port, "http", CONTENTS, fields, method=method).status == 403
    assert untouched(alices)


def contents(owner) -> list[str]:
    listed = owner.session.get(f"{owner.session.headers['Origin']}{owner.base}api/contents", timeout=30).json()
    return [item["name"] for item in listed["content"]]


@pytest.mark.row(6)
@both_ways
def test_the_session_of_another_user_opens_nothing_with_any_token_against_forgery(demo, owner, neighbour, theirs, way):
    for xsrf in (owner.xsrf, neighbour.xsrf):
        for base in (owner.base, "/notebook/user/"):
            fields = [
                *(("Cookie", f"{neighbour.cookie}; _xsrf={xsrf}"), ("X-XSRFToken", xsrf), ("Origin", demo.url)),
                *pairs(JSON),
            ]
            for path in ("api/contents", "api/kernels", "api/terminals"):
                answer = send(demo.port, way, f"{base}{path}?_xsrf={xsrf}", fields, method="POST")
                assert answer.status == 403
    assert untouched(theirs)


@pytest.mark.row(6, "http")
@pytest.mark.parametrize("place", ["header", "query", "form"])
def test_a_page_of_another_user_changes_nothing_here_with_its_own_token(demo, owner, neighbour, place):
    """What a script in a page of the neighbour can make the browser of the owner send: it knows its own token only."""
    before = contents(owner)
    own = f"_xsrf={owner.xsrf}; {owner.cookie}"
    for cookies in (own, f"{own}; _xsrf={neighbour.xsrf}"):
        page = f"{demo.url}{neighbour.base}tree"
        fields = [("Cookie", cookies), ("Origin", demo.url), ("Referer", page), *pairs(JSON)]
        query, body = "", b""
        if place == "header":
            fields.append(("X-XSRFToken", neighbour.xsrf))
        elif place == "query":
            query = f"?_xsrf={neighbour.xsrf}"
        else:
            fields.append(("Content-Type", "application/x-www-form-urlencoded"))
            body = f"_xsrf={neighbour.xsrf}".encode()
        for path in ("api/contents", "api/kernels", "api/terminals"):
            answer = send(demo.port, "http", f"{owner.base}{path}{query}", fields, method="POST", body=body)
            assert answer.status == 403
            assert "_xsrf" in answer.text or "XSRF" in answer.text
    assert contents(owner) == before


@pytest.mark.row(6, "http")
def test_a_token_that_was_tossed_to_the_root_of_the_site_is_not_the_one_that_counts(demo, owner, neighbour):
    cookies = f"_xsrf={owner.xsrf}; {owner.cookie}; _xsrf={neighbour.xsrf}"  # the longest path first, RFC 6265 5.4
    fields = [("Cookie", cookies), ("Origin", demo.url), ("X-XSRFToken", owner.xsrf), *pairs(JSON)]
    target = f"{owner.base}api/contents"
    assert send(demo.port, "http", target, fields, method="POST").status == 201


@pytest.mark.row(6, "websocket")
def test_a_websocket_of_the_owner_needs_the_owner_whatever_token_comes_along(demo, owner, neighbour):
    started = owner.session.get(f"{demo.url}{owner.base}api/kernels", timeout=30).json()
    target = f"{owner.base}api/kernels/{started[0]['id']}/channels"
    for session, passes in ((neighbour.cookie, False), ("", False), (owner.cookie, True)):
        fields = {"Cookie": f"{session}; _xsrf={owner.xsrf}", "Origin": demo.url, "X-XSRFToken": owner.xsrf}
        assert is_passed(send(demo.port, "websocket", target, fields), "websocket") == passes


@pytest.mark.row(6, "http", "websocket")
def test_jupyters_own_check_is_on_for_sessions_and_off_for_nobody_but_the_door(demo, owner):
    """A page cannot say of itself that it came with a token."""
    for name in ("X-Pyramid-Notebook-Token", "x-pyramid-notebook-token", "X_Pyramid_Notebook_Token"):
        fields = {"Cookie": owner.cookie, "Origin": demo.url, name: "0123456789abcdef", **JSON}
        assert send(demo.port, "http", f"{owner.base}api/contents", fields, method="POST").status == 403
        assert send(demo.port, "websocket", f"{owner.base}api/contents", fields).status != 101
    own = {"Cookie": f"{owner.cookie}; _xsrf={owner.xsrf}", "X-XSRFToken": owner.xsrf, **CLICK}
    assert send(demo.port, "http", f"{owner.base}api/contents", own, method="POST").status == 201
    assert re.fullmatch(r"2\|.+", owner.xsrf)
