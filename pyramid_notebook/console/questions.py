"""What is typed for the console itself, and not for the kernel (pure)."""

from __future__ import annotations

import re
from typing import NamedTuple

_QUESTION = re.compile(r"\s*(?P<before>\?{0,2})\s*(?P<name>%{0,2}[^\W\d][\w.]*(?:\[\w+\])*)\s*(?P<after>\?{0,2})\s*")
_LEAVE = frozenset(("exit", "quit", "exit()", "quit()"))


class Question(NamedTuple):
    """What somebody wants to know.

    Attributes:
        name: about what.
        detail: 0 for one question mark, 1 for two, which show the source as well.
    """

    name: str
    detail: int


def question_of(line: str) -> Question | None:
    """Return what a line asks, as ``name?``, ``name??``, ``?name`` or ``??name``; None where it is code."""
    found = _QUESTION.fullmatch(line)
    if not found or bool(found["before"]) == bool(found["after"]):
        return None
    return Question(found["name"], len(found["before"] + found["after"]) - 1)


def is_leaving(line: str) -> bool:
    """Tell whether a line ends the console, as it ends IPython."""
    return line.strip() in _LEAVE


def seems_complete(text: str) -> bool:
    """Tell whether code looks whole, where the kernel has no time to say so: after a line that is empty.

    Args:
        text: what has been typed.
    """
    lines = text.rstrip(" \t").split("\n")
    if len(lines) > 1:
        return not lines[-1].strip()
    line = lines[0].rstrip()
    brackets = sum(line.count(mark) for mark in "([{") - sum(line.count(mark) for mark in ")]}")
    return brackets <= 0 and not line.endswith((":", "\\")) and not line.lstrip().startswith(("@", "%%"))
