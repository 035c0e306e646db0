"""Scripts with cells, as editors know them: read to the byte, written anew or brought up to date (pure).

The format is jupytext's ``percent``: each cell begins with a line ``# %%``, in the comment of the language. Where this
module and jupytext differ, `tests/sync/test_percent_jupytext.py` says why.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..cells import Cell, CellType
from .header import Header, notebook_line, read_header
from .languages import Language, language_of
from .lexing import Scan
from .magics import escaped_pattern, magic_pattern, unescaped
from .markers import Marker, marker_at_line, read_marker
from .prose import Fences, opening_quote, prose

#: What some editors of Windows put before a text.
BYTE_ORDER_MARK = "\ufeff"
_LINE = re.compile(r"[^\r\n]*+(?:\r\n|\r|\n)|[^\r\n]++")
_LINE_END = re.compile(r"\r\n|\r|\n")
_BLANK_LINES = re.compile(r"(?:[^\S\n]*+\n)*+")


@dataclass(frozen=True, slots=True)
class ScriptCell:
    """A cell of a script.

    Attributes:
        cell: what the notebook shall have.
        text: its part of the script, from its marker to the next one; empty for what the header holds of the notebook.
        first_line: number of its first line in the script, from 1.
        last_line: number of its last line; blank lines below belong to it.
        marker: what its first line says, or None if it has no marker.
    """

    cell: Cell
    text: str
    first_line: int
    last_line: int
    marker: Marker | None


@dataclass(frozen=True, slots=True)
class Script:
    """A text that was read.

    Attributes:
        language: of the script.
        header: what stands above the first cell, to the byte.
        cells: in the order of the script. The first one is a raw cell with the YAML of the header where that holds
            more than Jupyter's part, as jupytext has it.
        newline: the line end that the script begins with, ``\\n`` if there is none.
        values: Jupyter's part of the header, by path: ``("kernelspec", "name")``.
        notebook: the notebook that the header names (``jupyter: notebook:``), or empty.
        header_without_front_matter: the header without what the first cell holds of it.
    """

    language: Language
    header: str
    cells: tuple[ScriptCell, ...]
    newline: str = "\n"
    values: Mapping[tuple[str, ...], str] = field(default_factory=dict)
    notebook: str = ""
    header_without_front_matter: str = ""

    @property
    def text(self) -> str:
        """The text that was read, to the byte."""
        return self.header + "".join(cell.text for cell in self.cells)

    def __str__(self) -> str:
        return self.text

    @property
    def kernel_name(self) -> str:
        """Name of the kernel that the header asks for, or empty."""
        return self.values.get(("kernelspec", "name"), "")

    @property
    def kernel_language(self) -> str:
        """Language of that kernel, or empty."""
        return self.values.get(("kernelspec", "language"), "")

    def cell_at(self, line: int) -> int | None:
        """Return the index of the cell that somebody means whose cursor is on a line.

        Blank lines belong to the cell above, the header to the first cell, and what is behind the end to the last.

        Args:
            line: counted from 1.

        Returns:
            None if there is no cell, or no such line: an editor that counts from 0 must not run another cell.
        """
        if line < 1 or not self.cells:
            return None
        return max(0, bisect_right(self.cells, line, key=lambda cell: cell.first_line) - 1)

    def updated(self, cells: Sequence[Cell]) -> str:
        """Return the text with other cells: what stays the same keeps its bytes, the rest is written in its style.

        Args:
            cells: of the notebook; their ids are written if the script has some.
        """
        from .writing import updated  # editors mostly read

        return updated(self, cells)


def write(cells: Sequence[Cell], language: Language | str, *, header: str = "") -> str:
    """Return a new script.

    Args:
        cells: of the notebook; those that have an id keep it.
        language: of the script, or its name.
        header: what shall stand above the cells, as `Script.header`.

    Raises:
        LookupError: for an unknown name of a language.
    """
    from .writing import written

    return written(cells, language_of(language) if isinstance(language, str) else language, header=header)


@dataclass(frozen=True, slots=True)
class _Block:
    """A cell between offsets of the text with ``\\n`` between lines.

    Attributes:
        start: of its marker.
        body: of what follows.
        end: of the next cell.
        marker: what its first line says, or None.
        escapes: offsets of comments that are no comments in the notebook.
    """

    start: int
    body: int
    end: int
    marker: Marker | None
    escapes: list[int]


def parse(text: str, language: Language | str = "python") -> Script:
    """Read a script; any text is one.

    Args:
        text: as it is in the file.
        language: of the script, or its name.

    Raises:
        LookupError: for an unknown name of a language.
    """
    language = language_of(language) if isinstance(language, str) else language
    plain = text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
    plain = plain.removeprefix(BYTE_ORDER_MARK)
    header = read_header(plain, language, marker_at_line(language))
    dialect = header.dialect(language)
    blocks = list(_blocks(plain, header.end, dialect))
    notebook = header.notebook
    if blocks and blocks[0].marker is None:
        named = notebook_line(plain[blocks[0].body : blocks[0].end].strip(), language)
        if named or not plain[blocks[0].body : blocks[0].end].strip():
            del blocks[0]
            notebook = notebook or named
    ends = _LINE_END.search(text)
    mark = BYTE_ORDER_MARK if text.startswith(BYTE_ORDER_MARK) else ""
    pieces = _pieces(text[len(mark) :], plain, [block.start for block in blocks])
    return Script(
        language,
        mark + pieces[0],
        tuple(_cells(plain, header, blocks, pieces, dialect)),
        ends[0] if ends else "\n",
        header.values,
        notebook,
        mark + header.without_front_matter,
    )


def _blocks(plain: str, start: int, language: Language) -> Iterator[_Block]:
    """Yield the cells below the header; the first one may have no marker."""
    blank = _BLANK_LINES.match(plain, start)
    start = body = blank.end() if blank else start
    marker: Marker | None = None
    reader = _Reader(plain, language)
    while True:
        found, escapes = reader.next_marker(body, marker)
        end = found.start() if found else len(plain)
        if marker is not None or end > start:
            yield _Block(start, body, end, marker, escapes)
        if found is None:
            return
        start, body = end, min(found.end() + 1, len(plain))
        marker = read_marker(found[1], language)


class _Reader:
    """Finds the cells of one text."""

    def __init__(self, plain: str, language: Language) -> None:
        self.text, self.language = plain, language
        self.scan = Scan(plain, language.syntax)
        self.fences = Fences(plain, language)
        self.marker = marker_at_line(language)
        self.escaped, self.magic = escaped_pattern(language), magic_pattern(language)

    def next_marker(self, position: int, marker: Marker | None) -> tuple[re.Match[str] | None, list[int]]:
        """Return the next marker, and which comments before it are no comments in the notebook.

        Args:
            position: offset behind the line of the last marker.
            marker: what that says, or None if there was none.
        """
        prose = marker is not None and is_prose(marker, self.language)
        if prose and not opening_quote(self.text, position, self.language):
            return self.fences.outside(position, self.marker.search(self.text, position)), []
        if marker is not None and not prose and self.language.comment_end and is_commented(marker, self.language):
            return self.marker.search(self.text, position), []
        text = self.text
        escapes: list[int] = []
        for start, _, is_comment in self.scan.tokens(position):
            if not is_comment:
                continue
            if start == 0 or text[start - 1] == "\n":
                found = self.marker.match(text, start)
                if found:
                    return found, escapes
                if self.escaped.match(text, start):
                    escapes.append(start)
            elif self.magic.match(text, start) and not text[text.rfind("\n", 0, start) + 1 : start].strip():
                escapes.append(start)
        return None, escapes


def cell_type(marker: Marker | None) -> CellType:
    """Return the kind of cell that a marker begins."""
    if marker is None or marker.type is None:
        return CellType.CODE if marker is None or marker.active("ipynb") else CellType.RAW
    return marker.type


def is_prose(marker: Marker, language: Language) -> bool:
    """Return whether what follows a marker is comments, or text in quotes, rather than code."""
    if marker.type in (CellType.MARKDOWN, CellType.RAW):
        return True
    return cell_type(marker) is CellType.RAW and not marker.active(language.suffixes[0])


def is_commented(marker: Marker, language: Language) -> bool:
    """Return whether code below a marker is in comments: it is of another language, or for the notebook only."""
    if not marker.active(language.suffixes[0]):
        return True
    other = marker.language or marker.metadata.get("language")
    return isinstance(other, str) and other != language.name and "active" not in marker.metadata


def _source(plain: str, block: _Block, language: Language) -> str:
    marker = block.marker
    if marker is None:
        return unescaped(plain, block.body, block.end, block.escapes, language).rstrip("\n")
    if is_prose(marker, language):
        return prose(plain[block.body : block.end], language).rstrip("\n")
    if is_commented(marker, language):
        source = prose(plain[block.body : block.end], language, quotes=False)
    else:
        source = unescaped(plain, block.body, block.end, block.escapes, language)
    if marker.language:
        arguments = f" {marker.arguments}" if marker.arguments else ""
        source = f"{language.cell_magic}{marker.language}{arguments}\n{source}"
    return source.rstrip("\n")


def _cells(
    plain: str, header: Header, blocks: list[_Block], pieces: list[str], language: Language
) -> Iterator[ScriptCell]:
    line = 1 + plain.count("\n", 0, blocks[0].start if blocks else len(plain))
    if header.front_matter:
        last = line - 1 if blocks else line - plain.endswith("\n")
        yield ScriptCell(Cell(CellType.RAW, header.front_matter), "", 1, last, None)
    for block, text in zip(blocks, pieces[1:], strict=True):
        ends = plain.count("\n", block.start, block.end)
        last = line + ends - (plain[block.end - 1] == "\n")
        marker = block.marker
        cell = Cell(
            cell_type(marker),
            _source(plain, block, language),
            marker.id if marker else "",
            dict(marker.metadata) if marker else {},
        )
        yield ScriptCell(cell, text, line, last, marker)
        line += ends


def _pieces(text: str, plain: str, starts: list[int]) -> list[str]:
    """Return the text, cut where `plain` is to be cut."""
    if len(text) == len(plain):
        cuts = [0, *starts, len(text)]
        return [text[cuts[number] : cuts[number + 1]] for number in range(len(cuts) - 1)]
    lines = _LINE.findall(text)
    pieces: list[str] = []
    first = position = 0
    for start in [*starts, len(plain)]:
        last = first + plain.count("\n", position, start) if start < len(plain) else len(lines)
        pieces.append("".join(lines[first:last]))
        first, position = last, start
    return pieces
