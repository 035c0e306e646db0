"""Path and query reach the user server as they were sent, or not at all."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .client import ask, connected
from .limits import limit
from .user_servers import UserServer
from .ways import Served

_PATHS = (
    "a%2Fb", "a%2fb", "a%20b", "a+b", "%C3%A9/%E6%97%A5%E6%9C%AC", "a;b=1/c;d", "double//slash//", "a%3Fb%23c",
    "100%25", "~!$&'()*,:@=", "%7Etilde", "a%5Cb", "%E2%80%AE", "a%0Db", "a%00b", "%252e%252e", "...", "trailing/",
)  # fmt: skip
_QUERIES = ("a=%2F&b=+", "a=1;b=2", "&&x", "x=?/?", "%C3%A9=%E6%97%A5", "a=1&a=2", "q=%00%0a%0d", "token=1&next=//x")


def target_seen(served: Served, target: str) -> str:
    answer = ask(served, "GET", target)
    assert answer.status == 200, answer
    target_upstream: str = json.loads(answer.body)["target"]
    return target_upstream


@pytest.mark.parametrize("path", _PATHS)
def test_a_path_reaches_the_user_server_as_it_was_sent(served: Served, path: str) -> None:
    if "%00" in path and limit(served.way, "a path may hold a zero byte"):
        assert ask(served, "GET", f"echo/{path}").status == 400
        return
    assert target_seen(served, f"echo/{path}") == f"{served.base}echo/{path}"


@pytest.mark.parametrize("query", _QUERIES)
def test_a_query_reaches_the_user_server_as_it_was_sent(served: Served, query: str) -> None:
    assert target_seen(served, f"echo?{query}") == f"{served.base}echo?{query}"


def test_an_address_of_4000_characters_reaches_the_user_server(served: Served) -> None:
    long = "echo/" + "x" * 2000 + "?" + "y" * 1970
    assert target_seen(served, long) == served.base + long


_LETTERS = st.sampled_from(["a", "Z", "0", "-", "%2F", "%20", "%25", "%C3%A9", ";", ":", "@", "//", "/", "+", "=", "~"])


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(letters=st.lists(_LETTERS, max_size=20))
def test_any_path_reaches_the_user_server_as_it_was_sent(served: Served, letters: list[str]) -> None:
    path = "echo/" + "".join(letters)
    assert target_seen(served, path) == served.base + path


def test_letters_outside_ascii_reach_the_user_server_quoted_or_not_at_all(served: Served, alice: UserServer) -> None:
    before = alice.facts()["requests"]
    with connected(served) as client:
        client.ask("GET", "echo/" + "é日".encode().decode("latin-1"))
        answer = client.answer()
    if answer.status == 200:
        assert json.loads(answer.body)["target"] == f"{served.base}echo/%C3%A9%E6%97%A5"
    else:
        assert (answer.status, alice.facts()["requests"]) == (400, before)


@pytest.mark.parametrize(("path", "status"), [("%FF", 400), ("%C3", 400), ("a%ED%A0%80", 400), ("line%0Afeed", 404)])
def test_a_path_that_pyramid_cannot_read_is_refused(served: Served, alice: UserServer, path: str, status: int) -> None:
    before = alice.facts()["requests"]
    assert ask(served, "GET", f"echo/{path}").status == status
    assert alice.facts()["requests"] == before


@pytest.mark.parametrize(
    "path",
    [
        "echo/%2e%2e/secret", "%2e/echo", "..", "echo/..%2fsecret", "-/status", "%2d/status", "/-/status", "-%2fstatus",
        "echo/../-/status", "./-/status",
    ],
)  # fmt: skip
def test_what_only_the_door_may_ask_or_wants_to_be_misread_never_reaches_the_user_server(
    served: Served, alice: UserServer, path: str
) -> None:
    before = alice.facts()["requests"]
    target = served.base + path
    assert ask(served, "GET", target).status in (400, 403, 404)
    assert alice.facts()["requests"] == before


@pytest.mark.parametrize(("path", "resolved"), [("echo/../secret", "secret"), ("./echo/.", "echo/")])
def test_dot_segments_never_reach_the_user_server(served: Served, alice: UserServer, path: str, resolved: str) -> None:
    before = alice.facts()["requests"]
    if limit(served.way, "a path with dot segments is refused"):
        assert target_seen(served, path) == served.base + resolved
    else:
        assert ask(served, "GET", path).status in (400, 403, 404)
        assert alice.facts()["requests"] == before


@pytest.mark.parametrize(
    "place", ["{base}..%2fbob/echo", "/notebook/bob/echo", "/notebook/alice%2fecho", "/NOTEBOOK/alice/echo"]
)
def test_other_peoples_addresses_do_not_reach_the_user_server(served: Served, alice: UserServer, place: str) -> None:
    before = alice.facts()["requests"]
    assert ask(served, "GET", place.format(base=served.base)).status in (400, 403, 404)
    assert alice.facts()["requests"] == before


def test_an_address_with_scheme_and_host_is_taken_by_its_path(served: Served, alice: UserServer) -> None:
    with connected(served) as client:
        client.ask("GET", f"http://127.0.0.1:{served.port}{served.base}echo/a%2Fb")
        answer = client.answer()
    assert answer.status in (200, 400, 404)
    if answer.status == 200:
        assert json.loads(answer.body)["target"] == f"{served.base}echo/a%2Fb"
