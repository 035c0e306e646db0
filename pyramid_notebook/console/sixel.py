"""Images as sixels, the graphics of DEC's terminals (pure; VT330/VT340 Programmer Reference, volume 2, chapter 14)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

_BAND = 6
_FIRST = 63  # a character of sixels is this, plus six bits with the topmost pixel as the lowest
_LEAST_RUN = 4


def encode(width: int, height: int, pixels: bytes, palette: Sequence[tuple[int, int, int]]) -> str:
    """Return the control string that draws an image.

    Args:
        width: in pixels.
        height: in pixels.
        pixels: number of the colour of each, row by row.
        palette: the colours: red, green and blue, each 0 to 255.

    Raises:
        ValueError: there are more or fewer pixels than that.
    """
    if len(pixels) != width * height:
        raise ValueError(f"{len(pixels)} pixels are not {width} times {height}")
    used = sorted(set(pixels))
    colours = "".join(_colour(number, palette[number]) for number in used)
    bands = (_band(pixels[top * width : (top + _BAND) * width], width) for top in range(0, height, _BAND))
    return f'\x1bP0;1;0q"1;1;{width};{height}{colours}{"-".join(bands)}\x1b\\'


def _colour(number: int, rgb: tuple[int, int, int]) -> str:
    red, green, blue = (round(part * 100 / 255) for part in rgb)
    return f"#{number};2;{red};{green};{blue}"


def _band(pixels: bytes, width: int) -> str:
    """Return six rows of pixels, or what is left of them, colour by colour."""
    bits: dict[int, bytearray] = {}
    for index, number in enumerate(pixels):
        row, column = divmod(index, width)
        bits.setdefault(number, bytearray(width))[column] |= 1 << row
    return "$".join(f"#{number}{_runs(bits[number])}" for number in sorted(bits))


def _runs(columns: bytearray) -> str:
    parts = []
    for value, same in groupby(columns.rstrip(b"\0")):
        length = sum(1 for _ in same)
        character = chr(_FIRST + value)
        parts.append(f"!{length}{character}" if length >= _LEAST_RUN else character * length)
    return "".join(parts)
