"""Row 7: cookies that somebody else put into the browser, from another host name, path or program."""

from __future__ import annotations

import re

import pytest
import requests

from tests.door.sites import CLICK, JSON, recording_server

from .attackers import is_passed, is_refused, pairs, send, untouched
from .rows import both_ways

BAD = "x" * 140
PATHS = {"user": "/notebook/user/api/kernels", "user2": "/notebook/user2/api/kernels"}


def value_of(signed_in, name: str) -> str:
    return signed_in(name)["Cookie"].partition("=")[2]


def ask(demo, way: str, name: str, *cookies: str):
    fields = [("Origin", demo.url), *pairs(JSON), *(("Cookie", cookie) for cookie in cookies)]
    return send(demo.port, way, PATHS[name], fields, method="POST")


@pytest.fixture
def servers(demo, theirs):
    """What stands for the user servers of the victim and of the attacker."""
    with recording_server(demo.manager, "user2") as attackers:
        yield {"user": theirs, "user2": attackers}


@pytest.mark.row(7)
@both_ways
@pytest.mark.parametrize(
    "cookie",
    [
        "session={bad}; session={good}",
        "session={good}; session={bad}",
        "session=; session={good}",
        "session={good}; session=",
        "session={bad}; session={good}; session={bad}",
        "session={good}; session={good}",
        "Session={bad}; session={good}",
        "session={good}; =session={bad}",
        "=session={bad}; session={good}",
        "session={good}; __Host-session={bad}",
        'session={good}; a="; session={bad}"',
    ],
)
def test_a_session_beside_a_tossed_one_is_let_pass_or_refused_and_is_never_somebody_else(
    demo, servers, signed_in, cookie, way
):
    sent = cookie.format(good=value_of(signed_in, "user"), bad=BAD)
    answer = ask(demo, way, "user", sent)
    assert is_passed(answer, way) or answer.status == 403
    assert is_refused(ask(demo, way, "user2", sent))
    assert untouched(servers["user2"])


@pytest.mark.row(7)
@both_ways
@pytest.mark.parametrize(
    "cookie", ["session={0}; session={1}", "session={1}; session={0}", 'session="{1}"; session={0}']
)
def test_two_good_sessions_are_one_user_and_never_both(demo, servers, signed_in, cookie, way):
    sent = cookie.format(value_of(signed_in, "user"), value_of(signed_in, "user2"))
    passed = [name for name in PATHS if is_passed(ask(demo, way, name, sent), way)]
    assert len(passed) <= 1
    assert all(untouched(servers[name]) for name in PATHS if name not in passed)


@pytest.mark.row(7)
@both_ways
@pytest.mark.parametrize(
    "cookie",
    [
        "=session={good}",
        "=__Host-session={good}",
        "; =session={good}",
        "__Host-session={good}",
        "__Secure-session={good}",
        "Session={good}",
        "session[]={good}",
        "$session={good}",
        "session%3D{good}",
        "sess\xefon={good}",
        "session:{good}",
    ],
)
def test_a_cookie_with_no_name_or_another_one_is_nobodys_session(demo, servers, signed_in, cookie, way):
    assert is_refused(ask(demo, way, "user", cookie.format(good=value_of(signed_in, "user"))))
    assert untouched(servers["user"])


@pytest.mark.row(7)
@both_ways
def test_two_cookie_fields_are_no_way_to_become_two_users(demo, servers, signed_in, way):
    mine, theirs = (f"session={value_of(signed_in, name)}" for name in ("user", "user2"))
    for cookies in ((mine, theirs), (theirs, mine), ("a=b", mine)):
        passed = [name for name in PATHS if is_passed(ask(demo, way, name, *cookies), way)]
        assert len(passed) <= 1


