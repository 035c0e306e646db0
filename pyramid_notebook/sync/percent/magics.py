"""Lines of a notebook that are for its kernel: comments in a script, code in the notebook (pure).

As jupytext does it, ``%time f()`` of a notebook is ``# %time f()`` in a script, and what is such a comment in a
notebook gets one more ``# ``. Not everything that IPython understands is taken for such a line: ``# rm the old
results`` is what people write about their code, and must not become a command.
"""

from __future__ import annotations

import re
from functools import cache

from .languages import Language, Magics
from .lexing import Scan
from .markers import marker_at_line, marker_pattern

_PERCENT = r"%{1,3}[a-zA-Z](?![^\n]*COMMENT[^\S\n]*+noescape)"
_CORES = {
    Magics.NONE: "(?!)",
    Magics.PERCENT: _PERCENT,
    Magics.RUST: ":[a-zA-Z]",
    Magics.CSHARP: "#![a-zA-Z]",
    Magics.GO: r"(?:!\*?|%{1,3})[a-zA-Z]",
    Magics.IPYTHON: "|".join(
        (
            _PERCENT,
            r"[?!][^\S\n]*+[A-Za-z.~$\\/{}]",
            r"[a-zA-Z_][a-zA-Z_$0-9]*+[^\S\n]*+=[^\S\n]*+(?:%{1,3}|!)[a-zA-Z]",
            r"%{0,2}[\w.*]++\?{1,2}[^\S\n]*+(?=\n|\Z)",
            # commands that no sentence begins with, with one word at most
            r"(?:cd|ls|ldir|ddir|mkdir|rmdir)(?:[^\S\n]++(?![=,])[^\s]++)?[^\S\n]*+(?=\n|\Z)",
            # others, where the first argument looks like one: an option, a path, a pattern, a variable
            r"(?:cat|cd|cp|mv|rm|rmdir|mkdir|copy|ddir|echo|ls|ldir|ren)[^\S\n]++(?:[-./~*$\\\"'{]|[^\s=,][^\s]*?[/*\\]"
            r"|[^\s=,][^\s]*?\.\w)",
        )
    ),
}
_INDENT = re.compile(r"[^\S\n]*+")
#: A command of GoNB that is a marker in a script, and how jupytext writes it there.
_GO_COMMAND = re.compile(r"^((?://[^\S\n]*+)*?)(%%[^\S\n]*+$|%%[^\S\n]++-|(?://[^\S\n]*+gonb:)+%%)", re.MULTILINE)
_GO_WRITTEN = re.compile(r"^((?://[^\S\n]*+)*?)//[^\S\n]*+gonb:(?=(?://[^\S\n]*+gonb:)*+%%)", re.MULTILINE)


@cache
def magic_pattern(language: Language) -> re.Pattern[str]:
    """Return what matches, at a comment that only blanks are before, a magic of the notebook."""
    return re.compile(rf"(?:{re.escape(language.comment)} ?)+(?:{_core(language)})")


@cache
def escaped_pattern(language: Language) -> re.Pattern[str]:
    """Return what matches, at the start of a line, such a magic, or what would else be a marker."""
    marker = rf"(?:{re.escape(language.comment)} )+{marker_pattern(language)}"
    return re.compile(rf"{magic_pattern(language).pattern}|{marker}")


@cache
def _to_escape(language: Language) -> re.Pattern[str]:
    core, comment = _core(language), re.escape(language.comment)
    marker = rf"(?:{comment} )*{marker_pattern(language)}"
    return re.compile(rf"^(?:[^\S\n]*+(?:{comment} ?)*(?:{core})|{marker})", re.MULTILINE)


def _core(language: Language) -> str:
    return _CORES[language.magics].replace("COMMENT", re.escape(language.comment))


def _continues(line: str, language: Language) -> bool:
    return language.magics is Magics.IPYTHON and line.rstrip().endswith("\\")


def unescaped(text: str, start: int, end: int, comments: list[int], language: Language) -> str:
    """Return code as the notebook has it.

    Args:
        text: a script.
        start: offset of the code in it.
        end: offset behind it.
        comments: offsets of the comments that `escaped_pattern` matches, ascending.
        language: of the script.
    """
    pieces: list[str] = []
    position = start
    for comment in comments:
        if comment < position:  # it continues a line above
            continue
        pieces.append(text[position:comment])
        position = comment
        while True:
            position += len(language.comment)
            position += text.startswith(" ", position, end)
            line_end = text.find("\n", position, end)
            line_end = end if line_end < 0 else line_end
            line = text[position:line_end]
            pieces.append(line)
            position = line_end
            below = _behind_indent(text, line_end + 1)
            if not (_continues(line, language) and text.startswith(language.comment, below, end)):
                break
            pieces.append(text[line_end:below])
            position = below
    pieces.append(text[position:end])
    whole = "".join(pieces)
    return _GO_WRITTEN.sub(r"\1", whole) if language.magics is Magics.GO else whole


def escaped(source: str, language: Language, *, plain: bool = False) -> tuple[str, bool]:
    """Return code as a script has it, and whether it is whole: all that it begins it ends.

    Args:
        source: of a cell.
        language: of the script.
        plain: whether magics stay as they are, as far as they can.
    """
    if language.magics is Magics.GO:
        source = _GO_COMMAND.sub(r"\1//gonb:\2", source)
    scan = Scan(source, language.syntax)
    candidates = [match.start() for match in _to_escape(language).finditer(source)]
    if plain:
        comment = language.comment
        candidates = [start for start in candidates if source.startswith(comment, _behind_indent(source, start))]
    candidates.append(len(source) + 1)
    pieces: list[str] = []
    position = number = 0
    while True:
        start = candidates[number]
        inside = next((token for token in scan.tokens(position, start) if token.end > start), None)
        if inside is not None:
            position, copied = inside.end, position
            pieces.append(source[copied:position])
            while candidates[number] < position:
                number += 1
            continue
        if start > len(source):
            break
        pieces.append(source[position:start])
        position = _escape_line(source, start, language, pieces)
        while candidates[number] < position:
            number += 1
    pieces.append(source[position:])
    return "".join(pieces), not scan.unclosed


def _behind_indent(text: str, start: int) -> int:
    found = _INDENT.match(text, start)
    return found.end() if found else start


def _escape_line(source: str, start: int, language: Language, pieces: list[str]) -> int:
    """Add a line, and those that continue it, to the pieces; return the offset behind them."""
    bare = _behind_indent(source, start)
    while True:
        end = source.find("\n", start) + 1 or len(source)
        pieces.append(f"{source[start:bare]}{language.comment} {source[bare:end]}")
        continued = f"{language.comment} {source[end : source.find(chr(10), end) + 1 or len(source)]}"
        is_last = end == len(source) or not _continues(source[start:end], language)
        if is_last or marker_at_line(language).match(continued):
            return end
        start = bare = end
