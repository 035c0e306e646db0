"""What comes through a pipe, and what goes out."""

from __future__ import annotations

import json
from io import StringIO

import pytest

from pyramid_notebook.client.events import Event
from pyramid_notebook.console.pipe import AsText, as_json, cells_of
from pyramid_notebook.console.rendering import Look

SCRIPT = """# %%
a = 1

# %% [markdown]
# Some text

# %%
a + 1
"""


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ("1+1\n", ["1+1"]),
        ("a = 1\n\nprint(a)\n", ["a = 1\n\nprint(a)"]),
        (SCRIPT, ["a = 1", "a + 1"]),
        (" \n", []),
        ("", []),
    ],
    ids=["line", "lines", "script", "blank", "nothing"],
)
def test_a_text_is_one_cell_or_those_that_it_marks(text, cells):
    assert cells_of(text, "python") == cells


def test_another_language_has_no_marks():
    assert cells_of(SCRIPT, "bash") == [SCRIPT.strip("\n")]


def test_output_and_complaints_go_their_own_ways():
    out, err = StringIO(), StringIO()
    show = AsText(out, err, Look(colours=False))
    show(Event("stream", {"name": "stdout", "text": "1\n\x1b[2J"}))
    show(Event("stream", {"name": "stderr", "text": "careful\n"}))
    show(Event("result", {"data": {"text/plain": "2"}, "count": 1}))
    show(Event("error", {"traceback": ["\x1b[31mNameError\x1b[0m", "x"], "ename": "NameError", "evalue": "x"}))
    assert out.getvalue() == "1\n2\n"
    assert err.getvalue() == "careful\nNameError\nx\n"


def test_json_has_an_event_in_each_line():
    out = StringIO()
    as_json(out)(Event("stream", {"name": "stdout", "text": "ü\x1b[2J\n"}, 4, "e1", {"user": "ann"}))
    assert out.getvalue().isascii()
    assert out.getvalue().count("\n") == 1
    assert json.loads(out.getvalue()) == {
        "event": "stream", "name": "stdout", "text": "ü\x1b[2J\n", "seq": 4, "execution": "e1", "who": {"user": "ann"}
    }  # fmt: skip
