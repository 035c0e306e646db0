"""What tokens may do."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pyramid_notebook.errors import ScopeError
from pyramid_notebook.scopes import (
    MOST_CHARACTERS,
    MOST_PATHS,
    Allowed,
    Denied,
    Grant,
    Scope,
    allows,
    format_grants,
    matches,
    parse_grants,
)

#: A scope token of OAuth (RFC 6749 section 3.3).
SCOPE_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
CHARACTERS = st.characters(exclude_characters="/\\", exclude_categories=("Cs", "Cc"))
SEGMENTS = st.text(CHARACTERS, min_size=1, max_size=12)
PATHS = st.lists(SEGMENTS.filter(lambda segment: segment not in (".", "..")), min_size=1, max_size=4).map("/".join)
GRANTS = st.one_of(
    st.builds(Grant, st.sampled_from(Scope)),
    st.builds(Grant, st.just(Scope.RUN), st.lists(PATHS, min_size=1, max_size=4).map(tuple)),
)


@given(GRANTS)
@example(Grant(Scope.RUN, ("a,b", "%2C", "100%", "a b", "ü/*", ":", '"')))
def test_a_grant_comes_back_from_its_text(grant: Grant) -> None:
    assert Grant.parse(str(grant)) == grant


@given(GRANTS)
def test_the_text_of_a_grant_is_a_scope_token_of_oauth(grant: Grant) -> None:
    assert SCOPE_TOKEN.fullmatch(str(grant))


@given(st.lists(GRANTS, max_size=5))
def test_grants_come_back_from_their_text_each_once_and_in_order(grants: list[Grant]) -> None:
    assert parse_grants(format_grants(grants)) == tuple(dict.fromkeys(grants))


@given(st.text(max_size=40))
def test_any_text_is_the_text_of_grants_or_an_error_that_says_so(text: str) -> None:
    try:
        grants = parse_grants(text)
    except ScopeError as error:
        assert str(error).endswith((".", ".."))
    else:
        assert parse_grants(format_grants(grants)) == grants


@pytest.mark.parametrize(
    ("text", "grant"),
    [
        ("sync", Grant(Scope.SYNC)),
        ("shell", Grant(Scope.SHELL)),
        ("run:reports/*.ipynb", Grant(Scope.RUN, ("reports/*.ipynb",))),
        ("run:a,b/**", Grant(Scope.RUN, ("a", "b/**"))),
        ("run:a%2Cb%20c", Grant(Scope.RUN, ("a,b c",))),
        ("run:My reports/ü.ipynb", Grant(Scope.RUN, ("My reports/ü.ipynb",))),
        ("run:C:/x", Grant(Scope.RUN, ("C:/x",))),
    ],
)
def test_a_grant_is_written_as_people_would(text: str, grant: Grant) -> None:
    assert Grant.parse(text) == grant


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "There is no scope ''. The scopes are sync, run, console, shell."),
        ("admin", "no scope 'admin'"),
        ("Run", "no scope 'Run'"),
        ("run ", "no scope 'run '"),
        ("sync:a.ipynb", "The scope sync cannot be restricted to notebooks; only run can."),
        ("console:**", "The scope console cannot be restricted"),
        ("shell:a", "The scope shell cannot be restricted"),
        ("run:", "cannot be used"),
        ("run:a,", "cannot be used"),
        ("run:/a", "cannot be used"),
        ("run:a/", "cannot be used"),
        ("run:a//b", "cannot be used"),
        ("run:../a", "cannot be used"),
        ("run:a/./b", "cannot be used"),
        ("run:%2e%2e/a", "cannot be used"),
        ("run:a%00", "cannot be used"),
        ("run:a%0ab", "cannot be used"),
        ("run:a\\b", "cannot be used"),
        ("run:a%", "two hexadecimal digits"),
        ("run:a%zz", "two hexadecimal digits"),
        ("run:%ff", "not UTF-8"),
        ("run:" + "a" * (MOST_CHARACTERS + 1), "more than 250 characters"),
        ("run:" + ",".join("a" * (MOST_PATHS + 1)), "20 patterns at most"),
    ],
)
def test_what_is_no_grant_is_refused_with_what_is_wrong(text: str, sentence: str) -> None:
    with pytest.raises(ScopeError, match=re.escape(sentence)):
        Grant.parse(text)


@given(GRANTS, st.sampled_from(Scope), PATHS)
def test_shell_includes_all_and_every_other_scope_itself_only(grant: Grant, scope: Scope, path: str) -> None:
    answer = grant.allows(scope, path)
    assert Grant(Scope.SHELL).allows(scope, path)
    if answer:
        assert grant.scope in (scope, Scope.SHELL)
    elif not grant.paths:
        assert answer == Denied(f"The token has the scope {grant.scope}; this needs {scope}.")


def test_answers_are_true_and_false_and_cannot_be_changed() -> None:
    assert Allowed()
    assert not Denied("for a reason")
    with pytest.raises(AttributeError):
        Denied("for a reason").reason = "another"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        Grant(Scope.RUN, ("a",)).paths = ()  # type: ignore[misc]


@pytest.mark.parametrize(
    ("pattern", "fitting", "others"),
    [
        ("reports/*.ipynb", ["reports/a.ipynb", "reports/.ipynb"], ["reports/a/b.ipynb", "x/reports/a.ipynb"]),
        ("*", ["a", "a.ipynb"], ["a/b"]),
        ("**", ["a", "a/b", "a/b/c.ipynb"], []),
        ("a/**", ["a/b", "a/b/c"], ["a", "ab", "b/a/c"]),
        ("**/a", ["a", "x/a", "x/y/a"], ["xa", "x/ya", "a/x"]),
        ("a/**/b", ["a/b", "a/x/b", "a/x/y/b"], ["ab", "a/xb", "a/b/x"]),
        ("a**b", ["ab", "a/b", "axb", "a/x/b"], ["abc"]),
        ("a*b*c", ["abc", "axbxc", "abbc"], ["ab/c", "ac"]),
        ("***", ["a", "a/b"], []),
        ("a.b", ["a.b"], ["axb", "a.B"]),
        ("[ab]", ["[ab]"], ["a", "b"]),
        ("a?", ["a?"], ["ab"]),
    ],
)
def test_a_star_stays_in_its_folder_and_two_do_not(pattern: str, fitting: list[str], others: list[str]) -> None:
    grant = Grant(Scope.RUN, (pattern,))
    assert [path for path in fitting if not grant.allows(Scope.RUN, path)] == []
    assert [path for path in others if grant.allows(Scope.RUN, path)] == []


@given(st.text("a/*", min_size=1, max_size=12), st.text("ab/", max_size=12))
def test_a_pattern_fits_what_the_same_regular_expression_fits(pattern: str, path: str) -> None:
    expressions = {"**/": "(?:.*/)?", "/**/": "/(?:.*/)?", "**": ".*", "*": "[^/]*"}
    translated = re.sub(r"(?:^|/)\*\*/|\*\*|\*", lambda found: expressions[found[0]], pattern)
    if "**/**/" not in pattern:  # here the expression's own cuts differ
        assert matches(pattern, path) == bool(re.fullmatch(translated, path)), translated


@given(PATHS)
def test_a_path_without_stars_is_a_pattern_for_itself_only(path: str) -> None:
    if "*" not in path:
        grant = Grant(Scope.RUN, (path,))
        assert grant.allows(Scope.RUN, path)
        assert not grant.allows(Scope.RUN, path + "x")
        assert not grant.allows(Scope.RUN, "x" + path)


@pytest.mark.parametrize("path", ["", "/a", "a/../b", "..", "./a", "a//b", "a/", "a\\b", "a\0", "a\n"])
def test_a_path_that_may_mean_another_is_none_of_those_that_a_token_is_restricted_to(path: str) -> None:
    answer = Grant(Scope.RUN, ("**",)).allows(Scope.RUN, path)
    assert isinstance(answer, Denied)
    assert "not the path of one" in answer.reason


def test_a_pattern_made_to_be_slow_is_not() -> None:
    pattern, path = "*a" * 124 + "b", "a" * 1000
    begun = time.process_time()
    assert not matches(pattern, path)
    assert time.process_time() - begun < 2


def test_of_all_grants_the_nearest_tells_why_it_is_not_enough() -> None:
    grants = (Grant(Scope.SYNC), Grant(Scope.RUN, ("reports/*",)))
    assert allows(grants, Scope.SYNC)
    assert allows(grants, Scope.RUN, "reports/a")
    assert allows(grants, Scope.RUN, "a") == Denied("The token is restricted to reports/*; a is none of these.")
    assert allows(grants, Scope.SHELL) == Denied("The token does not have the scope shell, which this needs.")
    assert not allows((), Scope.SYNC)
