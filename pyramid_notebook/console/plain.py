"""The prompt of a terminal that can do nothing but show text (``TERM=dumb``)."""

from __future__ import annotations

from getpass import getpass

from ..client.session import Session
from ..sync.client.safe_text import safe
from .continuing import more_of
from .screen import Screen


class PlainPrompt:
    """Asks line by line.

    Args:
        session: with the kernel.
        screen: where.
    """

    def __init__(self, session: Session, screen: Screen) -> None:
        self._session = session
        self._screen = screen

    def code(self) -> str:
        """Return what was typed.

        Raises:
            EOFError: nothing will be any more.
            KeyboardInterrupt: it was given up.
        """
        prompt = f"In [{self._session.count + 1}]: "
        more = "...: ".rjust(len(prompt))
        with self._screen.typing(None):
            text = input(prompt)
            while (indent := more_of(self._session, text)) is not None:
                line = input(more + indent)
                text += f"\n{indent if line.strip() else ''}{line}"
        return text

    def answer(self, prompt: str, execution: str, *, is_password: bool) -> str:
        """Return what was typed for an ``input()``; raises as :meth:`code`. Nothing but a line ends it."""
        ask = getpass if is_password else input
        with self._screen.typing(None):
            return ask(safe(prompt))
