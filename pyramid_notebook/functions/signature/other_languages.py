"""The parameters of notebooks of other languages, as the Python that declares the same (pure).

A line at the left edge that gives a name a literal declares a parameter, the comment behind it describes it, and
everything else just runs; :mod:`.declarations` has the same rule for Python. So all languages have one way from a cell
to a signature: ``Signature.of(declared(language, sources))``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_ESCAPE = re.compile(r"\\(.)")
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", **{letter: letter for letter in "\\\"'$"}}
#: Lists within lists that are looked at.
_MOST_LEVELS = 20
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_TOKEN = re.compile(
    rf"""[ \t]*(?:
        (?P<number>{_NUMBER})L?(?![\w.])
        | "(?P<double>(?:[^"\\]|\\.)*)"
        | '(?P<single>(?:[^'\\]|\\.)*)'
        | (?P<open>\[|list\()
        | (?P<close>[\])])
        | (?P<comma>,)
        | (?P<word>[A-Za-z]+)(?![\w.(\[])
    )[ \t]*""",
    re.VERBOSE | re.ASCII,
)
#: A word of bash that means itself, whatever the variables and files are.
_BASH_WORD = re.compile(
    r"""[ \t]*(?:'(?P<single>[^']*)'|"(?P<double>[^"\\$`]*)"|(?P<bare>[\w./:@%+,-]+))(?=[ \t)]|$)"""
)


class _NoLiteral(Exception):
    """Something else than a literal; such a line just runs."""


@dataclass(frozen=True, slots=True)
class _Language:
    """How a language gives names values.

    Attributes:
        start: everything up to the value, with the name as its only group.
        comment: what begins a comment.
        words: literals that are words.
        computed: characters that make more of a text in double quotes than it says.
        single: whether texts may stand in single quotes.
    """

    start: str
    comment: str
    words: Mapping[str, Any]
    computed: str = ""
    single: bool = True


_NAME = r"([A-Za-z_]\w*)"
_SMALL = {"true": True, "false": False}
_LANGUAGES = {
    "bash": _Language(rf"{_NAME}=", "#", _SMALL),
    "r": _Language(rf"{_NAME}[ \t]*(?:<-|=(?!=))", "#", {"TRUE": True, "FALSE": False, "NULL": None}),
    "julia": _Language(
        rf"{_NAME}[ \t]*(?:::[ \t]*\w+[ \t]*)?=(?!=)", "#", {**_SMALL, "nothing": None}, computed="$", single=False
    ),
    # a const cannot get another value
    "javascript": _Language(rf"(?:(?:let|var)[ \t]+)?{_NAME}[ \t]*=(?!=)", "//", {**_SMALL, "null": None}),
}


def declared(language: str, sources: Sequence[str]) -> tuple[str, ...]:
    """Return cells of Python that declare what cells of another language declare, one for each.

    Args:
        language: of the kernel, in lower case; where nobody knows how it gives values, nothing is declared.
        sources: of the cells with parameters.
    """
    grammar = _LANGUAGES.get(language)
    if grammar is None:
        return ("",) * len(sources)
    read: Callable[[_Language, str], tuple[Any, str]] = _read_bash if language == "bash" else _read
    return tuple("\n".join(_line(grammar, line, read) for line in source.splitlines()) for source in sources)


def _line(language: _Language, line: str, read: Callable[[_Language, str], tuple[Any, str]]) -> str:
    start = re.match(language.start, line, re.ASCII)
    if start is None:
        return ""
    try:
        value, rest = read(language, line[start.end() :])
    except _NoLiteral:
        return ""
    rest = rest.strip().removeprefix(";").strip()
    if rest and not rest.startswith(language.comment):
        return ""
    comment = rest.removeprefix(language.comment).strip()
    return f"{start[1]} = {value!r}" + (f"  # {comment}" if comment else "")


def _read(language: _Language, text: str, level: int = 0) -> tuple[Any, str]:
    """Return the literal with which a text begins, and what is behind it."""
    found = _TOKEN.match(text)
    if found is None:
        raise _NoLiteral
    rest = text[found.end() :]
    if found["number"] is not None:
        return _number(found["number"]), rest
    if found["double"] is not None or (found["single"] is not None and language.single):
        return _unescaped(language, found), rest
    if found["open"] and level < _MOST_LEVELS:
        return _items(language, rest, level + 1)
    if found["word"] in language.words:
        return language.words[found["word"]], rest
    raise _NoLiteral


def _items(language: _Language, text: str, level: int) -> tuple[list[Any], str]:
    items: list[Any] = []
    while True:
        found = _TOKEN.match(text)
        if found is None:
            raise _NoLiteral
        if found["close"]:
            return items, text[found.end() :]
        if items:
            if not found["comma"]:
                raise _NoLiteral
            text = text[found.end() :]
        item, text = _read(language, text, level)
        items.append(item)


def _unescaped(language: _Language, found: re.Match[str]) -> str:
    text = found["single"] if found["double"] is None else found["double"]
    if any(letter in language.computed for letter in re.sub(r"\\.", "", text)):
        raise _NoLiteral
    if not all(letter in _ESCAPED for letter in _ESCAPE.findall(text)):
        raise _NoLiteral
    return _ESCAPE.sub(lambda escape: _ESCAPED[escape[1]], text)


def _read_bash(language: _Language, text: str) -> tuple[Any, str]:
    if not text.startswith("("):
        return _bash_word(language, text) if text.strip() else ("", "")
    items, text = [], text[1:]
    while not text.lstrip(" \t").startswith(")"):
        item, text = _bash_word(language, text)
        items.append(item)
    return items, text.lstrip(" \t")[1:]


def _bash_word(language: _Language, text: str) -> tuple[Any, str]:
    found = _BASH_WORD.match(text)
    if found is None:
        raise _NoLiteral
    rest, bare = text[found.end() :], found["bare"]
    if bare is None:
        return found["single"] or found["double"] or "", rest
    if bare in language.words:
        return language.words[bare], rest
    return _number(bare) if re.fullmatch(_NUMBER, bare) else bare, rest


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)
