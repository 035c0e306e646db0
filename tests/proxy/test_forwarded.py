"""What proxies say counts from those that the site trusts, and from nobody else."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_notebook.proxy.forwarded import FIELDS, TrustedProxies, elements

LISTS = "x-forwarded-for x-forwarded-proto x-forwarded-host x-forwarded-port"
CLIENT, PROXY, INNER = "192.0.2.7", "10.0.0.1", "10.0.0.2"
PROXIES = "10.0.0.0/8 2001:db8::/64"


def seen(peer=PROXY, *, proxies=PROXIES, fields=LISTS, **said):
    """Return address, scheme and host of a request after its proxies were heard."""
    environ = {"REMOTE_ADDR": peer, "wsgi.url_scheme": "http", "HTTP_HOST": "inner.example.com:6543"}
    environ |= {f"HTTP_{name.upper()}": value for name, value in said.items()}
    trusted = TrustedProxies.parse(proxies, fields)
    trusted.read(environ)
    trusted.read(environ)  # a request is put to the site again
    return environ["REMOTE_ADDR"], environ["wsgi.url_scheme"], environ["HTTP_HOST"]


UNTOUCHED = "http", "inner.example.com:6543"
EVERYTHING = {
    "x_forwarded_for": CLIENT,
    "x_forwarded_proto": "https",
    "x_forwarded_host": "shop.example.com",
    "forwarded": f"for={CLIENT};proto=https;host=shop.example.com",
}


def test_a_trusted_proxy_is_believed():
    assert seen(**EVERYTHING) == (CLIENT, "https", "shop.example.com")
    assert seen(fields="forwarded", **EVERYTHING) == (CLIENT, "https", "shop.example.com")


@pytest.mark.parametrize("fields", [LISTS, "forwarded"])
@pytest.mark.parametrize("peer", ["192.0.2.1", "11.0.0.1", "2001:db8:1::1", "", "localhost", "::ffff:192.0.2.1"])
def test_nobody_else_is(peer, fields):
    assert seen(peer, fields=fields, **EVERYTHING) == (peer, *UNTOUCHED)


def test_without_the_setting_nothing_is_read_and_nothing_removed():
    environ = {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": CLIENT}
    TrustedProxies.parse("", LISTS).read(environ)
    assert environ == {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": CLIENT}


@pytest.mark.parametrize("peer", [PROXY, "192.0.2.1"])
def test_what_was_said_is_left_for_nobody_who_knows_less(peer):
    environ = {"REMOTE_ADDR": peer, **{f"HTTP_{name.upper().replace('-', '_')}": "x" for name in FIELDS}}
    TrustedProxies.parse(PROXIES, LISTS).read(environ)
    assert not [name for name in environ if name.startswith(("HTTP_X", "HTTP_F"))]


def test_a_field_that_the_proxy_does_not_write_is_the_clients_and_does_not_count():
    spoofed = {"x_forwarded_host": "evil.example", "x_forwarded_port": "1", "forwarded": "host=evil.example"}
    fields = "x-forwarded-for x-forwarded-proto"
    assert seen(fields=fields, x_forwarded_proto="https", **spoofed) == (PROXY, "https", "inner.example.com:6543")


@pytest.mark.parametrize(
    ("text", "client"),
    [
        (f"{CLIENT}, {INNER}", CLIENT),
        (f"1.1.1.1, {CLIENT}, {INNER}", CLIENT),
        (f"evil, {CLIENT}", CLIENT),
        (f"{CLIENT}, evil", PROXY),
        (f"{CLIENT}, evil, {INNER}", INNER),
        (f"{CLIENT}:4711", CLIENT),
        ("[2001:db8:2::1]:4711", "2001:db8:2::1"),
        (f"2001:db8:2::1, 2001:db8::9, ::ffff:{INNER}", "2001:db8:2::1"),
        ("", PROXY),
        (f"{INNER}, {PROXY}", INNER),
        ("127.0.0.1", "127.0.0.1"),
    ],
)
def test_the_client_is_the_last_who_is_no_proxy(text, client):
    assert seen(x_forwarded_for=text)[0] == client


@pytest.mark.parametrize(
    ("text", "scheme"),
    [("https", "https"), ("HTTPS", "https"), ("wss", "https"), ("ws", "http"), ("http, https", "https"),
     ("https, http", "http"), ("ftp", "http"), ("", "http"), ("https;x", "http")],
)  # fmt: skip
def test_the_scheme_is_what_the_nearest_proxy_says(text, scheme):
    assert seen(x_forwarded_proto=text)[1] == scheme


@pytest.mark.parametrize(
    "host", ["evil example", "a/b", "user@host", "host:0x50", "", "a,", "ho\nst", "[::1", "host:99999999", "höst"]
)
def test_a_host_that_is_none_is_not_believed(host):
    assert seen(x_forwarded_host=host)[2] == "inner.example.com:6543"


@pytest.mark.parametrize(
    ("said", "host"),
    [
        ({"x_forwarded_host": "shop.example.com", "x_forwarded_port": "8443"}, "shop.example.com:8443"),
        ({"x_forwarded_host": "shop.example.com:1", "x_forwarded_port": "8443"}, "shop.example.com:1"),
        ({"x_forwarded_host": "[2001:db8::1]", "x_forwarded_port": "8443"}, "[2001:db8::1]:8443"),
        ({"x_forwarded_host": "a", "x_forwarded_port": "443", "x_forwarded_proto": "https"}, "a"),
        ({"x_forwarded_host": "a", "x_forwarded_port": "443"}, "a:443"),
        ({"x_forwarded_host": "a", "x_forwarded_port": "0"}, "a"),
        ({"x_forwarded_host": "evil.example, shop.example.com"}, "shop.example.com"),
    ],
)
def test_a_port_is_added_to_a_host_that_has_none(said, host):
    assert seen(**said)[2] == host


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"for={CLIENT};proto=https;host=a", (CLIENT, "https", "a")),
        (f'For="{CLIENT}:4711";Proto=https; Host="a:8443"', (CLIENT, "https", "a:8443")),
        ('for="[2001:db8:2::1]:4711"', ("2001:db8:2::1", *UNTOUCHED)),
        (f"for=1.1.1.1;host=evil.example, for={CLIENT};host=a, for={INNER}", (CLIENT, "http", "a")),
        ('for="1.1.1.1;proto=https"', (PROXY, *UNTOUCHED)),
        (f'x="a;proto=https,for=1.1.1.1";for={CLIENT}', (CLIENT, *UNTOUCHED)),
        (f'for={CLIENT};x="\\"";proto=https', (CLIENT, "https", "inner.example.com:6543")),
        ("for=unknown;proto=https", (PROXY, "https", "inner.example.com:6543")),
        (f"for={CLIENT};proto=https,", (CLIENT, "https", "inner.example.com:6543")),
        (f'for={CLIENT};proto="https', (PROXY, *UNTOUCHED)),
        (f"for {CLIENT}", (PROXY, *UNTOUCHED)),
    ],
)
def test_the_standard_field_is_read_element_by_element(text, found):
    assert seen(fields="forwarded", forwarded=text) == found


def test_a_proxy_may_come_by_a_unix_socket():
    for peer in ("", "localhost"):
        assert seen(peer, proxies="unix", x_forwarded_for=CLIENT, x_forwarded_proto="https")[:2] == (CLIENT, "https")
    assert seen("127.0.0.1", proxies="unix", x_forwarded_for=CLIENT)[0] == "127.0.0.1"


@given(st.text(), st.text(), st.text(), st.text(), st.text(), st.sampled_from([LISTS, "forwarded"]))
def test_nothing_that_is_said_breaks_anything_or_leads_to_another_form(client, scheme, host, port, forwarded, fields):
    said = {"x_forwarded_for": client, "x_forwarded_proto": scheme, "x_forwarded_host": host, "x_forwarded_port": port}
    address, shown, name = seen(fields=fields, forwarded=forwarded, **said)
    assert shown in ("http", "https")
    assert not set(name + address) & set(" ,;/@\\\"'\r\n")


NAMES = st.text(string.ascii_lowercase + "!#$%&'*+-.^_`|~", min_size=1, max_size=8)
VALUES = st.text(string.printable.replace("\r", "").replace("\n", ""), max_size=20)


@given(st.lists(st.dictionaries(NAMES, VALUES, min_size=1, max_size=4), min_size=1, max_size=4))
def test_quoted_values_are_read_as_they_were_written(given_elements):
    def quoted(value):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

    pairs = [";".join(f"{name}={quoted(value)}" for name, value in element.items()) for element in given_elements]
    assert elements(", ".join(pairs)) == given_elements
