"""The commands that run code: what it prints is shown while it runs."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TextIO

from ...errors import NotebookError, SiteError, SiteUnreachable
from .actions import DONE, cell_fields, tell_conflicts
from .events import Event
from .safe_text import SafeText, safe
from .session import Session
from .terminal import complain, say, say_json
from .wording import word

_FAILED, _CODE_FAILED = 1, 4
_ENDS = {"ok": DONE, "error": _CODE_FAILED}
_TEXTS = ("text/plain", "text/markdown")


def run(options: argparse.Namespace, session: Session) -> int:
    """Run cells, and return the exit code.

    Raises:
        NotebookError: they could not be run, or nobody knows how they ended.
    """
    fields = {"what": _what(options), **cell_fields(options)} if options.command != "run-all" else {"what": "all"}
    if options.no_wait:
        return _begin(options, session, fields)
    printer = RunPrinter(options, session)
    try:
        with session.held():
            for event in session.events("run", wait=True, **fields):
                printer.show(event)
                session.release()  # what was pushed is told first; the run may take hours
                if printer.status:
                    break
    except KeyboardInterrupt:
        printer.end()
        if session.connection.is_asking:
            _interrupt(session)
        raise
    except SiteUnreachable as error:
        if printer.is_running:
            raise SiteUnreachable(f"{error} The run goes on in the notebook.") from None
        raise
    finally:
        printer.end()
    return printer.exit_code()


def _what(options: argparse.Namespace) -> str:
    if options.command == "run-above":
        return "through" if options.including else "above"
    for name in ("stale", "below", "through"):
        if getattr(options, name):
            return name
    return "line" if options.line else "cell"


def _begin(options: argparse.Namespace, session: Session, fields: Mapping[str, Any]) -> int:
    with session.held():
        answer = session.ask("run", wait=False, **fields)
        synced = answer.get("sync")
        synced = synced if isinstance(synced, dict) else {}
        if synced:
            session.remember(synced)
    if options.json:
        say_json(answer)
    elif not options.quiet:
        cells = answer.get("cells")
        number = len(cells) if isinstance(cells, list) else 0
        of = f"{word(synced, 'notebook')}: " if synced else ""
        say(f"{of}{number} {'cell runs' if number == 1 else 'cells run'}")
    return tell_conflicts(options, synced)


def _interrupt(session: Session) -> None:
    session.connection.close()  # it still waits for the run
    try:
        session.source = None
        session.ask("interrupt")
    except NotebookError as error:
        complain(f"pyramid-notebook: The kernel could not be interrupted: {error}")
    else:
        complain("pyramid-notebook: Interrupted.")


class RunPrinter:
    """Shows what happens in a run, event by event.

    Args:
        options: the command line.
        session: remembers the version that was synced.
    """

    def __init__(self, options: argparse.Namespace, session: Session) -> None:
        self._options = options
        self._session = session
        self._texts = {stream: SafeText(colours=stream.isatty()) for stream in (sys.stdout, sys.stderr)}
        self._at_line_start = dict.fromkeys(self._texts, True)
        self._conflicts = DONE
        self.status = ""
        self.is_running = False

    def show(self, event: Event) -> None:
        """Show the next event.

        Raises:
            SiteError: it cannot be understood.
        """
        try:
            values = json.loads(event.data)
        except (ValueError, RecursionError):
            values = None
        if not isinstance(values, dict):
            raise SiteError("The site's answer cannot be understood: an event in it is not JSON.")
        if self._options.json:
            say_json({"event": event.name, **values})
        if event.name == "sync":
            self._session.remember(values)
            self._conflicts = tell_conflicts(self._options, values)
        elif event.name == "start":
            self.is_running = True
            if values.get("cells") == [] and not (self._options.quiet or self._options.json):
                complain("pyramid-notebook: There is no code to run there.")
        elif event.name == "end":
            self._end(values)
        elif not self._options.json:
            self._show_output(event.name, values)

    def end(self) -> None:
        """End the texts, and their colours."""
        for stream, text in self._texts.items():
            with suppress(OSError):  # whoever read it has gone
                self._write(stream, text.end())

    def exit_code(self) -> int:
        """Return the exit code of the whole.

        Raises:
            SiteUnreachable: the end of the run was not told.
        """
        if not self.status:
            raise SiteUnreachable("The site's answer has ended before the run did. The run goes on in the notebook.")
        return _ENDS.get(self.status, _FAILED) or self._conflicts

    def _end(self, values: Mapping[str, Any]) -> None:
        self.is_running = False
        self.status = word(values, "status") or "unknown"
        if self.status not in _ENDS:
            self._begin_line(sys.stderr)
            complain(f"pyramid-notebook: {word(values, 'message') or f'The run has ended: {self.status}.'}")

    def _show_output(self, name: str, values: Mapping[str, Any]) -> None:
        if name == "error":
            self._begin_line(sys.stderr)
            traceback = values.get("traceback")
            lines = [line for line in traceback if isinstance(line, str)] if isinstance(traceback, list) else []
            text = "\n".join(lines) or f"{word(values, 'ename')}: {word(values, 'evalue')}"
            self._write(sys.stderr, safe(text, colours=sys.stderr.isatty()) + "\n")
        elif self._options.quiet:
            return
        elif name == "stream" and isinstance(values.get("text"), str):
            stream = sys.stderr if values.get("name") == "stderr" else sys.stdout
            self._write(stream, self._texts[stream].feed(values["text"]))
        elif name == "display":
            self._begin_line(sys.stdout)
            self._write(sys.stdout, safe(_displayed(values), colours=sys.stdout.isatty()) + "\n")

    def _begin_line(self, stream: TextIO) -> None:
        self._write(stream, self._texts[stream].end())
        if not self._at_line_start[stream]:
            self._write(stream, "\n")

    def _write(self, stream: TextIO, text: str) -> None:
        if text:
            stream.write(text)
            stream.flush()
            self._at_line_start[stream] = text.endswith("\n")


def _displayed(values: Mapping[str, Any]) -> str:
    data = values.get("data")
    for kind in _TEXTS:
        if isinstance(data, dict) and isinstance(data.get(kind), str):
            return str(data[kind])
    types = values.get("types")
    names = [name for name in types if isinstance(name, str)] if isinstance(types, list) else []
    return f"[{', '.join(names) or 'output'}]"
