"""What comes through a pipe: its cells run one after another, and what they say goes on."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, TextIO

from ..client.events import NOT_WHOLE, Event
from ..client.session import Session
from ..sync.cells import CellType
from ..sync.client.safe_text import SafeText, safe
from ..sync.percent import parse
from .rendering import Look, rendered

_MARKER = re.compile(r"^# ?%%", re.MULTILINE)
_DONE, _FAILED = 0, 1
#: A handler of events.
Show = Callable[[Event], None]


def cells_of(text: str, language: str) -> list[str]:
    """Return the code that a text has: that of its ``# %%`` cells, or all of it as one cell (pure).

    Args:
        text: what came.
        language: of the kernel.
    """
    if language in ("", "python", "ipython") and _MARKER.search(text):
        cells = [script_cell.cell for script_cell in parse(text).cells]
        return [cell.source for cell in cells if cell.type is CellType.CODE and cell.source.strip()]
    return [text.strip("\n")] if text.strip() else []


def run(session: Session, text: str, show: Show) -> int:
    """Run cells until one fails, or says more than the server keeps; return the exit code.

    Args:
        session: in which.
        text: with the cells.
        show: is given each event.

    Raises:
        KeyboardInterrupt: after Ctrl-C; the kernel was interrupted as well.
        NotebookError: the session has ended.
    """
    for code in cells_of(text, str(session.language.get("name") or "")):
        execution = session.execute(code, allow_stdin=False)
        status, is_whole = "", True
        try:
            for event in execution:
                show(event)
                status = event.text("status") if event.kind == "end" else status
                is_whole = is_whole and event.kind != "lost"
        except KeyboardInterrupt:
            session.interrupt()
            raise
        if status != "ok" or not is_whole:
            return _FAILED
    return _DONE


def as_json(out: TextIO) -> Show:
    """Return what writes each event as an object in a line; its text is ASCII, and cannot control a terminal."""

    def show(event: Event) -> None:
        values = {**event.values, "event": event.kind, "seq": event.seq, "execution": event.execution}
        out.write(f"{json.dumps({**values, 'who': dict(event.who)})}\n")
        out.flush()

    return show


class AsText:
    """Writes what is said, and nothing else: output to one stream, complaints and tracebacks to the other.

    Args:
        out: standard output.
        err: standard error.
        look: of the terminal, if it is one.
    """

    def __init__(self, out: TextIO, err: TextIO, look: Look) -> None:
        self._files = {"stdout": out, "stderr": err}
        self._look = look
        self._streams: dict[str, SafeText] = {}

    def __call__(self, event: Event) -> None:
        """Write what an event tells."""
        name = event.text("name")
        if event.kind == "stream" and name in self._files:
            filtered = self._streams.setdefault(name, SafeText(colours=self._look.colours))
            self._write(name, filtered.feed(event.text("text")))
        elif event.kind in ("display", "result"):
            text = rendered(event.data(), self._look)
            self._write("stdout", f"{text}\n" if text else "")
        elif event.kind == "error":
            lines: Any = event.values.get("traceback") or [f"{event.text('ename')}: {event.text('evalue')}"]
            text = safe("\n".join(map(str, lines)), colours=self._look.colours and self._files["stderr"].isatty())
            self._write("stderr", text.rstrip("\n") + "\n")

        elif event.kind == "lost":
            self._write("stderr", f"pyramid-notebook: {NOT_WHOLE}\n")

    def _write(self, name: str, text: str) -> None:
        if text:
            self._files[name].write(text)
            self._files[name].flush()
