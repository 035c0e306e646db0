"""Scripts with cells, written anew and brought up to date (pure)."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..cells import Cell, CellType
from .grammar import BYTE_ORDER_MARK, Script, ScriptCell, is_commented, is_prose, parse
from .header import read_header
from .languages import CELL_LANGUAGES, Language
from .magics import escaped
from .markers import Marker, is_id, marker_at_line, write_marker, written_metadata
from .prose import commented, opening_quote, quoted


@dataclass(frozen=True, slots=True)
class Style:
    """How a script writes its cells.

    Attributes:
        begin: of a marker: the comment and ``%%``.
        blank_lines: between cells.
        ids: whether markers name ids.
        quote: what Markdown stands in, or empty for comments.
        plain_magics: whether magics are no comments.
        newline: the line end.
    """

    begin: str
    blank_lines: int = 1
    ids: bool = True
    quote: str = ""
    plain_magics: bool = False
    newline: str = "\n"


def written(cells: Sequence[Cell], language: Language, *, header: str = "", style: Style | None = None) -> str:
    """Return a new script; see `pyramid_notebook.sync.percent.write`.

    Args:
        cells: of the notebook.
        language: of the script.
        header: what shall stand above the cells.
        style: of the script, if it shall have one.
    """
    style = style or Style(f"{language.comment} %%")
    plain = _plain(header)
    read = read_header(plain.removeprefix(BYTE_ORDER_MARK), language, marker_at_line(language))
    if read.front_matter:
        if cells and _is_front_matter(cells[0], read.front_matter):
            cells = cells[1:]
        else:
            plain = (BYTE_ORDER_MARK if header.startswith(BYTE_ORDER_MARK) else "") + read.without_front_matter
    if plain and not plain.endswith("\n\n"):
        plain += "\n" if plain.endswith("\n") else "\n\n"
    between = "\n" * (1 + max(1, style.blank_lines))
    body = between.join(_cell_text(cell, read.dialect(language), style) for cell in cells)
    return f"{plain}{body}\n".replace("\n", style.newline) if cells else plain.replace("\n", style.newline)


def updated(script: Script, cells: Sequence[Cell]) -> str:
    """Return the text of a script with other cells; see `Script.updated`."""
    style = style_of(script)
    text = _updated(script, cells, style)
    if not _holds(parse(text, script.language), cells):
        # two cells that stand together for the first time are read as something else
        text = written(cells, script.language, header=script.header, style=style)
    return text


def _holds(script: Script, cells: Sequence[Cell]) -> bool:
    """Return whether a script has these cells, and no other ids."""
    return len(script.cells) == len(cells) and all(
        found.cell.id in ("", cell.id) and _comparable(found.cell) == _comparable(cell)
        for found, cell in zip(script.cells, cells, strict=True)
    )


def style_of(script: Script) -> Style:
    """Return how a script writes its cells."""
    comment = script.language.comment
    begins = (re.match(rf"{re.escape(comment)}[^\S\n]*%%", found.text) for found in script.cells)
    begin = next((found[0] for found in begins if found), f"{comment} %%")
    blanks = Counter(_tail(found.text).count("\n") for found in script.cells[:-1] if found.text)
    quotes = (
        opening_quote(_plain(found.text), _plain(found.text).find("\n") + 1, script.language)
        for found in script.cells
        if found.cell.type is CellType.MARKDOWN
    )
    said = script.values.get(("jupytext", "cell_markers"), "")
    magics = re.search(r"^[^\S\n]*%{1,2}[a-zA-Z]", script.text, re.MULTILINE)
    return Style(
        begin,
        max(0, blanks.most_common(1)[0][0] - 1) if blanks else 1,
        any(found.cell.id for found in script.cells),
        next((quote[-3:] for quote in quotes if quote), said if said in ('"""', "'''") else ""),
        magics is not None,
        script.newline,
    )


def _updated(script: Script, cells: Sequence[Cell], style: Style) -> str:
    old = script.cells
    header = script.header
    offset = 0
    if old and not old[0].text:  # the front matter in the header
        offset = 1
        if cells and _is_front_matter(cells[0], old[0].cell.source):
            cells = cells[1:]
        else:
            header = script.header_without_front_matter.rstrip("\n").replace("\n", style.newline)
            header += _tail(script.header) if header else ""
    kept, alike = _pairs([found.cell for found in old[offset:]], cells)
    pieces: list[tuple[str, str]] = []
    separator = style.newline * (1 + style.blank_lines)
    plain = _plain(script.header).removeprefix(BYTE_ORDER_MARK)
    dialect = read_header(plain, script.language, marker_at_line(script.language)).dialect(script.language)
    for number, cell in enumerate(cells):
        same = alike[number]
        like = None if same is None else old[offset + same]
        if kept[number] and like is not None and (like.marker is not None or number == 0):
            content = like.text[: len(like.text) - len(_tail(like.text))]
        else:
            content = _rewritten(cell, like, dialect, style, first=number == 0).replace("\n", style.newline)
        pieces.append((content, separator if like is None or like is old[-1] else _tail(like.text)))
    if not pieces:
        return header
    last = _tail(old[-1].text) if old and old[-1].text else style.newline
    body = "".join(content + tail for content, tail in pieces[:-1]) + pieces[-1][0] + last
    return _with_newline(header, style) + body


