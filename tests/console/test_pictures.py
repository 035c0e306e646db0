"""Images in terminals."""

from __future__ import annotations

import base64
import re
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pyramid_notebook.console.pictures import ITERM2, KITTY, LINK, SIXEL, Room, drawn, image_of, protocol_of
from pyramid_notebook.console.sixel import encode

ROOM = Room(80, 24)


def png(width: int = 3, height: int = 2, *, mode: str = "RGB", kind: str = "PNG") -> bytes:
    buffer = BytesIO()
    Image.new(mode, (width, height), "red").save(buffer, kind)
    return buffer.getvalue()


def decoded(text: str) -> list[list[int | None]]:
    """Return the colour numbers of the pixels that a control string of sixels draws."""
    found = re.fullmatch(r'\x1bP0;1;0q"1;1;(\d+);(\d+)((?:#\d+;2;\d+;\d+;\d+)*)([^\x1b]*)\x1b\\', text)
    assert found
    width, height = int(found[1]), int(found[2])
    rows: list[list[int | None]] = [[None] * width for _ in range(height)]
    for number, band in enumerate(found[4].split("-")):
        for layer in band.split("$"):
            colour = re.match(r"#(\d+)", layer)
            assert colour
            column = 0
            for length, character in re.findall(r"(?:!(\d+))?([?-~])", layer[colour.end() :]):
                for _ in range(int(length or 1)):
                    for bit in range(6):
                        if (ord(character) - 63) >> bit & 1:
                            assert rows[number * 6 + bit][column] is None
                            rows[number * 6 + bit][column] = int(colour[1])
                    column += 1
    return rows


@given(st.data())
def test_sixels_draw_every_pixel_once_and_in_its_colour(data):
    width, height = data.draw(st.integers(1, 20)), data.draw(st.integers(1, 20))
    size = width * height
    pixels = bytes(data.draw(st.lists(st.integers(0, 4), min_size=size, max_size=size)))
    rows = decoded(encode(width, height, pixels, [(number, 0, 255) for number in range(5)]))
    assert [value for row in rows for value in row] == list(pixels)


def test_colours_of_sixels_are_percents():
    assert "#0;2;100;0;50" in encode(1, 1, b"\0", [(255, 0, 128)])


def test_too_few_pixels_are_an_error():
    with pytest.raises(ValueError, match="3 pixels are not 2 times 2"):
        encode(2, 2, b"\0\0\0", [(0, 0, 0)])


def test_kitty_gets_a_png_in_pieces_and_is_asked_to_be_silent():
    text = drawn(png(400, 300), KITTY, ROOM)
    assert text
    strings = re.findall(r"\x1b_G([^;\x1b]*);([A-Za-z0-9+/=]*)\x1b\\", text)
    assert "".join(f"\x1b_G{head};{body}\x1b\\" for head, body in strings) == text
    assert strings[0][0].startswith("a=T,f=100,q=2,")
    assert [head.endswith("m=1") for head, _ in strings] == [True] * (len(strings) - 1) + [False]
    with Image.open(BytesIO(base64.b64decode("".join(body for _, body in strings)))) as image:
        assert image.format == "PNG"
        assert image.size == (400, 300)


def test_iterm2_gets_a_png_with_its_size():
    text = drawn(png(kind="JPEG"), ITERM2, ROOM)
    found = re.fullmatch(r"\x1b]1337;File=inline=1;size=(\d+);width=3px:([A-Za-z0-9+/=]+)\x07", text or "")
    assert found
    content = base64.b64decode(found[2])
    assert len(content) == int(found[1])
    assert content.startswith(b"\x89PNG")


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1"])
def test_images_of_all_modes_become_sixels(mode):
    rows = decoded(drawn(png(mode=mode), SIXEL, ROOM) or "")
    assert all(value is not None for row in rows for value in row)


def test_an_image_is_made_as_small_as_the_terminal():
    rows = decoded(drawn(png(2000, 100), SIXEL, Room(40, 24)) or "")
    assert len(rows[0]) == 320


@pytest.mark.parametrize("content", [b"", b"no image", png()[:40], b"GIF89a"], ids=["none", "text", "cut", "short"])
@pytest.mark.parametrize("protocol", [KITTY, ITERM2, SIXEL])
def test_what_is_no_image_is_not_drawn(content, protocol):
    assert drawn(content, protocol, ROOM) is None


def test_a_terminal_without_images_draws_none():
    assert drawn(png(), LINK, ROOM) is None


@pytest.mark.parametrize(
    ("environment", "protocol"),
    [
        ({"TERM": "xterm-kitty"}, KITTY),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, KITTY),
        ({"TERM_PROGRAM": "ghostty"}, KITTY),
        ({"TERM_PROGRAM": "iTerm.app"}, ITERM2),
        ({"LC_TERMINAL": "iTerm2"}, ITERM2),
        ({"TERM_PROGRAM": "WezTerm"}, ITERM2),
        ({"TERM": "foot"}, SIXEL),
        ({"TERM": "mlterm"}, SIXEL),
        ({"TERM": "xterm-256color", "KONSOLE_VERSION": "230804"}, SIXEL),
        ({"TERM": "xterm-256color", "KONSOLE_VERSION": "210400"}, LINK),
        ({"TERM": "tmux-256color", "KITTY_WINDOW_ID": "1"}, LINK),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/tmux,1,0"}, LINK),
        ({"TERM": "xterm-256color"}, LINK),
        ({}, LINK),
    ],
    ids=str,
)
def test_a_terminal_is_known_by_its_environment(environment, protocol):
    assert protocol_of(environment) == protocol


def test_only_the_bytes_of_an_image_come_through():
    assert image_of({"image/png": base64.encodebytes(png()).decode()}) == png()
    assert image_of({"image/png": "\x1b]52;c;aGk=\x07"}) is None
    assert image_of({"image/svg+xml": "<svg/>"}) is None
