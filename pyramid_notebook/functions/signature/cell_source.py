"""Cells as IPython takes them, read as Python (pure)."""

from __future__ import annotations

import ast
import re
import tokenize

from ...errors import NotAFunction

#: Characters that may be parsed to find the magics of a cell, each of which needs one more look.
_MOST_PARSED = 3_000_000
_NEWLINE = re.compile(r"\r\n|\r|\n")
#: IPython takes the indentation of the first line away from all.
_INDENT = re.compile(r"(?:[ \t]*[\r\n]+)*([ \t]+)\S")
#: What IPython understands and Python doesn't: magics, shell lines, help, automatic calls, and assignments of them.
_MAGIC = re.compile(r"[ \t]*(?:[^\W\d][\w., \t]*=[ \t]*)?[%!?/,;]|.*\?[ \t]*$")
_CELL_MAGIC = re.compile(r"[ \t]*%%[ \t]*(\w*)")
#: Cell magics that run a cell as Python, in the notebook's own namespace.
_PYTHON_MAGICS = frozenset(("capture", "prun", "time"))


def parse(source: str, place: str = "A cell") -> tuple[ast.Module, str]:
    """Return a cell's tree and its source without what only IPython understands, line for line.

    Raises:
        NotAFunction: it is no Python.
    """
    indent = _INDENT.match(source)
    lines = [line.removeprefix(indent.group(1) if indent else "") for line in _NEWLINE.split(source)]
    for _ in range(_MOST_PARSED // (len(source) + 1000)):
        text = "\n".join(lines)
        try:
            return ast.parse(text), text
        except SyntaxError as error:
            number = (error.lineno or 0) - 1
            if not 0 <= number < len(lines) or not _MAGIC.match(lines[number]):
                raise NotAFunction(f"{place}, line {number + 1}: {error.msg[:200]}.") from None
            _check_cell_magic(lines[number], place)
            _take_out(lines, number)
        except (ValueError, RecursionError, MemoryError):
            raise NotAFunction(
                f"{place} is no Python: it has characters that no text has, or is nested too deeply."
            ) from None
    raise NotAFunction(f"{place} is too long, or has too many lines with magics.")


def _check_cell_magic(line: str, place: str) -> None:
    magic = _CELL_MAGIC.match(line)
    if magic and magic.group(1) not in _PYTHON_MAGICS:
        raise NotAFunction(f"{place} is a cell of %%{magic.group(1)[:50]}: parameters must be Python.")


def _take_out(lines: list[str], number: int) -> None:
    line = lines[number]
    lines[number] = line[: len(line) - len(line.lstrip())] + "pass"
    while line.endswith("\\") and number + 1 < len(lines):
        number += 1
        line, lines[number] = lines[number], ""


def comments(text: str) -> dict[int, str]:
    """Return the comments that stand behind code, by the number of their line."""
    found: dict[int, str] = {}
    lines = iter([f"{line}\n" for line in text.split("\n")])
    try:
        for token in tokenize.generate_tokens(lines.__next__):
            if token.type == tokenize.COMMENT and token.line[: token.start[1]].strip():
                found[token.start[0]] = token.string.lstrip("#: ").rstrip()
    except (tokenize.TokenError, SyntaxError):
        pass
    return found