def _pairs(old: list[Cell], new: Sequence[Cell]) -> tuple[list[bool], list[int | None]]:
    """Return for each new cell whether an old one is equal, and which old one it is, or is made from."""
    by_id = {cell.id: number for number, cell in reversed(list(enumerate(old))) if cell.id}
    by_content: defaultdict[str, deque[int]] = defaultdict(deque)
    for number, cell in enumerate(old):
        if not cell.id:
            by_content[_comparable(cell)].append(number)
    kept: list[bool] = []
    alike: list[int | None] = []
    for cell in new:
        content = _comparable(cell)
        found = by_id.pop(cell.id) if cell.id in by_id else None
        if found is None and by_content.get(content):
            found = by_content[content].popleft()
        kept.append(found is not None and _comparable(old[found]) == content)
        alike.append(found)
    used = set(alike)
    above = -1
    for position, known in enumerate(alike):
        below = above + 1
        if known is not None:
            above = known
        elif below < len(old) and below not in used and not old[below].id:
            alike[position] = above = below
            used.add(below)
    return kept, alike


def _rewritten(cell: Cell, like: ScriptCell | None, language: Language, style: Style, *, first: bool) -> str:
    """Return the text of a cell, with the marker of the one it is made from if that still says the same."""
    text = _cell_text(cell, language, style)
    if like is None:
        return text
    quote = ""
    if like.cell.type is CellType.MARKDOWN:
        plain = _plain(like.text)
        quote = opening_quote(plain, plain.find("\n") + 1, language)
    text = _cell_text(cell, language, replace(style, quote=quote[-3:]) if like.cell.type is cell.type else style)
    line, _, body = text.partition("\n")
    if like.marker is None:
        is_bare = first and line == style.begin and body.strip()
        return body if is_bare else text
    found = parse(f"{line}\n", language).cells
    said = replace(like.marker, id=found[0].cell.id if not style.ids else like.marker.id)
    if found and found[0].marker == said:
        line = _plain(like.text).partition("\n")[0]
    return f"{line}\n{body}" if body else line


def _cell_text(cell: Cell, language: Language, style: Style) -> str:
    """Return the text of a cell, with ``\\n`` between lines and none at the end."""
    source = _plain(cell.source).rstrip("\n")
    marker, source = _marker(cell, source, language, ids=style.ids)
    if is_prose(marker, language):
        body = (quoted(source, style.quote) if style.quote and cell.type is CellType.MARKDOWN and source else None) or (
            commented(source, language)
        )
    elif is_commented(marker, language):
        body = commented(source, language, fences=False)
    else:
        body, whole = escaped(source, language, plain=style.plain_magics)
        if not whole:  # it would take the cells below for its own
            metadata = {**marker.metadata, **({"active": "ipynb"} if cell.type is CellType.CODE else {})}
            marker = replace(marker, metadata=metadata, type=None if cell.type is CellType.CODE else CellType.RAW)
            body = commented(source, language, fences=False)
    line = write_marker(marker, language, begin=style.begin)
    return f"{line}\n{body}" if body else line


def _marker(cell: Cell, source: str, language: Language, *, ids: bool) -> tuple[Marker, str]:
    """Return the marker of a cell, and what of the source stands below it."""
    metadata = written_metadata(cell.metadata)
    cell_id = cell.id if ids and is_id(cell.id) else ""
    if cell.type is not CellType.CODE:
        marker = Marker(cell.type, metadata, cell_id)
        if cell.type is CellType.RAW and not marker.active("ipynb"):
            marker = replace(marker, type=None)
        return marker, source
    first, _, rest = source.partition("\n")
    name, _, arguments = first.removeprefix(language.cell_magic).partition(" ")
    line = f"{language.cell_magic}{name}{' ' if arguments else ''}{arguments}"
    is_other = first == line and name in CELL_LANGUAGES and name != language.name
    if metadata.get("language") == language.name or metadata.get("language") in CELL_LANGUAGES:
        del metadata["language"]
    if is_other and arguments.isprintable() and not metadata.keys() & {"active", "language", "magic_args"}:
        return Marker(None, metadata, cell_id, name, arguments), rest
    marker = Marker(None, metadata, cell_id)
    return marker if marker.active("ipynb") else replace(marker, type=CellType.CODE), source


def _comparable(cell: Cell) -> str:
    """Return what makes cells equal for a script, but for their ids."""
    metadata = written_metadata(cell.metadata)
    if metadata.get("active") == "ipynb":  # where code isn't whole we have added it
        del metadata["active"]
    return json.dumps([cell.type, _plain(cell.source).rstrip("\n"), metadata], sort_keys=True)


def _is_front_matter(cell: Cell, source: str) -> bool:
    return cell.type is CellType.RAW and cell.source == source


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _with_newline(text: str, style: Style) -> str:
    is_whole = not text.removeprefix(BYTE_ORDER_MARK) or text.endswith(("\n", "\r"))
    return text if is_whole else text + style.newline


def _tail(text: str) -> str:
    """Return the line ends at the end of a text."""
    return text[len(text.rstrip("\r\n")) :]
