"""Values as source text of other languages mean exactly these values."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_notebook.errors import NotAFunction
from pyramid_notebook.functions.kernels.literals import assignment
from pyramid_notebook.functions.protocol import EnumMember

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
SPECIAL = [
    *(date(2026, 1, 2), datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=2)))),
    *(timedelta(1, 2, 3), Decimal("1.50"), UUID(int=5), (1, "a"), {1, 2}, frozenset(), {date(2026, 1, 2): 1.5}, ()),
]


def python(value: Any) -> Any:
    namespace: dict[str, Any] = {}
    exec(assignment("python", "größe", value), namespace)
    return namespace["größe"]


@given(PLAIN)
def test_python_gets_the_value(value: Any) -> None:
    assert repr(python(value)) == repr(value)


@pytest.mark.parametrize("value", SPECIAL, ids=repr)
def test_python_gets_values_that_have_no_literals(value: Any) -> None:
    found = python(value)
    assert (found, type(found)) == (value, type(value))


def test_a_member_of_an_enum_is_looked_up_in_the_notebook() -> None:
    assert assignment("python", "x", EnumMember("Color", "RED")) == "x = Color['RED']"


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])) | st.integers() | st.booleans())
def test_bash_gets_one_word(value: Any) -> None:
    line = assignment("bash", "x", value)
    program = f'{line}\nprintf "%s" "$x"'
    done = subprocess.run(["bash", "-c", program], capture_output=True, check=True, timeout=20)
    expected = str(value).lower() if isinstance(value, bool) else str(value)
    assert done.stdout == expected.encode()


@given(PLAIN)
def test_javascript_gets_what_json_can_say(value: Any) -> None:
    try:
        expected = json.dumps(value, allow_nan=False)
    except ValueError:
        with pytest.raises(NotAFunction):
            assignment("javascript", "x", value)
    else:
        assert assignment("javascript", "x", value) == f"x = {expected};"


@pytest.mark.parametrize(
    ("language", "value", "expected"),
    [
        ("r", 'a"b\\c\né', 'x <- "a\\"b\\\\c\\u000a\\u00e9"'),
        ("r", [1, None, True, 1.5, {"a": 10**12}], 'x <- list(1L, NULL, TRUE, 1.5, list("a" = 1000000000000))'),
        ("r", float("-inf"), "x <- -Inf"),
        ("julia", "$(run(`ls`))", 'x = "\\$(run(`ls`))"'),
        ("julia", {"a": [1, False, None]}, 'x = Dict("a" => [1, false, nothing])'),
        ("bash", [1, "a b"], "x=(1 'a b')"),
    ],
)
def test_other_languages_get_literals(language: str, value: Any, expected: str) -> None:
    assert assignment(language, "x", value) == expected


@pytest.mark.parametrize(
    ("language", "name", "value"),
    [
        *(("cobol", "x", 1), ("python", "x; import os", 1), ("python", "x\n", 1), ("r", "x <- y", 1)),
        *(("python", "x", object()), ("bash", "x", "a\0b"), ("bash", "x", {}), ("r", "x", "\ud800"), ("bash", "$x", 1)),
    ],
)
def test_what_cannot_be_written_is_refused(language: str, name: str, value: Any) -> None:
    with pytest.raises(NotAFunction):
        assignment(language, name, value)
