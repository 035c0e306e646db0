"""The loop of the console: asks, runs, and lets the kernel ask back."""

from __future__ import annotations

import queue
import threading
from typing import Any, Protocol

from ..client.events import Event
from ..client.execution import ASK_SECONDS, Execution
from ..client.session import Session
from ..errors import NotebookError, RpcRefused, SiteUnreachable
from .pager import page
from .printer import Printer
from .questions import Question, is_leaving, question_of
from .rendering import Look, rendered
from .screen import NotWanted, Screen

_DONE, _FAILED = 0, 1
#: What ipykernel takes for Ctrl-D at an ``input()``.
_END_OF_INPUT = "\x04"
#: So many times Ctrl-C while something runs gives up waiting for it.
_ENOUGH = 3


class Asking(Protocol):
    """Asks whoever sits at the terminal."""

    def code(self) -> str:
        """Return what is to be run."""

    def answer(self, prompt: str, execution: str, *, is_password: bool) -> str:
        """Return what the ``input()`` of an execution is told."""


class Shell:
    """A console at work.

    Args:
        session: with the kernel.
        screen: what is shown goes there.
        printer: shows what happens.
        prompt: asks.
        look: of the terminal.
        way_back: the command that comes back to this kernel.
    """

    def __init__(
        self, session: Session, screen: Screen, printer: Printer, prompt: Asking, *, look: Look, way_back: str
    ) -> None:
        self._session = session
        self._screen = screen
        self._printer = printer
        self._prompt = prompt
        self._look = look
        self._way_back = way_back

    def run(self) -> int:
        """Ask and run until somebody has had enough, and return the exit code."""
        events = self._session.events()
        threading.Thread(target=self._printer.run, args=(events,), name="console", daemon=True).start()
        while True:
            try:
                typed = self._prompt.code()
                if is_leaving(typed):
                    break
                if typed.strip():
                    self._take(typed)
            except KeyboardInterrupt:
                continue
            except EOFError:
                break
            except (RpcRefused, SiteUnreachable) as error:
                self._printer.note(str(error))
            except NotebookError as error:
                self._printer.note(str(error))
                return _FAILED
        self._printer.note(f"The kernel goes on, with all its variables. Come back:\n    {self._way_back}")
        return _DONE

    def _take(self, typed: str) -> None:
        question = question_of(typed)
        if question:
            self._tell(question)
        else:
            self._execute(typed)

    def _tell(self, question: Question) -> None:
        found = self._session.inspect(question.name, detail=question.detail)
        data: Any = found.get("data")
        if not found.get("found") or not isinstance(data, dict):
            self._printer.note(f"{question.name} is not known.")
            return
        # what IPython says has colours; its HTML is the same once more
        known = {kind: value for kind, value in data.items() if kind != "text/html"} or data
        page(rendered(known, self._look), self._screen)

    def _execute(self, code: str) -> None:
        try:
            with self._printer.beginning:
                execution = self._session.execute(code, allow_stdin=True)
                self._printer.own(execution.id)
                execution.close()  # the printer hears of it as of all others
        except KeyboardInterrupt:
            self._printer.note("Given up before the server answered; it may run all the same.")
            return
        self._wait(execution)

    def _wait(self, execution: Execution) -> None:
        interrupts, has_lost = 0, False
        while True:
            try:
                item = self._next(execution, has_lost=has_lost)
                if item.execution == execution.id and item.kind == "end":
                    return
                if item.execution == execution.id:
                    self._answer(item)
                has_lost |= item.kind == "lost"
            except KeyboardInterrupt:
                self._screen.has_echoed()
                interrupts += 1
                if interrupts == _ENOUGH:
                    self._printer.note("Not waited for any more; it goes on, and what it says will be shown.")
                    return
                self._interrupt()

    def _next(self, execution: Execution, *, has_lost: bool) -> Event:
        """Return what there is to know next; where events are lost, the end may be one of them."""
        while True:
            try:
                item = self._printer.news.get(timeout=ASK_SECONDS if has_lost else None)
            except queue.Empty:
                if (end := execution.lost_end(self._printer.seq)) is not None:
                    self._session.take(end)  # the printer tells of it
                continue
            if item is None or isinstance(item, NotebookError):
                raise item or NotebookError("The session was closed.")
            return item

    def _answer(self, asked: Event) -> None:
        is_password = bool(asked.values.get("password"))
        try:
            value = self._prompt.answer(asked.text("prompt"), asked.execution, is_password=is_password)
        except EOFError:
            value = _END_OF_INPUT
        except NotWanted:
            return
        self._session.reply(asked.execution, value)

    def _interrupt(self) -> None:
        try:
            self._session.interrupt()
        except NotebookError as error:
            self._printer.note(str(error))
        except KeyboardInterrupt:
            self._printer.note("The kernel could not be interrupted yet.")
