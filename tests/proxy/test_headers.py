import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pyramid_notebook.proxy.headers import (
    HOP_BY_HOP,
    end_to_end,
    for_client,
    for_upstream,
    from_environ,
    same_origin,
    websocket_response_head,
)
from pyramid_notebook.record import SECRET_HEADER

BASE = "/notebook/alice/"
SECRET = "the-secret"
KNOWN = [
    *HOP_BY_HOP,
    "Host",
    "Origin",
    "Cookie",
    "Authorization",
    "Forwarded",
    "X-Forwarded-Host",
    "X-Forwarded_For",
    "X-Real-IP",
    "X-Scheme",
    SECRET_HEADER,
    "X-Pyramid-Notebook-User",
    "Expect",
    "Set-Cookie",
    "Accept",
    "Server",
]
names = st.one_of(st.sampled_from(KNOWN), st.text(max_size=12)).flatmap(
    lambda name: st.sampled_from([name, name.lower(), name.upper()])
)
values = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["close, X-Secret, Host", "_xsrf=a; session=b", "=_xsrf=c; _xsrf=d", "a\r\nX: y", "a=b; Path=/"]),
)
fields = st.lists(st.tuples(names, values), max_size=12)


def sent(headers, secret=SECRET):
    return for_upstream(headers, secret=secret, scheme="https", client="192.0.2.7")


def of(name, headers):
    return [value for key, value in headers if key.lower() == name.lower()]


@given(fields)
def test_what_goes_upstream_holds_our_claims_once_and_nobody_elses(headers):
    result = sent(headers)
    assert of(SECRET_HEADER, result) == [SECRET]
    assert of("X-Forwarded-For", result) == ["192.0.2.7"]
    assert of("X-Forwarded-Proto", result) == ["https"]
    for name, value in result[:-3]:
        plain = name.lower().replace("_", "-")
        assert plain not in HOP_BY_HOP | {"authorization", "forwarded", "x-real-ip", "x-scheme", "expect"}
        assert not plain.startswith(("x-forwarded-", "x-pyramid-notebook-"))
        assert plain != "cookie" or re.fullmatch(r"_xsrf=[^;,\s]*", value)
    assert len(of("cookie", result)) <= 1


@given(fields)
def test_no_field_in_either_direction_can_break_out_of_its_line(headers):
    for name, value in [*sent(headers), *for_client(headers, base_url=BASE)]:
        assert re.fullmatch(r"[^\s:]+", name, re.ASCII)
        assert not set(value) & {"\r", "\n", "\0"}


@given(fields, st.text("abc.:0123456789", min_size=1), st.text("abc.:/0123456789", min_size=1))
def test_host_and_origin_go_upstream_unchanged_whatever_else_is_sent(headers, host, origin):
    others = [(name, value) for name, value in headers if name.lower() not in {"host", "origin"}]
    nominating = ("Connection", "Host, Origin, Cookie")
    result = sent([("Host", host), ("Origin", origin), *others, nominating])
    assert (of("host", result), of("origin", result)) == ([host], [origin])


@given(fields)
def test_the_client_gets_no_field_of_ours_and_no_cookie_outside_the_base_url(headers):
    for name, value in for_client(headers, base_url=BASE):
        assert not name.lower().startswith("x-pyramid-notebook-")
        assert name.lower() not in HOP_BY_HOP | {"server", "service-worker-allowed"}
        assert name.lower() != "set-cookie" or f"path={BASE}" in value.lower().replace(" ", "")


def test_connection_takes_away_what_it_nominates_but_nothing_of_ours():
    nominated = f"close, X-Auth-User ,{SECRET_HEADER}, x-forwarded-for"
    headers = [("Connection", nominated), ("X-Auth-User", "root"), ("A", "b")]
    assert sent(headers) == [
        ("A", "b"),
        ("X-Forwarded-For", "192.0.2.7"),
        ("X-Forwarded-Proto", "https"),
        (SECRET_HEADER, SECRET),
    ]


def test_every_connection_field_nominates():
    headers = [("Connection", "a"), ("A", "1"), ("connection", "b"), ("B", "2"), ("C", "3")]
    assert end_to_end(headers) == [("C", "3")]


@pytest.mark.parametrize(
    ("cookie", "expected"),
    [
        ("_xsrf=1", ["_xsrf=1"]),
        ("session=s; _xsrf=2|ab|cd|17; auth_tkt=t", ["_xsrf=2|ab|cd|17"]),
        ("_xsrf=of the longest path; _xsrf=x", ["_xsrf=x"]),
        ("_xsrf=first; _xsrf=tossed", ["_xsrf=first"]),
        ("=_xsrf=nameless", []),
        ("__Host-_xsrf=1; x_xsrf=2; _xsrf2=3; _XSRF=4", []),
        ("_xsrf", []),
        ('_xsrf="quoted"', ['_xsrf="quoted"']),
        ("_xsrf=a,b", []),
        ("_xsrf=\x7f", []),
        ('session="; _xsrf=inside"', []),
        ("", []),
    ],
)
def test_of_the_cookies_only_the_first_sound_xsrf_goes_upstream(cookie, expected):
    assert of("cookie", sent([("Cookie", cookie)])) == expected


