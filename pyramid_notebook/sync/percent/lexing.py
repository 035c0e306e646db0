"""Where the lines of a program's text begin in code, and where in a string or a comment of several lines (pure).

Not a lexer of any language: it knows what can hide a line that looks like the start of a cell. A text that is just
being typed has strings without an end; such a string hides nothing, or all cells below it would be gone.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import cache
from types import EllipsisType
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Span:
    """Something that reaches over line ends: a string, a block comment, a here-document.

    Attributes:
        open: regular expression of its beginning, with one group at most.
        close: text that ends it, where ``{}`` stands for what the group took; empty if `open` takes all of it.
        escape: the character before one that loses its meaning, or empty.
        alone: whether `close` stands alone on a line, but for blanks.
        is_comment: whether it counts as a comment where it ends on its line.
    """

    open: str
    close: str = ""
    escape: str = ""
    alone: bool = False
    is_comment: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Syntax:
    """What a scan has to know of a language.

    Attributes:
        starts: every character that one of the following can begin with.
        comment: regular expression, without groups, of a comment that ends with its line; empty if there is none.
        spans: what reaches over line ends; the first that fits is taken.
        simple: regular expressions, without groups, of what ends on its line: strings, characters.

    Spans that have a `close` are tried before comments, those before what is simple, that before other spans.
    """

    starts: str
    comment: str
    spans: tuple[Span, ...] = ()
    simple: tuple[str, ...] = ()


class Token(NamedTuple):
    """A comment, or something that may reach over line ends, between two offsets."""

    start: int
    end: int
    is_comment: bool


#: Lines that hold one word, as those that end a here-document.
_ALONE = re.compile(r"\n[^\S\n]*+(\w++)[^\S\n]*+(?=\n|\Z)")


@cache
def _pattern(syntax: Syntax) -> tuple[re.Pattern[str], dict[int, Span | None]]:
    """Return an expression that always matches, and what its groups stand for (None: a comment)."""
    parts: list[str] = []
    groups: dict[int, Span | None] = {}
    number = 0
    for opening, span in (
        *((span.open, span) for span in syntax.spans if span.close),
        (syntax.comment or "(?!)", None),
        *((simple, ...) for simple in syntax.simple),
        *((span.open, span) for span in syntax.spans if not span.close),
    ):
        if isinstance(span, EllipsisType):
            parts.append(opening)
            continue
        parts.append(f"({opening})")
        groups[number + 1] = span
        number += re.compile(parts[-1]).groups
    # the last two keep the search linear: whatever else begins so, and the end
    parts += [".", r"\Z"]
    return re.compile(f"[^{re.escape(syntax.starts)}]*+(?:{'|'.join(parts)})", re.DOTALL | re.MULTILINE), groups


@cache
def _ending(close: str, escape: str) -> re.Pattern[str]:
    return re.compile(f"{re.escape(escape)}.|({re.escape(close)})", re.DOTALL)


class Scan:
    """One reading of one text.

    Args:
        text: the text, with ``\\n`` between lines.
        syntax: of its language.

    Attributes:
        unclosed: whether something was met that never ends.
    """

    def __init__(self, text: str, syntax: Syntax) -> None:
        self.text = text
        self.unclosed = False
        self._pattern, self._groups = _pattern(syntax)
        self._given_up: set[int] = set()

    def tokens(self, position: int, stop: int | None = None) -> Iterator[Token]:
        """Yield comments and what may reach over line ends.

        Args:
            position: offset that is in code.
            stop: offset from which on none begins; the end of the text without it.
        """
        last = len(self.text) if stop is None else stop
        following: int | None = position
        while following is not None:
            following = yield from self._tokens_until_span(following, last)

    def _tokens_until_span(self, position: int, stop: int) -> Generator[Token, None, int | None]:
        """Yield tokens until one has reached over line ends; return where it ended."""
        groups, given_up = self._groups, self._given_up
        for match in self._pattern.finditer(self.text, position):
            kind = match.lastindex
            if kind is None or kind in given_up:
                continue
            if match.start(kind) >= stop:
                return None
            span = groups[kind]
            if span is None:
                yield Token(match.start(kind), match.end(), True)
                continue
            end = self._end(span, match, kind)
            if end is not None:
                start = match.start(kind)
                yield Token(start, end, span.is_comment and self.text.find("\n", start, end) < 0)
                return end
            given_up.add(kind)  # whoever looks again for what is not there takes quadratic time
            self.unclosed = True
        return None

    def _end(self, span: Span, match: re.Match[str], kind: int) -> int | None:
        """Return the offset behind a span, or None if it never ends."""
        if not span.close:
            return match.end()
        position = match.end()
        inner = match[kind + 1] if "{}" in span.close else ""
        if span.alone:
            return next((found.end() for found in _ALONE.finditer(self.text, position) if found[1] == inner), None)
        if span.escape:
            endings = _ending(span.close, span.escape).finditer(self.text, position)
            return next((found.end() for found in endings if found[1] is not None), None)
        close = span.close.replace("{}", inner)
        found = self.text.find(close, position)
        return None if found < 0 else found + len(close)
