"""Text of a site in a form that cannot control a terminal, as it streams in (pure; ECMA-48, ISO 6429).

Escape sequences go, but for colours where they are wanted; so do the one-character controls of both sets, and the
Unicode marks that show text in another order than it has. Line ends, tabs, backspaces and carriage returns stay:
progress bars need them, and they reach no other line.
"""

from __future__ import annotations

import re

# Lengths are bounded, so that a sequence without an end does not swallow the rest; a line's end ends one as well.
_SEQUENCE = (
    r"\x1b\[[0-?]{0,64}[ -/]{0,8}[@-~]"  # control sequences
    r"|\x1b[\]PX^_][^\x07\x1b\n]{0,4096}(?:\x07|\x1b\\)?"  # strings: titles, links, clipboards, queries
    r"|\x1b[ -/]{1,8}[0-~]"
    r"|\x1b[0-OQ-WYZ\\`-~]"
)
_CONTROLS = r"[\x00-\x07\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
_UNSAFE = re.compile(f"{_SEQUENCE}|{_CONTROLS}")
_UNFINISHED = re.compile(r"\x1b(?:\[[0-?]{0,64}[ -/]{0,8}|[\]PX^_][^\x07\x1b\n]{0,4096}\x1b?|[ -/]{0,8})\Z")
_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
_RESET = re.compile(r"\x1b\[[0;]*m")
_RESET_COLOURS = "\x1b[0m"


class SafeText:
    """One stream of text on its way to a terminal; its parts may end anywhere.

    Args:
        colours: whether colours stay (SGR sequences).
    """

    def __init__(self, *, colours: bool) -> None:
        self._keeps_colours = colours
        self._held = ""
        self._is_coloured = False

    def feed(self, text: str) -> str:
        """Return what can be shown of the next part."""
        text = self._held + text
        unfinished = _UNFINISHED.search(text)
        self._held = unfinished[0] if unfinished else ""
        return _UNSAFE.sub(self._replacement, text[: len(text) - len(self._held)])

    def end(self) -> str:
        """Return what ends the text: the usual colours, where it leaves others."""
        self._held = ""
        was_coloured, self._is_coloured = self._is_coloured, False
        return _RESET_COLOURS if was_coloured else ""

    def _replacement(self, found: re.Match[str]) -> str:
        text = found[0]
        if len(text) == 1:
            return "?"
        if not (self._keeps_colours and _COLOUR.fullmatch(text)):
            return ""
        self._is_coloured = not _RESET.fullmatch(text)
        return text


def safe(text: str, *, colours: bool = False) -> str:
    """Return a whole text in a form that cannot control a terminal."""
    filtered = SafeText(colours=colours)
    return filtered.feed(text) + filtered.end()