@pytest.mark.row(7)
@both_ways
@pytest.mark.parametrize(
    ("cookie", "kept"),
    [
        ("_xsrf=own; {session}; _xsrf=tossed", "_xsrf=own"),
        ("{session}; _xsrf=own; _xsrf=", "_xsrf=own"),
        ("=_xsrf=tossed; _xsrf=own; {session}", "_xsrf=own"),
        ("__Host-_xsrf=tossed; {session}; _xsrf=own", "_xsrf=own"),
        ("_XSRF=tossed; {session}; _xsrf=own", "_xsrf=own"),
        ("{session}; =_xsrf=tossed", ""),
        ("{session}; _xsrf", ""),
        ("{session}; x_xsrf=tossed", ""),
        ('{session}; _xsrf="a b"', ""),
    ],
)
def test_of_two_tokens_against_forgery_the_one_of_the_longest_path_reaches_the_user_server(
    demo, theirs, signed_in, cookie, kept, way
):
    answer = ask(demo, way, "user", cookie.format(session=signed_in("user")["Cookie"]))
    assert is_passed(answer, way)
    cookies = re.findall("(?i)\r\ncookie: (.*?)\r\n", theirs.requests[0].decode("latin-1"))
    assert cookies == ([kept] if kept else [])


@pytest.mark.row(7)
@both_ways
def test_a_token_is_judged_alone_whatever_cookies_were_tossed_beside_it(site, alices, way):
    fields = [*pairs(site.token("alice").fields), *pairs(JSON)]
    tossed = [("Cookie", "session=x; session=y; =__Host-session=z; _xsrf=tossed"), ("X-User", "bob")]
    assert is_passed(send(site.port, way, "/notebook/alice/sync", [*fields, *tossed]), way)
    assert b"cookie" not in alices.requests[0].lower()
    alices.requests.clear()
    assert send(site.port, way, "/notebook/bob/sync", [*fields, *tossed]).status == 403
    assert alices.requests == []


def sign_in(demo, session: requests.Session) -> requests.Response:
    page = session.get(f"{demo.url}/login", timeout=10).text
    token = re.search('name="csrf_token" value="([^"]+)"', page)
    assert token
    fields = {"name": "user", "password": "password", "csrf_token": token[1]}
    return session.post(f"{demo.url}/login", data=fields, headers={"Origin": demo.url}, timeout=10)


@pytest.mark.row(7, "http", "websocket")
@pytest.mark.parametrize("path", ["/notebook", "/notebook/user", "/notebook/user/"])
def test_signing_in_works_beside_a_stale_cookie_that_was_tossed_to_the_path_of_notebooks(demo, theirs, path):
    session = requests.Session()
    session.cookies.set("session", BAD, domain="localhost.local", path=path)
    assert "Sign out" in sign_in(demo, session).text
    prepared = session.prepare_request(requests.Request("GET", f"{demo.url}{PATHS['user']}"))
    cookie = str(prepared.headers["Cookie"])
    assert cookie.count("session=") == 2
    assert cookie.startswith(f"session={BAD}; ")  # as browsers do: the longest path first
    for way in ("http", "websocket"):
        fields = {"Cookie": cookie, **CLICK, "Origin": demo.url}
        assert is_passed(send(demo.port, way, PATHS["user"], fields), way)


@pytest.mark.row(7, "http")
def test_signing_in_replaces_a_stale_cookie_of_the_sites_own_path(demo):
    session = requests.Session()
    session.cookies.set("session", BAD, domain="localhost.local", path="/")
    assert "Sign out" in sign_in(demo, session).text


@pytest.mark.row(7, "http")
def test_a_session_that_an_attacker_put_into_the_browser_is_not_the_one_that_signs_in(demo):
    """Session fixation: what the attacker knows from before opens nothing after the victim has signed in."""
    stranger = requests.Session()
    stranger.get(f"{demo.url}/login", timeout=10)
    planted = stranger.cookies["session"]
    victim = requests.Session()
    victim.cookies.set("session", planted, domain="localhost.local", path="/")
    sign_in(demo, victim)
    assert victim.cookies["session"] != planted
    answer = send(demo.port, "http", "/account", {"Cookie": f"session={planted}"})
    assert answer.status in (302, 403)
