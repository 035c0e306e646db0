"""The terminal as everything that is shown gets there: in order, whole, and above the line that is being typed."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

_PAUSE = 0.05


class NotWanted(Exception):
    """Nobody waits any more for what is being typed."""


class _Piece:
    """A text that is written once, by whoever comes first."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._lock = threading.Lock()
        self._is_taken = False
        self.done = threading.Event()

    def take(self) -> bool:
        """Tell whether it is the caller who has to write it."""
        with self._lock:
            is_first, self._is_taken = not self._is_taken, True
        return is_first


class _Typing:
    """The time in which somebody types at a prompt.

    Args:
        app: the application of prompt_toolkit that shows it.
        purpose: what for; see :meth:`Screen.typing`.
    """

    def __init__(self, app: Any, purpose: str) -> None:
        self.app = app
        self.purpose = purpose
        self.is_ready = threading.Event()
        self.is_over = threading.Event()


class Screen:
    """Writes to a terminal, from any thread.

    While somebody types, text appears above what they type. It comes in whole lines then: the rest of a line waits
    for its end.

    Args:
        out: the terminal.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lock = threading.RLock()
        self._is_fresh = True
        self._tail = ""
        self._typing: _Typing | None = None
        self._wanted: set[str] = set()

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows."""
        size = shutil.get_terminal_size()
        return size.columns, size.lines

    def write(self, text: str) -> None:
        """Write text, which must not be able to control the terminal in another way than is meant."""
        if not text:
            return
        with self._lock:
            typing = self._typing
            if typing is None:
                self._put(text)
                return
            text = self._tail + text
            whole, end, rest = text.rpartition("\n")
            self._tail = rest.rpartition("\r")[2] if "\r" in rest else rest
        if end:
            self._above(typing, whole + end)

    def fresh_line(self) -> None:
        """Begin a new line, unless there is nothing on this one."""
        with self._lock:
            if self._typing is None:
                if not self._is_fresh:
                    self._put("\n")
                return
            tail = bool(self._tail)
        if tail:
            self.write("\n")

    def has_echoed(self) -> None:
        """Hear that the terminal itself has written something on this line, such as ``^C``."""
        with self._lock:
            self._is_fresh = False

    @contextmanager
    def typing(self, app: Any, purpose: str = "") -> Iterator[Callable[[], None]]:
        """Let somebody type; gives what has to be called when the prompt is on the screen.

        Args:
            app: the application of prompt_toolkit that shows the prompt; None where there is none.
            purpose: that :meth:`want_typing` has told; empty for what is always wanted.

        Raises:
            NotWanted: it is not wanted any more; later, the application raises that.
        """
        typing = _Typing(app, purpose)
        with self._lock:
            if purpose and purpose not in self._wanted:
                raise NotWanted
            if app is not None:
                self.fresh_line()
                self._typing = typing
        try:
            yield typing.is_ready.set
        finally:
            typing.is_over.set()
            with self._lock:
                self._typing = None
                self._is_fresh = True
                tail, self._tail = self._tail, ""
                self._put(tail)

    def want_typing(self, purpose: str) -> None:
        """Let there be a prompt for a purpose."""
        with self._lock:
            self._wanted.add(purpose)

    def stop_typing(self, purpose: str) -> None:
        """Let there be none; one without an application stays until something was typed."""
        with self._lock:
            self._wanted.discard(purpose)
            typing = self._typing
        if typing is None or typing.purpose != purpose:
            return
        loop = _loop_of(typing)
        if loop is not None:
            with suppress(RuntimeError):  # it has just been closed
                loop.call_soon_threadsafe(_exit, typing)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let another program have the terminal; what is written meanwhile waits."""
        with self._lock:
            self._out.flush()
            yield
            self._is_fresh = True

    def _put(self, text: str) -> None:
        if text:
            self._out.write(text)
            self._out.flush()
            self._is_fresh = text.endswith("\n")

    def _above(self, typing: _Typing, text: str) -> None:
        """Write above the prompt; where that ends meanwhile, above the next one, if that is there already."""
        piece = _Piece(text)
        loop = _loop_of(typing)
        if loop is not None:
            with suppress(RuntimeError):  # it has just been closed
                loop.call_soon_threadsafe(self._run_above, piece)
        while not piece.done.wait(_PAUSE) and not typing.is_over.is_set():
            pass
        if piece.take():
            self.write(text)

    def _run_above(self, piece: _Piece) -> None:
        from prompt_toolkit.application import run_in_terminal

        def put() -> None:
            if piece.take():
                self._out.write(piece.text)
                self._out.flush()
            piece.done.set()

        run_in_terminal(put)


def _loop_of(typing: _Typing) -> Any:
    """Return the event loop of a prompt, as soon as it is on the screen; None where it has just ended."""
    while not typing.is_ready.wait(_PAUSE) and not typing.is_over.is_set():
        pass
    return None if typing.is_over.is_set() else typing.app.loop


def _exit(typing: _Typing) -> None:
    if typing.app.is_running and not typing.app.future.done():
        typing.app.exit(exception=NotWanted)
