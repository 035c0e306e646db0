"""Only pages of the site itself may change something, open a websocket, launch or shut down."""

from __future__ import annotations

import pytest

from .sites import HANDSHAKE, HTML, JSON, ask

CONTENTS = "/notebook/alice/api/contents/x.ipynb"
UNSAFE = ["POST", "PUT", "PATCH", "DELETE"]
FOREIGN_ORIGINS = [
    *("https://evil.example", "null", "", "http://localhost", "http://localhost:1", "https://localhost:{port}"),
    *("http://evil.localhost:{port}", "http://localhost:{port} https://evil.example"),
]
ELSEWHERE = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "cross-site", "Referer": "http://localhost:{port}/"},
    {"Referer": "https://evil.example/page"},
    {"Referer": "http://localhost:{port}.evil.example/"},
    {"Referer": "http://localhost:{port}@evil.example/"},
    {"Referer": "http://["},
    {"Referer": ""},
    {},
]
OWN = [
    {"Origin": "http://localhost:{port}"},
    {"Sec-Fetch-Site": "same-origin"},
    {"Referer": "http://localhost:{port}/page?x=1"},
]
FOREIGN_NAVIGATIONS = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Referer": "http://localhost:{port}/"},
    {"Referer": "https://evil.example/page"},
    {"Referer": "http://["},
]
OWN_NAVIGATIONS = [
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "same-origin"},
    {"Referer": "http://localhost:{port}/page"},
    {"X-Notebook-Launch": "stream"},
]


def send(site, method, target, fields, **more):
    """Send exactly these fields, with the port of the site filled in."""
    filled = {name: value.format(port=site.port) for name, value in fields.items()}
    return ask(site.port, method, target, {"X-User": "alice", **filled, **more})


@pytest.mark.parametrize("origin", FOREIGN_ORIGINS)
def test_a_change_from_a_foreign_origin_is_refused_whatever_else_is_said(site, alices, origin):
    fields = {"Origin": origin, "Sec-Fetch-Site": "same-origin", "Referer": "http://localhost:{port}/"}
    for method in UNSAFE:
        assert send(site, method, CONTENTS, {"Origin": origin}).status == 403
        for target in (CONTENTS, "/notebook/alice/api/shutdown", "/notebook/alice/-/stop"):
            assert send(site, method, target, fields).status == 403
    assert alices.requests == []
    assert site.manager.find("alice")


@pytest.mark.parametrize("fields", ELSEWHERE)
def test_a_change_without_an_origin_is_refused_unless_the_browser_says_it_is_ours(site, alices, fields):
    for method in UNSAFE:
        assert send(site, method, CONTENTS, fields).status == 403
    assert alices.requests == []


@pytest.mark.parametrize("fields", OWN)
def test_a_change_from_the_sites_own_page_passes(site, alices, fields):
    for method in UNSAFE:
        assert send(site, method, CONTENTS, fields).status == 200
    assert alices.targets == [f"{method} {CONTENTS}" for method in UNSAFE]


@pytest.mark.parametrize("fields", [{"Origin": origin} for origin in FOREIGN_ORIGINS] + ELSEWHERE + OWN[1:])
def test_a_websocket_is_refused_unless_its_origin_is_the_sites_own(site, alices, fields):
    assert send(site, "GET", "/notebook/alice/api/kernels/1/channels", fields, **HANDSHAKE).status == 403
    assert alices.requests == []


def test_a_websocket_from_the_sites_own_page_passes(site, alices):
    assert send(site, "GET", "/notebook/alice/api/kernels/1/channels", OWN[0], **HANDSHAKE).status == 101
    assert alices.targets == ["GET /notebook/alice/api/kernels/1/channels"]


def test_links_from_other_sites_to_a_notebook_work(site, alices):
    for method in ("GET", "HEAD", "OPTIONS"):
        assert send(site, method, "/notebook/alice/tree", FOREIGN_NAVIGATIONS[0]).status == 200
    assert len(alices.requests) == 3


@pytest.mark.parametrize("fields", FOREIGN_NAVIGATIONS)
def test_a_foreign_page_neither_launches_nor_shuts_down_with_a_link(site, alices, fields):
    for target in ("/shell", "/shutdown"):
        answer = send(site, "GET", target, fields, **HTML)
        assert answer.status == 403
        assert "Another site sent you here" in answer.text
        assert "<form" not in answer.text
    assert alices.requests == []
    assert site.manager.find("alice")


@pytest.mark.parametrize("fields", [{"Origin": "https://evil.example"}, {"Origin": "null"}, *ELSEWHERE])
def test_a_foreign_form_neither_launches_nor_shuts_down(site, alices, fields):
    own = ("/notebook/-/open", "/notebook/-/stop", "/notebook/alice/-/start", "/notebook/alice/-/stop")
    for target in ("/shell", "/shutdown", *own):
        assert send(site, "POST", target, fields, **HTML).status == 403
    assert alices.requests == []
    assert site.manager.find("alice")


@pytest.mark.parametrize("fields", OWN_NAVIGATIONS)
def test_a_launch_that_the_user_typed_or_that_the_site_links_to_goes_on(site, alices, fields):
    assert send(site, "GET", "/shell", fields, **JSON).status == 200
    assert alices.requests


def test_a_link_that_nobody_is_known_to_have_pressed_does_nothing_but_ask(site, alices):
    for target in ("/shell", "/shell?notebook_launch=wait", "/shutdown"):
        answer = send(site, "GET", target, {}, **HTML)
        assert (answer.status, "Nothing says that you asked for this" in answer.text) == (403, True)
        assert '<button class="pnb-button">Go on</button>' in answer.text
        assert send(site, "GET", target, {}, **JSON).status == 403
    assert alices.requests == []
    assert site.manager.find("alice")
