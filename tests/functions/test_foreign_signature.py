"""Parameters of notebooks of other languages."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_notebook.functions.kernels.literals import assignment
from pyramid_notebook.functions.signature import Signature
from pyramid_notebook.functions.signature.other_languages import declared


def found(language: str, source: str) -> dict[str, Any]:
    signature = Signature.of(declared(language, [source]))
    return {parameter.name: parameter.default for parameter in signature.parameters}


@pytest.mark.parametrize(
    ("language", "source", "values"),
    [
        ("bash", "n=15\nname='a b'\nlist=(1 'c d')", {"n": 15, "name": "a b", "list": [1, "c d"]}),
        ("bash", "on=true\nempty=\nday=2020-01-02", {"on": True, "empty": "", "day": "2020-01-02"}),
        ("bash", 'a=$x\nb=`date`\nc=$(ls)\nd="$x"\ne=(1 2\nf=x y\n g=1\nh = 1\ni=*', {}),
        ("r", 'n <- 15L\nx = 2.5\ns <- "a\\"b"', {"n": 15, "x": 2.5, "s": 'a"b'}),
        ("r", 'l <- list(1, "c")\nb <- TRUE\nnone <- NULL', {"l": [1, "c"], "b": True, "none": None}),
        ("r", "v <- c(1, 2)\ny <- x + 1\nx == 3\nmy.name <- 3\nf <- function(x) 3", {}),
        ("julia", 'n = 15\nx::Float64 = 2.5\ns = "a\\$b"', {"n": 15, "x": 2.5, "s": "a$b"}),
        ("julia", "l = [1, [2]]\nnone = nothing", {"l": [1, [2]], "none": None}),
        ("julia", "t = \"$n\"\nc = 'a'\nn += 1\nf(x) = 3\nn == 3", {}),
        ("javascript", "let n = 15;\nvar s = 'x'\nl = [1, [true, null]];", {"n": 15, "s": "x", "l": [1, [True, None]]}),
        ("javascript", "const n = 1;\nq = `x`\ny = 3 + 4\na = b = 3\nn === 3", {}),
        ("cobol", "n=1", {}),
    ],
)
def test_literals_at_the_left_edge_are_parameters_and_everything_else_just_runs(
    language: str, source: str, values: dict[str, Any]
) -> None:
    assert found(language, source) == values


@pytest.mark.parametrize(
    ("language", "line"),
    [("bash", "n=1 # how many"), ("r", "n <- 1 # how many"), ("javascript", "n = 1; // how many")],
)
def test_the_comment_behind_a_parameter_describes_it(language: str, line: str) -> None:
    [parameter] = Signature.of(declared(language, [line])).parameters
    assert parameter.description == "how many"


def test_there_is_one_cell_for_each() -> None:
    assert Signature.of(declared("bash", ["a=1", "", "b=2"])).names_by_cell == (("a",), (), ("b",))
    assert Signature.of(declared("cobol", ["a=1", "b=2"])).names_by_cell == ((), ())


TEXTS = st.text(st.characters(codec="ascii", exclude_categories=["C"], exclude_characters="'"))
#: A text with a space has quotes in bash as well, where ``x=0`` and ``x='0'`` mean the same.
SCALARS = st.booleans() | st.integers(-(2**31) + 1, 2**31 - 1) | TEXTS.map(lambda text: f"a {text}")


@given(st.sampled_from(["bash", "r", "julia", "javascript"]), SCALARS | st.lists(SCALARS, min_size=1, max_size=4))
def test_what_a_call_would_assign_is_read_as_the_same(language: str, value: Any) -> None:
    assert found(language, assignment(language, "x", value)) == {"x": value}


@given(st.sampled_from(["bash", "r", "julia", "javascript"]), st.text())
def test_any_text_is_read_without_harm(language: str, text: str) -> None:
    for line in declared(language, [text])[0].splitlines():
        assert re.match(r"[A-Za-z_]\w* = |$", line)
