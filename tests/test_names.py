"""User names become folder and URL path segments."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pyramid_notebook.names import slug

SAFE = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
#: Short names of few characters meet each other more often than any text does.
NAMES = st.one_of(st.text(min_size=1), st.text("aAbB.-_/ 0üÜ\0", min_size=1, max_size=6))

HARD = [
    *("../x", "..", ".", "-", "--", "a--b", "a-b", "a/b", "a b", "a_b", "a.b", "a.", "a..", ".a", "-a", "a-", "_a"),
    *("A", "a", "aB", "ab", "ümlaut", "umlaut", "u\u0308mlaut", "\u0130", "ß", "ss", "İ", "K", "k"),
    *("\U0001f600", "\U0001f601", "a\0", "\0", "a\n", "a", "user", "user--", "%2e%2e", "~root", "con", "\ud800"),
    *("a" * 48, "a" * 49, "a" * 200, "a" * 201, "A" * 200, "é" * 200, "x" * 5000),
]


@pytest.mark.parametrize("name", HARD, ids=ascii)
def test_a_hard_name_becomes_a_safe_segment(name: str) -> None:
    assert SAFE.fullmatch(slug(name))
    assert quote(slug(name), safe="") == slug(name)


def test_hard_names_stay_apart() -> None:
    names = set(HARD)
    assert len({slug(name) for name in names}) == len(names)


@given(NAMES)
@example("\ud800")
def test_any_name_becomes_a_safe_segment(name: str) -> None:
    assert SAFE.fullmatch(slug(name))
    assert slug(name) != ".."


@given(st.sets(NAMES, min_size=2, max_size=8))
@example({"A", "a"})
@example({"a--b", "A--B", "a b"})
def test_distinct_names_stay_distinct_where_case_is_ignored(names: set[str]) -> None:
    assert len({slug(name).casefold() for name in names}) == len(names)


@given(NAMES)
def test_the_segment_of_a_name_is_no_other_users_segment(name: str) -> None:
    segment = slug(name)
    if segment != name:
        assert slug(segment) != segment  # a user who calls himself like that segment gets another one


@pytest.mark.parametrize("name", ["alice", "bob.smith", "a-b_c.d", "7of9", "x" * 48])
def test_a_plain_name_is_its_own_segment(name: str) -> None:
    assert slug(name) == name


def test_the_readable_part_of_a_name_survives() -> None:
    assert slug("Ümlaut Person").startswith("mlaut-person--")
    assert slug("\U0001f600").startswith("user--")


def test_the_empty_name_is_refused() -> None:
    with pytest.raises(ValueError, match="must not be empty"):
        slug("")
