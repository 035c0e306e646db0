"""A site that wants HTTPS, and whose word counts about it."""

from __future__ import annotations

import pytest

from .inventory import PREFIX, ROUTES, Who
from .sites import HANDSHAKE, HTML, Policy, ask, recording_server, small_site

ADDRESS = "/notebook/alice/api/contents/a.ipynb"
#: What a proxy on the same machine says that was asked for the site's public address.
PROXIED = {"Host": "shop.example.com", "X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.7"}
OWN = {"Origin": "https://shop.example.com"}


@pytest.fixture(scope="module")
def strict(notebooks):
    """A site that believes a proxy on the same machine, and wants HTTPS."""
    with small_site(
        notebooks / "strict", Policy("shell"), require_https="on", trusted_proxies="127.0.0.1 ::1"
    ) as running:
        yield running


@pytest.fixture(scope="module")
def lenient(notebooks):
    """A site that takes plain HTTP, as in development, and believes a proxy."""
    with small_site(notebooks / "lenient", Policy("shell"), trusted_proxies="127.0.0.1 ::1") as running:
        yield running


@pytest.fixture
def theirs(strict):
    with recording_server(strict.manager, "alice") as server:
        yield server


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_plain_http_is_refused_in_words(strict, theirs, method):
    token = strict.token("alice")
    for fields in ({"X-User": "alice", "Origin": strict.url}, token.fields, {}):
        for more in ({}, HANDSHAKE):
            answer = ask(strict.port, method, ADDRESS, fields | more)
            assert (answer.status, '"https"' in answer.text) == (403, True)
            assert "Open the address with https:// in front" in answer.text
    assert theirs.requests == []


def test_a_page_says_so_too(strict):
    answer = ask(strict.port, "GET", "/notebook/alice/tree", {"X-User": "alice", **HTML})
    assert (answer.status, "over HTTPS only" in answer.text) == (403, True)


@pytest.mark.parametrize(
    "route",
    [route for route in ROUTES if route.who not in (Who.BELOW, Who.NOBODY)],
    ids=lambda route: route.name,
)
def test_no_route_answers_over_plain_http(strict, route):
    form = {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": str(len(route.form))}
    fields = {"X-User": "alice", "Origin": strict.url, **(form if route.form else {})}
    answer = ask(strict.port, route.first, route.example, fields, route.form.encode() or None)
    assert (answer.status, "over HTTPS only" in answer.text) == (403, True)
    assert route.pattern.startswith(PREFIX)


@pytest.mark.parametrize("target", ["/shell", "/shutdown"])
def test_nor_does_a_view_of_the_sites_own(strict, theirs, target):
    assert strict.ask("POST", target, user="alice").status == 403
    assert theirs.requests == []
    assert strict.manager.find("alice")


def test_https_passes_when_a_trusted_proxy_says_so(strict, theirs):
    for fields in ({"X-User": "alice", **OWN}, strict.token("alice").fields):
        assert ask(strict.port, "PUT", ADDRESS, PROXIED | fields).status == 200
        assert ask(strict.port, "GET", ADDRESS, PROXIED | fields | HANDSHAKE).status == 101
    for head in theirs.requests:
        fields = head.decode().lower().split("\r\n")
        assert "host: shop.example.com" in fields
        assert [field for field in fields if field.startswith("x-forwarded")] == [
            "x-forwarded-for: 192.0.2.7",
            "x-forwarded-proto: https",
        ]


def test_the_origin_must_be_the_address_that_the_proxy_was_asked_for(strict, theirs):
    for origin in ("http://shop.example.com", "https://shop.example.com:8443", strict.url):
        fields = PROXIED | {"X-User": "alice", "Origin": origin}
        assert ask(strict.port, "PUT", ADDRESS, fields).status == 403
        assert ask(strict.port, "GET", ADDRESS, fields | HANDSHAKE).status == 403
    assert theirs.requests == []


@pytest.mark.parametrize(
    "spoofed",
    [
        {"X-Forwarded-Host": "evil.example"},
        {"X-Forwarded-Port": "1"},
        {"Forwarded": 'for="192.0.2.66;proto=http";host=evil.example;proto=http'},
        {"X-Forwarded-For": "192.0.2.66, 192.0.2.7"},
        {"X-Forwarded-User": "bob", "Remote-User": "bob", "X-Real-Ip": "192.0.2.66"},
        {"X-Forwarded_Proto": "http", "X_Forwarded_For": "192.0.2.66"},
    ],
    ids=", ".join,
)
def test_what_a_client_adds_to_the_words_of_the_proxy_is_not_believed(strict, theirs, spoofed):
    fields = {**PROXIED, "X-User": "alice", **OWN, **spoofed}
    assert ask(strict.port, "PUT", ADDRESS, fields).status == 200
    [head] = theirs.requests
    assert b"192.0.2.66" not in head
    assert b"evil.example" not in head
    assert b"X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https" in head


def test_without_the_setting_nobody_is_believed(site, alices):
    spoofed = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example", "X-Forwarded-For": "192.0.2.66"}
    spoofed |= {"Forwarded": "for=192.0.2.66;proto=https;host=evil.example"}
    assert site.ask("PUT", ADDRESS, spoofed, user="alice").status == 200
    assert site.ask("PUT", ADDRESS, spoofed | {"Origin": "https://evil.example"}, user="alice").status == 403
    [head] = alices.requests
    assert b"evil.example" not in head and b"192.0.2.66" not in head and b"https" not in head


def test_development_over_plain_http_goes_on_without_the_settings(lenient):
    with recording_server(lenient.manager, "alice") as server:
        assert lenient.ask("PUT", ADDRESS, user="alice").status == 200
        assert len(server.requests) == 1


def test_guesses_of_tokens_count_against_the_client_and_not_against_the_proxy(notebooks):
    with small_site(
        *(notebooks / "guesses", Policy("shell")), trusted_proxies="127.0.0.1 ::1", token_failures_per_minute=3
    ) as site:
        wrong = {"Authorization": f"Bearer pnb_{'a' * 43}"}
        statuses = [ask(site.port, "GET", ADDRESS, PROXIED | wrong).status for _ in range(5)]
        assert statuses[0] == 401 and statuses[-1] == 429
        other = PROXIED | wrong | {"X-Forwarded-For": "192.0.2.8"}
        assert ask(site.port, "GET", ADDRESS, other).status == 401
