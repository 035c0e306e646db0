"""Carriage returns and backspaces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_notebook.server.execution.overtype import overtype

TEXTS = st.text(alphabet="abé\U0001f600\r\n\b", max_size=40)


def naive(text: str) -> tuple[str, int]:
    """Do the same as a terminal, character by character."""
    lines: list[list[str]] = [[]]
    column = 0
    for character in text:
        if character == "\n":
            lines.append([])
            column = 0
        elif character == "\r":
            column = 0
        elif character == "\b":
            column = max(0, column - 1)
        else:
            lines[-1][column : column + 1] = [character]
            column += 1
    return "\n".join("".join(line) for line in lines), column


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("10%\r20%", "20%"),
        ("100%\r5%", "5%0%"),
        ("a\r\nb\r\n", "a\nb\n"),
        ("abc\b\bX", "aXc"),
        ("a\n\b\bb", "a\nb"),
        ("é10%\ré20%\n", "é20%\n"),
    ],
)
def test_a_text_looks_as_in_a_terminal(text: str, shown: str) -> None:
    assert overtype("", 0, text)[0] == shown


@given(TEXTS)
def test_every_text_looks_as_if_printed_character_by_character(text: str) -> None:
    assert overtype("", 0, text) == naive(text)


@given(TEXTS, TEXTS)
def test_a_text_in_two_parts_looks_like_one(first: str, second: str) -> None:
    shown, column = overtype("", 0, first)
    done, _, line = shown.rpartition("\n")
    more, end = overtype(line, column, second)
    assert (f"{done}\n{more}" if "\n" in shown else more, end) == overtype("", 0, first + second)
