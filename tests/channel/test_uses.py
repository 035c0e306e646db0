"""What of the ready-made uses needs no page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from pyramid_notebook.channel.uses import ask, live, open_bridge, progress, upload
from pyramid_notebook.channel.uses.bridge import _embedded
from pyramid_notebook.channel.uses.plotting import picture
from pyramid_notebook.channel.uses.uploading import base_name
from pyramid_notebook.errors import ChannelError, NoChannel, NoPage, Unsendable

SVG = '<svg xmlns="http://www.w3.org/2000/svg"/>'


class Shown:
    def _repr_svg_(self) -> str:
        return SVG


@pytest.mark.parametrize("use", [lambda: ask("?"), upload, open_bridge, lambda: live(lambda x=1: SVG, x=(1, 2))])
def test_outside_of_a_kernel_nobody_is_asked(use) -> None:
    with pytest.raises(NoChannel):
        use()


def test_outside_of_a_kernel_a_loop_runs_all_the_same() -> None:
    assert list(progress(range(3))) == [0, 1, 2]
    assert list(progress(iter("ab"), total=2)) == ["a", "b"]


@pytest.mark.parametrize("buttons", [(), ("Yes", "Yes")])
def test_a_question_has_buttons_that_differ(buttons: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="buttons"):
        ask("?", buttons)


@pytest.mark.parametrize(
    ("drawn", "kind", "start"),
    [
        (SVG, "image/svg+xml", b"<svg"),
        (Shown(), "image/svg+xml", b"<svg"),
        (b"\x89PNG\r\n", "image/png", b"\x89PNG"),
        (Figure(), "image/png", b"\x89PNG"),
        (Figure().subplots(), "image/png", b"\x89PNG"),
    ],
    ids=["svg", "shown", "png", "figure", "axes"],
)
def test_a_picture_is_whatever_is_shown_as_one(drawn: object, kind: str, start: bytes) -> None:
    found, data = picture(drawn)
    assert found == kind
    assert data.startswith(start)


@pytest.mark.parametrize("drawn", [None, "text", b"GIF89a", 3])
def test_what_is_no_picture_is_refused(drawn: object) -> None:
    with pytest.raises(TypeError, match="no picture"):
        picture(drawn)


@pytest.mark.parametrize("ends", [(), (1,), (2, 1), (1, 2, 3, 4)], ids=str)
def test_a_slider_has_two_ends(ends: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="'x' is"):
        live(lambda x=1: SVG, x=ends)


@given(st.text())
def test_a_file_never_leaves_its_folder(name: str) -> None:
    try:
        base = base_name(name)
    except Unsendable:
        return
    assert Path("folder", base).parent == Path("folder")
    assert not re.search(r"[/\\\0]", base)


@pytest.mark.parametrize(
    ("name", "base"), [("a.csv", "a.csv"), ("../../a", "a"), ("C:\\temp\\ż.txt", "ż.txt"), ("/etc/passwd", "passwd")]
)
def test_a_file_keeps_the_last_part_of_its_name(name: str, base: str) -> None:
    assert base_name(name) == base


@pytest.mark.parametrize("name", ["", ".", "..", "/", "a\0b"], ids=repr)
def test_what_is_no_file_name_is_refused(name: str) -> None:
    with pytest.raises(Unsendable):
        base_name(name)


def test_the_page_that_is_embedded_is_called_and_of_several_the_last() -> None:
    assert _embedded({"a": True, "b": True, "c": False, "d": ChannelError("gone")}) == "b"
    with pytest.raises(NoPage):
        _embedded({"a": False})
