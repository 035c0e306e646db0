"""What a terminal would show of a text with carriage returns and backspaces, as Jupyter's pages do (pure)."""

from __future__ import annotations

import re

_STEPS = re.compile("([\n\r\b])")


def overtype(line: str, column: int, text: str) -> tuple[str, int]:
    """Print a text at a place of the last line.

    A carriage return goes back to the line's begin and a backspace one character back; neither erases anything, and
    what comes then is written over what is there. A line feed goes on behind the whole line.

    Args:
        line: the last line so far, without line feeds.
        column: characters of it before the cursor.
        text: what is printed.

    Returns:
        What now stands in place of the line, which may be several lines, and the cursor's column in the last one.
    """
    if "\r" not in text and "\b" not in text and column == len(line):
        shown = line + text
        return shown, len(shown) - shown.rfind("\n") - 1
    done: list[str] = []
    characters = list(line)
    for step in _STEPS.split(text):
        if step == "\n":
            done += [*characters, step]
            characters, column = [], 0
        elif step == "\r":
            column = 0
        elif step == "\b":
            column = max(0, column - 1)
        else:
            characters[column : column + len(step)] = step
            column += len(step)
    return "".join(done + characters), column
