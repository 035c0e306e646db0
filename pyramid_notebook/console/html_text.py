"""HTML as text: paragraphs, lists and tables (pure).

Nothing is fetched and nothing runs; what is not text is told by its alternative, or left out.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import NamedTuple

_HIDDEN = frozenset(("head", "script", "style", "template", "title", "noscript", "svg", "textarea", "select"))
_BLOCKS = frozenset(
    (
        *("address", "article", "aside", "blockquote", "body", "dd", "details", "div", "dl", "dt", "fieldset"),
        *("figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "html", "li"),
        *("main", "nav", "ol", "p", "pre", "section", "summary", "ul"),
    )
)
_VOID = frozenset(("br", "hr", "img", "input", "meta", "link", "col", "wbr"))
_SPACE = re.compile(r"[ \t\r\n\f]+")
_MOST_CELLS = 20_000


class Paragraph(NamedTuple):
    """A piece of text.

    Attributes:
        text: with line ends where the HTML has breaks.
    """

    text: str


class Table(NamedTuple):
    """A table.

    Attributes:
        head: the rows above; they may be none.
        rows: the others. Rows may differ in length.
    """

    head: tuple[tuple[str, ...], ...]
    rows: tuple[tuple[str, ...], ...]


def parse_html(html: str) -> list[Paragraph | Table]:
    """Return what a document or a part of one says, from top to bottom; any text is HTML."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.finished()


class _OpenTable:
    """A table that is being read: only the outermost one, what is in its cells is text."""

    def __init__(self) -> None:
        self.head: list[tuple[str, ...]] = []
        self.rows: list[tuple[str, ...]] = []
        self.row: list[str] | None = None
        self.is_head_row = True
        self.in_head = False
        self.cells = 0

    def end_row(self) -> None:
        if self.row:
            is_head = self.in_head or (self.is_head_row and not self.rows)
            (self.head if is_head else self.rows).append(tuple(self.row))
        self.row = None


class _Reader(HTMLParser):
    """Collects blocks."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._blocks: list[Paragraph | Table] = []
        self._parts: list[str] = []
        self._hidden: list[str] = []
        self._preformatted = 0
        self._table: _OpenTable | None = None
        self._nested = 0
        self._spans = 1
        self._in_cell = False
        self._lists: list[int | None] = []
        self._link = ""

    def finished(self) -> list[Paragraph | Table]:
        if self._table:
            self._end_table()
        self._end_paragraph()
        return self._blocks

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._hidden:
            if tag not in _VOID:
                self._hidden.append(tag)
            return
        values = {name: value or "" for name, value in attrs}
        if tag in _HIDDEN or "hidden" in values:
            if tag not in _VOID:
                self._hidden.append(tag)
        elif tag in ("table", "thead", "tbody", "tfoot", "tr", "td", "th", "caption"):
            self._start_of_table(tag, values)
        elif tag == "br":
            self._parts.append("\n")
        elif tag == "img":
            self._say(f"[{values.get('alt') or 'image'}]")
        elif tag in _BLOCKS:
            self._start_block(tag)
        elif tag == "a":
            self._link = values.get("href", "")

    def handle_endtag(self, tag: str) -> None:
        if self._hidden:
            if tag in self._hidden:
                while self._hidden.pop() != tag:
                    pass
        elif tag in ("table", "thead", "tbody", "tfoot", "tr", "td", "th", "caption"):
            self._end_of_table(tag)
        elif tag == "a" and self._link.startswith(("http://", "https://")):
            link, self._link = self._link, ""
            if link not in self._text():
                self._say(f" ({link})")
        elif tag in _BLOCKS:
            self._end_block(tag)

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self._say(data)

    def _start_block(self, tag: str) -> None:
        self._break()
        if tag in ("ul", "ol"):
            self._lists.append(0 if tag == "ol" else None)
        elif tag == "li":
            self._parts.append("  " * max(0, len(self._lists) - 1) + self._bullet())
        elif tag == "pre":
            self._preformatted += 1
        elif tag == "hr":
            self._parts.append("---")
            self._break()

    def _end_block(self, tag: str) -> None:
        if tag != "hr":
            self._break()
        if tag in ("ul", "ol") and self._lists:
            self._lists.pop()
        elif tag == "pre":
            self._preformatted = max(0, self._preformatted - 1)

    def _bullet(self) -> str:
        if not self._lists or self._lists[-1] is None:
            return "• "
        self._lists[-1] += 1
        return f"{self._lists[-1]}. "

    def _start_of_table(self, tag: str, values: dict[str, str]) -> None:
        if tag == "table":
            if self._table:
                self._nested += 1
                self._parts.append(" ")
                return
            self._end_paragraph()
            self._table = _OpenTable()
        elif self._table and not self._nested:
            self._start_of_cells(self._table, tag, values)

    def _start_of_cells(self, table: _OpenTable, tag: str, values: dict[str, str]) -> None:
        if tag == "thead":
            table.in_head = True
        elif tag == "tr":
            self._end_cell(table)
            table.end_row()
            table.row, table.is_head_row = [], True
        elif tag in ("td", "th"):
            self._end_cell(table)
            if table.row is None:
                table.row, table.is_head_row = [], True
            table.is_head_row = table.is_head_row and tag == "th"
            span = values.get("colspan", "")
            self._spans = min(int(span), 100) if span.isascii() and span.isdigit() and len(span) < 5 else 1
            self._parts, self._in_cell = [], True
            table.cells += 1

    def _end_of_table(self, tag: str) -> None:
        if not self._table:
            return
        if self._nested:
            self._nested -= tag == "table"
            self._parts.append(" ")
        elif tag == "table":
            self._end_table()
        elif tag == "thead":
            self._end_cell(self._table)
            self._table.end_row()
            self._table.in_head = False
        elif tag == "tr":
            self._end_cell(self._table)
            self._table.end_row()
        elif tag in ("td", "th"):
            self._end_cell(self._table)
        elif tag == "caption":
            caption, self._parts = " ".join(self._text().split()), []
            if caption:
                self._blocks.append(Paragraph(caption))

    def _end_cell(self, table: _OpenTable) -> None:
        if self._in_cell and table.row is not None and table.cells <= _MOST_CELLS:
            table.row.extend([" ".join(self._text().split()), *[""] * (self._spans - 1)])
        self._parts, self._in_cell = [], False

    def _end_table(self) -> None:
        table, self._table, self._nested = self._table, None, 0
        if table:
            self._end_cell(table)
            table.end_row()
            if table.head or table.rows:
                self._blocks.append(Table(tuple(table.head), tuple(table.rows)))
        self._parts = []

    def _say(self, text: str) -> None:
        self._parts.append(text if self._preformatted else _SPACE.sub(" ", text))

    def _break(self) -> None:
        if self._table:
            self._parts.append(" ")
        else:
            self._end_paragraph()

    def _end_paragraph(self) -> None:
        text = self._text()
        text = text.strip("\n") if self._preformatted else _tidy(text)
        self._parts = []
        if text.strip():
            self._blocks.append(Paragraph(text))

    def _text(self) -> str:
        return "".join(self._parts)


def _tidy(text: str) -> str:
    lines = [line if not index else line.lstrip() for index, line in enumerate(text.split("\n"))]
    return "\n".join(re.sub(r"(?<=\S) +", " ", line).rstrip() for line in lines).strip("\n")