def test_a_cookie_split_over_two_fields_is_one_list():
    assert of("cookie", sent([("Cookie", "a=b"), ("Cookie", "_xsrf=1"), ("cookie", "_xsrf=2")])) == ["_xsrf=1"]


@pytest.mark.parametrize(
    "value",
    [
        "_xsrf=1; Path=/notebook/alice/",
        "a=b; HttpOnly; path = /notebook/alice/; Secure",
        "a=b; Path=/notebook/alice",
        "a=b; Path=/notebook/alice/api/",
        "a=; Max-Age=0; PATH=/notebook/alice/",
    ],
)
def test_a_cookie_within_the_base_url_reaches_the_client(value):
    assert for_client([("Set-Cookie", value)], base_url=BASE) == [("Set-Cookie", value)]


@pytest.mark.parametrize(
    "value",
    [
        "a=b",
        "a=b; Path=",
        "a=b; Path=/",
        "a=b; Path=/notebook",
        "a=b; Path=/notebook/alicex",
        "a=b; Path=/notebook/alice2/",
        "a=b; Path=/Notebook/alice/",
        "a=b; Path=notebook/alice/",
        'a=b; Path="/notebook/alice/"',
        "a=b; Path=/notebook/alice/; Path=/",
        "a=b; Path=/; Path=/notebook/alice/",
        "a=b; Path=/notebook/alice/; Domain=example.com",
        "a=b; Path=/notebook/alice/; domain",
        "=session=evil; Path=/notebook/alice/",
        "session; Path=/notebook/alice/",
        "; Path=/notebook/alice/",
        "a=b, c=d; Path=/",
        "a=b; Path=/notebook/alice/\r\nSet-Cookie: c=d; Path=/",
        "",
    ],
)
def test_a_cookie_that_reaches_beyond_the_base_url_is_dropped(value):
    assert for_client([("Set-Cookie", value)], base_url=BASE) == []


def test_a_server_at_the_root_may_set_cookies_for_the_root():
    assert for_client([("Set-Cookie", "a=b; Path=/")], base_url="/")
    assert not for_client([("Set-Cookie", "a=b; Path=")], base_url="/")


@pytest.mark.parametrize(
    ("origin", "own"),
    [
        ("https://example.com", "https://example.com"),
        ("https://example.com", "https://example.com:443"),
        ("https://example.com:443", "https://example.com"),
        ("http://example.com", "http://Example.COM:80"),
        ("http://localhost:6543", "http://localhost:6543"),
        ("http://[::1]:6543", "http://[::1]:6543"),
    ],
)
def test_the_sites_own_origin_is_recognised(origin, own):
    assert same_origin(origin, own)


@pytest.mark.parametrize(
    "origin",
    [
        None, "", "null", "https://evil.example", "http://example.com", "https://example.com:444", "HTTPS://example.com",
        "https://EXAMPLE.com", "https://example.com.evil.example", "https://example.com.", "https://notexample.com",
        "https://sub.example.com", "https://example.com@evil.example", "https://evil@example.com", "https://example.com/",
        "https://example.com?", "https://example.com#", "https://example.com\\.evil.example", " https://example.com",
        "https://example.com ", "https://example.com\n", "https://example.com https://evil.example", "https://example.com,",
        "https://example.com, https://example.com", "//example.com", "example.com", "https:example.com",
        "https://example.com:0443", "https://example.com:", "https://example.com:65979", "https://\uff45xample.com",
        "https://example.com:\uff14\uff14\uff13", "https://xn--example.com",
    ],
)  # fmt: skip
def test_anything_else_is_not_the_sites_own_origin(origin):
    assert not same_origin(origin, "https://example.com")


@given(
    st.text(max_size=40), st.sampled_from(["https://example.com", "http://[::1]:8080", "", "null", "https://a:99999"])
)
@example("https://a:99999", "https://a:99999")
@example("null", "null")
@example("", "")
def test_only_well_formed_origins_are_ever_the_same(text, own):
    for origin in (text, own + text, text + own):
        if same_origin(origin, own):
            assert origin in {own, own + ":443"}


@given(st.lists(st.tuples(names, values), max_size=8))
def test_the_head_of_a_websocket_answer_ends_once_and_switches_once(headers):
    head = websocket_response_head(headers, base_url=BASE)
    lines = head.split(b"\r\n")
    assert head.endswith(b"\r\n\r\n")
    assert lines[:3] == [b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket", b"Connection: Upgrade"]
    assert lines.count(b"") == 2
    assert not any(re.match(rb"(?i)(upgrade|connection|content-length):", line) for line in lines[3:])


def test_the_websocket_answer_keeps_what_the_two_ends_agreed_on():
    agreed = [("Sec-WebSocket-Accept", "abc="), ("Sec-WebSocket-Protocol", "v1"), ("Set-Cookie", "session=x; Path=/")]
    head = websocket_response_head([("Upgrade", "websocket"), *agreed], base_url=BASE)
    assert b"\r\nSec-WebSocket-Accept: abc=\r\nSec-WebSocket-Protocol: v1\r\n" in head
    assert b"session" not in head


def test_the_fields_of_a_wsgi_request_are_found_in_its_environ():
    environ = {"HTTP_X_ONE": "1", "CONTENT_TYPE": "text/plain", "CONTENT_LENGTH": "", "PATH_INFO": "/"}
    assert from_environ(environ) == [("X-One", "1"), ("Content-Type", "text/plain")]
