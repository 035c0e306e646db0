"""What a kernel displays, as text."""

from __future__ import annotations

import base64
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyramid_notebook.console.pictures import KITTY, Room
from pyramid_notebook.console.rendering import Look, choose, rendered

from .test_pictures import png

PLAIN = Look(colours=False, url="https://example.com/notebook/ann/notebooks/x.ipynb")
COLOURED = Look(colours=True, room=Room(60, 24))
FRAME = "<table><thead><tr><th></th><th>n</th></tr></thead><tbody><tr><th>0</th><td>12</td></tr></tbody></table>"
#: What may control a terminal: any escape sequence but those of colours, and the other control characters.
CONTROLS = re.compile(r"(?!\x1b\[[0-9;:]*m)\x1b|[\x00-\x07\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f]")
NASTY = st.text(st.sampled_from("\x1b[]P_;52c?7hl0mHJKA\x07\x9b\x9d\r\n\ta<>b|-#*`&\u202e"), max_size=60)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ({"text/plain": "1"}, "text/plain"),
        ({"text/plain": "   n\n0  1", "text/html": FRAME}, "text/html"),
        ({"text/plain": "Hello", "text/html": "<b>Hello</b>"}, "text/plain"),
        ({"text/plain": "<IPython.core.display.HTML object>", "text/html": "<b>Hello</b>"}, "text/html"),
        ({"text/plain": "<x.Y at 0x7f00>", "text/html": "<script>1</script>"}, "text/plain"),
        ({"text/plain": "<IPython.core.display.Markdown object>", "text/markdown": "# a"}, "text/markdown"),
        ({"text/plain": "<IPython.core.display.Latex object>", "text/latex": "$a$"}, "text/latex"),
        ({"text/plain": "<IPython.core.display.JSON object>", "application/json": [1]}, "application/json"),
        ({"application/vnd.x+json": {}}, ""),
    ],
    ids=["plain", "table", "short html", "html", "nothing in html", "markdown", "latex", "json", "unknown"],
)
def test_what_says_most_is_shown(data, kind):
    assert choose(data) == kind


def test_a_table_has_its_columns_below_their_titles():
    lines = rendered({"text/plain": "", "text/html": FRAME}, PLAIN).split("\n")
    assert re.fullmatch(r" *n", lines[0])
    assert re.fullmatch(r" *─+", lines[1])
    assert re.fullmatch(r" *0 +12", lines[2])


def test_markdown_is_formatted():
    text = rendered({"text/markdown": "# Title\n\n- **one**\n- [two](https://example.com/)"}, COLOURED)
    assert "Title" in text
    assert " • \x1b[0m\x1b[1mone" in text
    assert "https://example.com/" in text
    assert "]8;" not in text


def test_an_image_is_drawn_where_the_terminal_can():
    data = {"image/png": base64.b64encode(png()).decode(), "text/plain": "<Figure size 3x2 with 1 Axes>"}
    assert rendered(data, Look(colours=True, images=KITTY)).startswith("\x1b_Ga=T")


def test_elsewhere_there_is_a_link_to_the_page():
    data = {"image/png": base64.b64encode(png()).decode(), "text/plain": "<Figure size 3x2 with 1 Axes>"}
    assert rendered(data, PLAIN) == f"<Figure size 3x2 with 1 Axes>\n[an image: see {PLAIN.url}]"
    assert rendered(data, COLOURED).endswith("[an image, which this terminal cannot show]")


def test_what_nobody_can_show_is_named():
    assert rendered({"application/vnd.x+json": {}}, PLAIN) == f"[application/vnd.x+json: see {PLAIN.url}]"
    assert rendered({}, PLAIN) == ""


def test_colours_of_plain_text_stay_where_there_are_colours():
    data = {"text/plain": "\x1b[31mred\x1b[0m\x1b[2J"}
    assert rendered(data, COLOURED) == "\x1b[31mred\x1b[0m"
    assert rendered(data, PLAIN) == "red"


@given(
    st.sampled_from(["text/plain", "text/html", "text/markdown", "text/latex", "application/json", "image/png"]), NASTY
)
def test_nothing_that_is_displayed_can_control_the_terminal(kind, text):
    for look in (PLAIN, COLOURED):
        assert not CONTROLS.search(rendered({kind: text}, look))


@given(NASTY)
def test_no_cell_of_a_table_can_either(text):
    html = f"<table><tr><th>{text}</th></tr><tr><td>{text}</td></tr></table>"
    assert not CONTROLS.search(rendered({"text/html": html}, COLOURED))
