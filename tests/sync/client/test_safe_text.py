"""What is left of a site's text on its way to a terminal."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_notebook.sync.client.safe_text import SafeText, safe

PIECES = st.sampled_from(
    [
        *("\x1b", "\x1b[", "\x1b]", "\x1bP", "\x1b\\", "\x07", "\x9b", "\x9d", "[", "]", "0;", "31", "m", ";", "?25l"),
        *("\x1b[31m", "\x1b[0m", "\x1b]0;title\x07", "\x1b]52;c;AAAA\x1b\\", "\x1b(B", "\x1bc", "\x1b[2J", "\n", "\r"),
        *("a", "é", "日", "\u202e", "\ud800", "\x00", "\x7f", "%", " ", "\b", "\t"),
    ]
)
TEXTS = st.lists(PIECES | st.text(max_size=5), max_size=25).map("".join)
CONTROLS = r"\x00-\x07\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff"
ALLOWED = re.compile(rf"(?:[^{CONTROLS}]|\x1b\[[0-9;:]*m)*")


def filtered(parts: list[str], *, colours: bool) -> str:
    text = SafeText(colours=colours)
    return "".join(map(text.feed, parts)) + text.end()


@given(TEXTS, st.booleans())
def test_nothing_that_controls_a_terminal_is_left(text: str, colours: bool) -> None:
    shown = safe(text, colours=colours)
    assert ALLOWED.fullmatch(shown)
    assert colours or "\x1b" not in shown


@given(st.lists(TEXTS, max_size=6), st.booleans())
def test_it_does_not_matter_how_a_text_is_cut(parts: list[str], colours: bool) -> None:
    whole = "".join(parts)
    assert filtered(parts, colours=colours) == safe(whole, colours=colours) == filtered(list(whole), colours=colours)


@given(TEXTS, st.booleans())
def test_what_is_safe_stays_as_it_is(text: str, colours: bool) -> None:
    once = safe(text, colours=colours)
    assert safe(once, colours=colours) == once


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"])))
def test_plain_text_stays(text: str) -> None:
    assert safe(f"{text}\n\t{text}\r") == f"{text}\n\t{text}\r"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]0;never ended\nnext line", "\nnext line"),
        ("\x1b[2J\x1b[Hcleared", "cleared"),
        ("\x1bcreset", "reset"),
        ("\x1b", ""),
        ("a\x1b\nb", "a?\nb"),
        ("\x9b31m", "?31m"),
        ("50%\r100%", "50%\r100%"),
        ("👩\u200d🔬 \u0645\u06cc\u200c\u062e", "👩\u200d🔬 \u0645\u06cc\u200c\u062e"),
        ("abc\u202etxt.exe", "abc?txt.exe"),
    ],
)
def test_a_text_without_colours(text: str, shown: str) -> None:
    assert safe(text) == shown


def test_colours_stay_where_they_are_wanted_and_end_with_the_text() -> None:
    assert safe("\x1b[0;31mred", colours=True) == "\x1b[0;31mred\x1b[0m"
    assert safe("\x1b[31mred\x1b[0m", colours=True) == "\x1b[31mred\x1b[0m"
    assert safe("\x1b[?25l\x1b[1A\x1b[38;5;1mx\x1b[m", colours=True) == "\x1b[38;5;1mx\x1b[m"


def test_a_sequence_that_has_no_end_does_not_swallow_the_rest() -> None:
    text = SafeText(colours=True)
    text.feed("\x1b]0;")
    assert "y" in "".join(text.feed("y" * 1000) for _ in range(10))
