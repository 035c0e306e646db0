"""Markdown and raw cells of a script: text in comments, or in quotes (pure)."""

from __future__ import annotations

import re
from functools import cache

from .header import uncommented
from .languages import Language
from .markers import marker_at_line, marker_pattern

_QUOTE = re.compile(r"\s*+([rR]?(?:\"\"\"|'''))")
_FENCE = re.compile(r" {0,3}(`{3,}+|~{3,}+)([^\n]*+)")


def prose(text: str, language: Language, *, quotes: bool = True) -> str:
    """Return the text of a cell without its comments or quotes.

    Args:
        text: what stands below the marker.
        language: of the script.
        quotes: whether the cell may be a string.
    """
    quote = opening_quote(text, 0, language) if quotes else ""
    if quote:
        stripped = text.strip()
        if len(stripped) >= len(quote) + 3 and stripped.endswith(quote[-3:]):
            return stripped[len(quote) : -3].removeprefix("\n").removesuffix("\n")
    text = _escaped_marker(language).sub("", text)
    if language.comment_end:
        return "\n".join(uncommented(line, language) for line in text.split("\n"))
    return _comment(language.comment).sub("", text)


def opening_quote(text: str, position: int, language: Language) -> str:
    """Return the quote, with its prefix, that a text begins with, or an empty text if it is no string (Python)."""
    found = _QUOTE.match(text, position) if language.name == "python" else None
    return found[1] if found else ""


def commented(source: str, language: Language, *, fences: bool = True) -> str:
    """Return a text as comments, of which `prose` gives the text back.

    Args:
        source: of a cell.
        language: of the script.
        fences: whether what looks like a marker can stand in a fenced block.
    """
    comment, end = language.comment, language.comment_end
    behind = f" {end}" if end else ""
    lines = [f"{comment} {line}{behind}" if line else f"{comment}{behind}" for line in source.split("\n")]
    text = "\n".join(lines) if source else ""
    found = marker_at_line(language).search(text)
    hidden = found is None or (fences and Fences(text, language).outside(0, found) is None)
    if hidden and prose(text, language, quotes=False) == source:
        return text
    return _to_escape(language).sub(rf"{comment} \g<0>", text)


def quoted(source: str, quote: str) -> str | None:
    """Return a text as a string of Python, or None if it cannot be one."""
    if quote[-3:] in source:
        return None
    raw = "r" if "\\" in source and quote[0] not in "rR" else ""
    return f"{raw}{quote}\n{source}\n{quote[-3:]}"


@cache
def _comment(comment: str) -> re.Pattern[str]:
    return re.compile(rf"^{re.escape(comment)} ?", re.MULTILINE)


@cache
def _escaped_marker(language: Language) -> re.Pattern[str]:
    comment = re.escape(language.comment)
    return re.compile(rf"^{comment} (?=(?:{comment} )*{marker_pattern(language)})", re.MULTILINE)


@cache
def _to_escape(language: Language) -> re.Pattern[str]:
    return re.compile(rf"^(?:{re.escape(language.comment)} )*{marker_pattern(language)}", re.MULTILINE)


class Fences:
    """Fenced blocks of Markdown in a script, in which a marker is none.

    They count as far as they close in the same run of comments: who is just typing a fence must not lose the cells
    below.

    Args:
        text: the script.
        language: of the script.
    """

    def __init__(self, text: str, language: Language) -> None:
        self.text, self.language = text, language
        self.marker = marker_at_line(language)
        self._unclosed: dict[str, tuple[int, int]] = {}

    def outside(self, position: int, found: re.Match[str] | None) -> re.Match[str] | None:
        """Return the next marker of a cell of prose that no fenced block holds.

        Args:
            position: offset behind the cell's own marker.
            found: the next line that looks like a marker.
        """
        while found is not None:
            before = self.text[position : found.start()]
            fence = self._open(before) if "```" in before or "~~~" in before else None
            closed = self._behind(found.start(), fence) if fence else -1
            if closed < 0:
                return found
            position = closed
            found = self.marker.search(self.text, position)
        return None

    def _open(self, text: str) -> tuple[str, int] | None:
        """Return character and length of the fence that is open at the end of a text."""
        fence: tuple[str, int] | None = None
        for line in text.split("\n")[:-1]:
            if not line.startswith(self.language.comment):
                fence = None
                continue
            found = _FENCE.fullmatch(uncommented(line, self.language))
            if found is None:
                continue
            if fence is None:
                fence = None if found[1][0] == "`" and "`" in found[2] else (found[1][0], len(found[1]))
            elif _closes(found, fence):
                fence = None
        return fence

    def _behind(self, position: int, fence: tuple[str, int]) -> int:
        """Return the offset behind the line that closes a fence, -1 if none does before the comments end."""
        character, length = fence
        known_length, known_end = self._unclosed.get(character, (0, -1))
        if position < known_end and length >= known_length:
            return -1
        while self.text.startswith(self.language.comment, position):
            end = self.text.find("\n", position)
            end = len(self.text) if end < 0 else end
            found = _FENCE.fullmatch(uncommented(self.text[position:end], self.language))
            if found is not None and _closes(found, fence):
                return end
            position = end + 1
        self._unclosed[character] = length, position
        return -1


def _closes(found: re.Match[str], fence: tuple[str, int]) -> bool:
    return found[1][0] == fence[0] and len(found[1]) >= fence[1] and not found[2].strip()
