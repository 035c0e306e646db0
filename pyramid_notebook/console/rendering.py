"""What a kernel displays, as text for a terminal that nothing in it can control."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from io import StringIO
from typing import Any, NamedTuple

from ..sync.client.safe_text import safe
from .html_text import Table, parse_html
from .pictures import LINK, MEDIA_TYPES, Room, drawn, image_of

_TELLS_NOTHING = re.compile(r"<[\w.]+(?: object)?(?: at 0x[0-9a-f]+)?>|<Figure size [^>]*>|<[\w.]+ object>")
_TABLE = re.compile(r"<table[\s>]", re.IGNORECASE)
_MOST_ROWS = 500


class Look(NamedTuple):
    """How a terminal shows things.

    Attributes:
        colours: whether it has colours.
        images: by which protocol it shows images, see :func:`pyramid_notebook.console.pictures.protocol_of`.
        room: how much of it there is.
        url: address of a page that shows what this terminal cannot; empty for none.
    """

    colours: bool
    images: str = LINK
    room: Room = Room(80, 24)
    url: str = ""


def choose(data: Mapping[str, Any]) -> str:
    """Return the media type that says most as text; empty for none (pure).

    Args:
        data: renderings by media type.
    """
    plain, html = data.get("text/plain"), data.get("text/html")
    tells = isinstance(plain, str) and not _TELLS_NOTHING.fullmatch(plain.strip())
    if isinstance(data.get("text/markdown"), str):
        return "text/markdown"
    if isinstance(html, str) and (_TABLE.search(html) or not tells) and parse_html(html):
        return "text/html"
    if tells:
        return "text/plain"
    if isinstance(data.get("text/latex"), str):
        return "text/latex"
    if "application/json" in data:
        return "application/json"
    return "text/plain" if isinstance(plain, str) else ""


def rendered(data: Mapping[str, Any], look: Look) -> str:
    """Return what to write of something that is displayed, without a line's end.

    Args:
        data: renderings by media type.
        look: of the terminal.
    """
    image = image_of(data)
    if image is not None and (picture := drawn(image, look.images, look.room)):
        return picture
    kind = choose(data)
    text = _text(kind, data, look) if kind else ""
    if image is not None or "image/svg+xml" in data:
        return "\n".join(part for part in (text, _link("an image", look)) if part)
    if not text:
        others = [name for name in data if name not in MEDIA_TYPES]
        text = _link(safe(", ".join(others))[:200], look) if others else ""
    return text


def markdown(text: str, look: Look) -> str:
    """Return Markdown as a terminal shows it."""
    from rich.markdown import Markdown

    return _printed(Markdown(safe(text), hyperlinks=False), look)


def _text(kind: str, data: Mapping[str, Any], look: Look) -> str:
    value = data[kind]
    if kind == "text/markdown":
        return markdown(value, look)
    if kind == "text/html":
        return html(value, look)
    if kind == "application/json":
        return json.dumps(value, indent=2)
    return safe(str(value), colours=look.colours)


def html(text: str, look: Look) -> str:
    """Return HTML as text, with its tables as tables."""
    blocks = parse_html(text)
    return "\n".join(_table(block, look) if isinstance(block, Table) else safe(block.text) for block in blocks)


def _table(table: Table, look: Look) -> str:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    width = max(len(row) for row in (*table.head, *table.rows))
    head = table.head or ((),)
    titles = [_cell("\n".join(row[index] for row in head if index < len(row))) for index in range(width)]
    shown = RichTable(box=box.SIMPLE_HEAD, show_header=bool(table.head), pad_edge=False)
    for index, title in enumerate(titles):
        is_number = all(_is_number(row[index]) for row in table.rows if index < len(row))
        shown.add_column(Text(title), justify="right" if is_number else "left")
    for row in table.rows[:_MOST_ROWS]:
        shown.add_row(*(Text(_cell(cell)) for cell in (*row, *[""] * (width - len(row)))))
    left = len(table.rows) - _MOST_ROWS
    return _printed(shown, look) + (f"\n({left} more rows)" if left > 0 else "")


def _cell(text: str) -> str:
    return safe(text).strip("\n")


def _is_number(text: str) -> bool:
    try:
        float(text.replace(",", "") or 0)
    except ValueError:
        return False
    return True


def _printed(thing: Any, look: Look) -> str:
    from rich.console import Console

    buffer = StringIO()
    console = Console(
        file=buffer,
        force_terminal=look.colours,
        color_system="standard" if look.colours else None,
        width=max(20, look.room.columns),
        legacy_windows=False,
        emoji=False,
        highlight=False,
    )
    console.print(thing)
    return "\n".join(line.rstrip() for line in buffer.getvalue().split("\n")).strip("\n")


def _link(what: str, look: Look) -> str:
    return f"[{what}: see {look.url}]" if look.url else f"[{what}, which this terminal cannot show]"
