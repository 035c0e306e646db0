"""What the console says itself, in colours; and code, in those of its language."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from ..sync.client.safe_text import safe

_NOTE, _PROMPT, _RESULT, _RESET = "\x1b[2m", "\x1b[34m", "\x1b[31m", "\x1b[0m"
_MOST_CODE = 100_000


class Painter:
    """Paints text for a terminal.

    Args:
        language: name of the kernel's language, and of its lexer.
        has_colours: whether the terminal has any.
    """

    def __init__(self, language: str, *, has_colours: bool) -> None:
        self._language = language
        self.has_colours = has_colours

    def note(self, text: str) -> str:
        """Return what the console tells; nothing in it can control the terminal."""
        return self._in(_NOTE, safe(text))

    def prompt(self, text: str) -> str:
        """Return the prompt of somebody else's input."""
        return self._in(_PROMPT, safe(text))

    def result(self, text: str) -> str:
        """Return what stands before a result."""
        return self._in(_RESULT, safe(text))

    def code(self, text: str) -> str:
        """Return code, which must be safe already, with its syntax in colours."""
        if not self.has_colours or not text or len(text) > _MOST_CODE:
            return text
        from pygments import highlight

        painted: str = highlight(text, self.lexer, self._formatter)
        return painted.rstrip("\n")

    @cached_property
    def lexer(self) -> Any:
        """The lexer of pygments for the language; the one for plain text where there is none."""
        return lexer_of(self._language)

    @cached_property
    def _formatter(self) -> Any:
        from pygments.formatters.terminal import TerminalFormatter

        return TerminalFormatter()

    def _in(self, colour: str, text: str) -> str:
        return f"{colour}{text}{_RESET}" if self.has_colours else text


def lexer_of(language: str) -> Any:
    """Return the lexer of a language, by the name that a kernel says."""
    if language.startswith(("ipython", "python")):
        from pygments.lexers.python import PythonLexer

        return PythonLexer(stripnl=False)
    from pygments.lexers import get_lexer_by_name
    from pygments.lexers.special import TextLexer
    from pygments.util import ClassNotFound

    try:
        return get_lexer_by_name(language, stripnl=False)
    except ClassNotFound:
        return TextLexer(stripnl=False)
