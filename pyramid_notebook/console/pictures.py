"""Images in terminals: which terminal takes which protocol, and what it is sent.

Sources: kitty's "Terminal graphics protocol"; iTerm2's "Inline Images Protocol"; :mod:`.sixel`. The bytes of an image
come from a kernel, so they are decoded and encoded anew: nothing else gets into a control string.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from io import BytesIO
from typing import Any, NamedTuple

KITTY, ITERM2, SIXEL, LINK = "kitty", "iterm2", "sixel", "link"
#: What a kernel sends as an image of pixels; the most telling one first.
MEDIA_TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp")
_ITERM2_PROGRAMS = frozenset(("iTerm.app", "WezTerm", "mintty", "rio", "Tabby"))
_SIXEL_TERMINALS = ("foot", "mlterm", "contour", "yaft", "sixel")
_MULTIPLEXERS = ("screen", "tmux")
_KONSOLE_WITH_SIXELS = 220400
#: Characters of one control string of kitty, and pixels of a column where the terminal doesn't say how many.
_CHUNK, _COLUMN = 4096, 8
_MOST_COLOURS = 128
#: Pixels of an image that is opened at all.
_MOST_PIXELS = 40_000_000


class Room(NamedTuple):
    """How much room a terminal has.

    Attributes:
        columns: of text.
        rows: of text.
    """

    columns: int
    rows: int


def protocol_of(environment: Mapping[str, str]) -> str:
    """Return how the terminal of an environment shows images; ``link`` where it is not known to.

    Args:
        environment: the variables of this process.
    """
    term, program = environment.get("TERM", ""), environment.get("TERM_PROGRAM", "")
    if environment.get("TMUX") or environment.get("STY") or term.startswith(_MULTIPLEXERS):
        return LINK  # it would draw over what the multiplexer shows
    if environment.get("KITTY_WINDOW_ID") or term in ("xterm-kitty", "xterm-ghostty") or program == "ghostty":
        return KITTY
    if program in _ITERM2_PROGRAMS or environment.get("LC_TERMINAL") == "iTerm2":
        return ITERM2
    konsole = environment.get("KONSOLE_VERSION", "")
    if konsole.isascii() and konsole.isdigit() and int(konsole) >= _KONSOLE_WITH_SIXELS:
        return SIXEL
    return SIXEL if any(name in term for name in _SIXEL_TERMINALS) else LINK


def image_of(data: Mapping[str, Any]) -> bytes | None:
    """Return the bytes of the image among the renderings of something; None where there is none.

    Args:
        data: renderings by media type; those of images are base64.
    """
    for media_type in MEDIA_TYPES:
        value = data.get(media_type)
        if isinstance(value, str):
            try:
                return base64.b64decode("".join(value.split()), validate=True) or None
            except (binascii.Error, ValueError):
                continue
    return None


def drawn(image: bytes, protocol: str, room: Room) -> str | None:
    """Return what draws an image; None where it is none, or the terminal cannot.

    Args:
        image: its bytes.
        protocol: see :func:`protocol_of`.
        room: it becomes no wider and no higher.
    """
    if protocol not in (KITTY, ITERM2, SIXEL):
        return None
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(BytesIO(image)) as opened:
            if opened.width * opened.height > _MOST_PIXELS:
                return None
            opened.load()
            fitting = _fitting(opened, room)
            return {KITTY: _kitty, ITERM2: _iterm2, SIXEL: _sixel}[protocol](fitting)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def _fitting(image: Any, room: Room) -> Any:
    """Return a copy that fits into a terminal whose characters are twice as high as wide."""
    copy = image.convert("RGBA")
    copy.thumbnail((max(1, room.columns) * _COLUMN, max(1, room.rows - 2) * _COLUMN * 2))
    return copy


def _png(image: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _kitty(image: Any) -> str:
    text = base64.b64encode(_png(image)).decode("ascii")
    chunks = [text[start : start + _CHUNK] for start in range(0, len(text), _CHUNK)]
    strings = []
    for number, chunk in enumerate(chunks):
        first = "a=T,f=100,q=2," if number == 0 else ""
        strings.append(f"\x1b_G{first}m={int(number < len(chunks) - 1)};{chunk}\x1b\\")
    return "".join(strings)


def _iterm2(image: Any) -> str:
    content = _png(image)
    text = base64.b64encode(content).decode("ascii")
    return f"\x1b]1337;File=inline=1;size={len(content)};width={image.width}px:{text}\x07"


def _sixel(image: Any) -> str:
    from PIL import Image

    from .sixel import encode

    ground = Image.new("RGBA", image.size, "white")
    ground.alpha_composite(image)
    few = ground.convert("RGB").quantize(_MOST_COLOURS)
    values = few.getpalette() or []
    palette = list(zip(values[0::3], values[1::3], values[2::3], strict=True))
    return encode(few.width, few.height, few.tobytes(), palette)
