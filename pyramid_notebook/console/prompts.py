"""The prompt: editing of several lines, completion, history, colours; all made by prompt_toolkit."""

from __future__ import annotations

from collections.abc import Iterable

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, ThreadedCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.enums import DEFAULT_BUFFER
from prompt_toolkit.filters import Condition, emacs_insert_mode, has_completions, has_focus, vi_insert_mode
from prompt_toolkit.formatted_text import AnyFormattedText
from prompt_toolkit.history import History, ThreadedHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.lexers import PygmentsLexer

from ..client.session import Session
from ..errors import NotebookError
from ..site_client import shown
from .colours import lexer_of
from .continuing import more_of
from .screen import Screen

_INDENT = "    "


class KernelCompleter(Completer):
    """Asks the kernel what could be meant.

    Args:
        session: with the kernel.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """Yield what could stand at the cursor, with what it is."""
        try:
            found = self._session.complete(document.text, document.cursor_position).get("matches")
        except NotebookError:
            return  # the kernel is busy, or out of reach
        for match in found if isinstance(found, list) else []:
            text, start = match.get("text"), match.get("start")
            if isinstance(text, str) and isinstance(start, int) and start <= document.cursor_position:
                kind = match.get("type")
                typed = document.text[start : document.cursor_position]
                yield Completion(
                    text,
                    start_position=start - document.cursor_position,
                    display=shown(text[typed.rfind(".") + 1 :]),
                    display_meta=shown(kind) if isinstance(kind, str) and kind != "<unknown>" else "",
                )


class KernelHistory(History):
    """What was typed at this kernel, and at those before it.

    Args:
        session: with the kernel.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session

    def load_history_strings(self) -> Iterable[str]:
        """Yield it, the newest first."""
        try:
            items = self._session.history(unique=True)
        except NotebookError:
            return  # as for completion
        for item in reversed(items):
            code = item.get("code")
            if isinstance(code, str):
                yield code

    def store_string(self, string: str) -> None:
        """Leave that to the kernel."""


class Prompt:
    """Asks for what is to be run, and for what it wants to know.

    Args:
        session: with the kernel.
        screen: where.
    """

    def __init__(self, session: Session, screen: Screen) -> None:
        self._session = session
        self._screen = screen
        self._asker: PromptSession[str] | None = None
        lexer = type(lexer_of(str(session.language.get("pygments_lexer") or session.language.get("name") or "")))
        self._prompt: PromptSession[str] = PromptSession(
            self._message,
            multiline=True,
            prompt_continuation=self._continuation,
            lexer=PygmentsLexer(lexer),
            completer=ThreadedCompleter(KernelCompleter(session)),
            complete_while_typing=False,
            history=ThreadedHistory(KernelHistory(session)),
            key_bindings=self._bindings(),
            enable_suspend=True,
        )

    def code(self) -> str:
        """Return what was typed.

        Raises:
            EOFError: nothing will be any more: Ctrl-D.
            KeyboardInterrupt: it was given up: Ctrl-C.
        """
        with self._screen.typing(self._prompt.app) as ready:
            return self._prompt.prompt(pre_run=ready)

    def answer(self, prompt: str, execution: str, *, is_password: bool) -> str:
        """Return what was typed for an ``input()``; raises as :meth:`code`.

        Args:
            prompt: of the kernel.
            execution: id of the execution that asks; the purpose for the screen.
            is_password: whether it must not be shown.

        Raises:
            NotWanted: it asks no longer.
        """
        if self._asker is None:
            self._asker = PromptSession()
        with self._screen.typing(self._asker.app, execution) as ready:
            return self._asker.prompt(_line(prompt), is_password=is_password, pre_run=ready)

    def _message(self) -> AnyFormattedText:
        number = str(self._session.count + 1)
        return [("ansigreen", "In ["), ("ansigreen bold", number), ("ansigreen", "]: ")]

    def _continuation(self, width: int, number: int, is_soft_wrap: int) -> AnyFormattedText:
        return [("ansigreen", "...: ".rjust(width))]

    def _bindings(self) -> KeyBindings:
        bindings = KeyBindings()
        is_typing = has_focus(DEFAULT_BUFFER) & (vi_insert_mode | emacs_insert_mode)

        @bindings.add("enter", filter=is_typing)
        def _enter(event: KeyPressEvent) -> None:
            self._enter(event)

        @bindings.add("escape", "enter", filter=is_typing)
        def _submit(event: KeyPressEvent) -> None:
            event.current_buffer.validate_and_handle()

        @bindings.add("tab", filter=is_typing & Condition(_is_at_indent) & ~has_completions)
        def _tab(event: KeyPressEvent) -> None:
            event.current_buffer.insert_text(_INDENT)

        return bindings

    def _enter(self, event: KeyPressEvent) -> None:
        """Take a completion; or begin another line where the code goes on; else run it."""
        buffer = event.current_buffer
        if buffer.complete_state and buffer.complete_state.current_completion:
            buffer.apply_completion(buffer.complete_state.current_completion)
            return
        document = buffer.document
        if "\n" in document.text_after_cursor.rstrip():
            buffer.insert_text("\n")
            return
        indent = more_of(self._session, document.text)
        if indent is None:
            buffer.cursor_position = len(buffer.text)
            buffer.validate_and_handle()
        else:
            buffer.insert_text(f"\n{indent}")


def _is_at_indent() -> bool:
    from prompt_toolkit.application import get_app

    return not get_app().current_buffer.document.current_line_before_cursor.strip()


def _line(prompt: str) -> str:
    return "".join(character if character.isprintable() or character == "\n" else "?" for character in prompt)
