"""What stands above the cells of a script: ``#!``, an encoding, a YAML header as jupytext writes it (pure).

Of YAML only lines ``key: value`` are read, which is all that there is of what we need; nothing raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from .languages import Language, without_magics

_RULE = re.compile(r"---\s*")
_JUPYTER = re.compile(r"jupyter\s*:\s*")
_KEY = re.compile(r"( *+)([\w.-]++)\s*+:(?:\s++(.*))?", re.ASCII)
_NOTEBOOK = re.compile(r"\s*jupyter\s*:\s*notebook\s*[:=]([^\n]+)")
_ENCODING = re.compile(r"[ \t\f]*+(?:#|//|--|;;|%|/|\(\*|/\*|;)[^\n]*?coding[:=][ \t]*+[-\w.]", re.ASCII)


@dataclass(frozen=True, slots=True)
class Header:
    """What was found.

    Attributes:
        end: offset of what follows, in the text with ``\\n`` between lines.
        front_matter: what the YAML header holds beside its part ``jupyter``; a cell of the notebook, as with jupytext.
        without_front_matter: the text of the header without that.
        values: of the part ``jupyter``, by their path: ``("kernelspec", "name")``.
        notebook: which notebook the file names as its own, or empty.
    """

    end: int = 0
    front_matter: str = ""
    without_front_matter: str = ""
    values: Mapping[tuple[str, ...], str] = field(default_factory=dict)
    notebook: str = ""

    def dialect(self, language: Language) -> Language:
        """Return the language as this script writes it: jupytext's ``hydrogen`` leaves magics as they are."""
        comments = self.values.get(("jupytext", "comment_magics"), "").lower()
        form = self.values.get(("jupytext", "text_representation", "format_name"))
        return without_magics(language) if comments == "false" or form == "hydrogen" else language


def uncommented(line: str, language: Language) -> str:
    """Return a line without the comment that it is, if it is one."""
    if not line.startswith(language.comment):
        return line
    line = line[len(language.comment) :].removeprefix(" ")
    end = language.comment_end
    return line.rstrip().removesuffix(end).removesuffix(" ") if end and line.rstrip().endswith(end) else line


def notebook_line(line: str, language: Language) -> str:
    """Return the notebook that a line ``# jupyter: notebook: name.ipynb`` names, or an empty text."""
    found = _NOTEBOOK.fullmatch(uncommented(line, language)) if line.startswith(language.comment) else None
    return found[1].strip().strip("\"'") if found else ""


def read_header(text: str, language: Language, marker: re.Pattern[str]) -> Header:
    """Return the header of a script.

    Args:
        text: the script, with ``\\n`` between lines.
        language: of the script.
        marker: what the first line of a cell matches; it is never part of the header.
    """
    start = _preamble(text, language, marker)
    found = _yaml(text, start, language)
    if found is None:
        return Header(start, without_front_matter=text[:start])
    lines, end = found
    contents = [uncommented(line, language) for line in lines]
    ours = _jupyter_lines(contents)
    others = [content for number, content in enumerate(contents[1:-1], 1) if number not in ours]
    kept = [lines[0], *(lines[number] for number in ours), lines[-1], ""] if ours else []
    values = dict(_values([contents[number] for number in ours]))
    return Header(
        end,
        "\n".join(["---", *others, "---"]) if any(map(str.strip, others)) else "",
        text[:start] + "\n".join(kept),
        values,
        values.get(("notebook",), ""),
    )


def _preamble(text: str, language: Language, marker: re.Pattern[str]) -> int:
    """Return the offset behind ``#!`` and the encoding (PEP 263)."""
    start = 0
    for line, end in _lines(text, 0):
        if end == 0 or marker.match(text, start):
            break
        is_program = start == 0 and line.startswith("#!")
        if not is_program and _ENCODING.match(line) and line.lstrip(" \t\f").startswith(language.comment):
            return end
        if not is_program:
            break
        start = end
    return start


def _lines(text: str, position: int) -> Iterator[tuple[str, int]]:
    """Yield lines without their ends, and the offset behind each."""
    while position < len(text):
        end = text.find("\n", position)
        end = len(text) if end < 0 else end
        yield text[position:end], min(end + 1, len(text))
        position = end + 1


def _yaml(text: str, start: int, language: Language) -> tuple[list[str], int] | None:
    """Return the lines of a YAML header, with both rules, and the offset behind it."""
    lines: list[str] = []
    for line, end in _lines(text, start):
        if not line.startswith(language.comment):
            return None
        content = uncommented(line, language)
        is_rule = _RULE.fullmatch(content) is not None
        if lines or is_rule:
            lines.append(line)
        elif content.strip():
            return None
        if is_rule and len(lines) > 1:
            return lines, end
    return None


def _jupyter_lines(contents: list[str]) -> list[int]:
    """Return the numbers of the lines of the part ``jupyter``."""
    found: list[int] = []
    inside = False
    for number, content in enumerate(contents[1:-1], 1):
        if _JUPYTER.fullmatch(content):
            inside = True
        elif content and not content[0].isspace():
            inside = False
        if inside:
            found.append(number)
    return found


def _values(contents: list[str]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the plain values of nested mappings, by their path below the first key."""
    path: list[tuple[int, str]] = []
    for content in contents:
        found = _KEY.match(content)
        if found is None:
            continue
        indent, value = len(found[1]), (found[3] or "").strip()
        while path and path[-1][0] >= indent:
            path.pop()
        path.append((indent, found[2]))
        if value:
            yield tuple(key for _, key in path[1:]), _scalar(value)


def _scalar(value: str) -> str:
    if value[0] in "\"'" and value.find(value[0], 1) > 0:
        return value[1 : value.find(value[0], 1)]
    return value.partition(" #")[0].rstrip()
