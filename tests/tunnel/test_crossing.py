"""What of a request goes on to the site, and what of its answer comes back."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pyramid_notebook.tunnel.crossing import below, from_site, to_site

SECRET = "0123456789abcdef"
NOTEBOOKS, HERE = "https://example.com/notebook/alice/", f"http://127.0.0.1:1234/{SECRET}/"
_NAMES = st.sampled_from(["token", "session_id", "Token", "tokens", "x", ""])
_QUERIES = st.lists(st.tuples(_NAMES, st.sampled_from(["", "=", "=1", "=a=b", "=%26"])).map("".join))


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (f"/{SECRET}/", ""),
        (f"/{SECRET}/api/kernels", "api/kernels"),
        (f"/{SECRET}/api/contents/a%2Fb%20c.ipynb?type=notebook", "api/contents/a%2Fb%20c.ipynb?type=notebook"),
        (f"/{SECRET}/channels?session_id=1&token=pnb_x", "channels?session_id=1"),
        (f"/{SECRET}/channels?token=x", "channels"),
        (f"/{SECRET}//api", "/api"),
    ],
)
def test_what_is_asked_for_stays_as_it_is_spelled_but_for_a_token(target: str, expected: str) -> None:
    assert below(target, SECRET) == expected


@pytest.mark.parametrize(
    "target", ["", "/", f"/{SECRET}", f"{SECRET}/x", f"/{SECRET}x/", f"//{SECRET}/", f"/{SECRET.upper()}/", "/x/", "*"]
)
def test_a_request_without_the_secret_asks_for_nothing(target: str) -> None:
    assert below(target, SECRET) is None


@given(st.text())
@example(f"/{SECRET}é/")
def test_no_other_text_passes_for_the_secret(first: str) -> None:
    path = f"/{first.partition('/')[0]}/api"
    assert (below(path, SECRET) is None) == (not path.startswith(f"/{SECRET}/"))


@given(_QUERIES)
def test_of_a_query_only_the_token_is_left_out(pairs: list[str]) -> None:
    told = below(f"/{SECRET}/x?{'&'.join(pairs)}", SECRET)
    assert told is not None
    kept = [pair for pair in "&".join(pairs).split("&") if pair.partition("=")[0] != "token"]
    assert told == (f"x?{'&'.join(kept)}" if kept else "x")


def test_the_site_gets_the_token_of_the_user_and_nothing_that_the_program_says_of_itself() -> None:
    said = [
        ("Host", "127.0.0.1"), ("authorization", "token x"), ("Cookie", "a=b"), ("Origin", "http://127.0.0.1"),
        ("Referer", "http://127.0.0.1/"), ("X-XSRFToken", "1"), ("Connection", "Upgrade"), ("Upgrade", "websocket"),
        ("Sec-WebSocket-Key", "k"), ("Sec-WebSocket-Protocol", "v1"), ("Expect", "100-continue"),
        ("Content-Type", "application/json"), ("Content-Length", "2"), ("Accept", "*/*"),
    ]  # fmt: skip
    assert to_site(said, "pnb_x") == [*said[-3:], ("Authorization", "Bearer pnb_x")]


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        (f"{NOTEBOOKS}tree", f"/{SECRET}/tree"),
        ("/notebook/alice/tree?x=1", f"/{SECRET}/tree?x=1"),
        ("/login", "/login"),
        ("https://elsewhere.example/", "https://elsewhere.example/"),
    ],
)
def test_a_redirect_within_the_notebooks_leads_through_the_tunnel(location: str, expected: str) -> None:
    assert from_site([("location", location)], NOTEBOOKS, HERE) == [("location", expected)]


def test_the_program_gets_no_cookies() -> None:
    sent = [("Set-Cookie", "_xsrf=1"), ("Content-Type", "text/plain"), ("Transfer-Encoding", "chunked"), ("ETag", "1")]
    assert from_site(sent, NOTEBOOKS, HERE) == [sent[1], sent[3]]
