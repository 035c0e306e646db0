"""Shows what happens in a session, one event after another, whoever has run it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from ..client.events import Event
from ..errors import NotebookError
from ..sync.client.safe_text import SafeText, safe
from .colours import Painter
from .rendering import Look, rendered
from .screen import Screen

_BACK_TO_LINE_START = "\r\x1b[K"
#: What nobody has run is what a kernel says to a page of its own accord, as of its widgets.
_OF_EXECUTIONS = frozenset(("stream", "display", "update", "error", "clear"))
_UP_AND_CLEAR = "\x1b[{}A\r\x1b[J"


class Printer:
    """Shows events on a screen; :meth:`run` is for a thread of its own.

    Args:
        screen: where.
        look: tells how the terminal shows things just now.
        painter: colours what the console says itself.
        is_plain: whether the terminal can do nothing but show text.
    """

    def __init__(self, screen: Screen, look: Callable[[], Look], painter: Painter, *, is_plain: bool) -> None:
        self._screen = screen
        self._look = look
        self._painter = painter
        self._is_plain = is_plain
        self._own: set[str] = set()
        #: Held while an execution is begun whose id nobody knows yet.
        self.beginning = threading.Lock()
        #: What the main thread has to know of its own executions: requests for input, ends, what is lost, and what
        #: ends it all.
        self.news: queue.SimpleQueue[Event | NotebookError | None] = queue.SimpleQueue()
        #: Number of the last event that was shown.
        self.seq = 0
        self._streams: dict[tuple[str, str], SafeText] = {}
        self._shown: tuple[str, int] | None = None
        self._clears = False

    def own(self, execution: str) -> None:
        """Hear the id of an execution that is ours; to be called with :attr:`beginning` held."""
        self._own.add(execution)

    def run(self, events: Any) -> None:
        """Show all events of a feed, until it ends."""
        try:
            for event in events:
                self.show(event)
        except NotebookError as error:
            self.note(str(error))
            self.news.put(error)
        except Exception as error:  # whoever waits for the end of an execution must not wait for ever
            self.news.put(NotebookError(f"The console has failed: {type(error).__name__}: {safe(str(error))}"))
            raise
        else:
            self.news.put(None)

    def show(self, event: Event) -> None:
        """Show one event."""
        is_own = event.execution in self._own
        if event.execution and not is_own:
            with self.beginning:
                is_own = event.execution in self._own
        show = getattr(self, f"_show_{event.kind}", None)
        if show and (event.execution or event.kind not in _OF_EXECUTIONS):
            show(event, is_own)
        if is_own and event.kind in ("input_done", "end"):
            self._screen.stop_typing(event.execution)
        self.seq = event.seq or self.seq
        if (is_own and event.kind in ("input_request", "end")) or event.kind == "lost":
            self.news.put(event)

    def note(self, text: str) -> None:
        """Say something that is of the console itself."""
        self._screen.fresh_line()
        self._screen.write(self._painter.note(text) + "\n")

    def _write(self, text: str) -> None:
        if self._clears:
            self._clear()
        self._shown = None
        self._screen.write(text)

    def _show_begin(self, event: Event, is_own: bool) -> None:
        self._clears = False
        if is_own:
            return
        self._screen.fresh_line()
        count, name = event.values.get("count"), safe(name_of(event.who))
        first, *others = safe(event.text("code")).rstrip("\n").split("\n")
        prompt = f"[{name}] In [{count if isinstance(count, int) else ' '}]: "
        lines = [self._painter.prompt(prompt) + self._painter.code(first)]
        lines += [" " * (len(prompt) - 5) + "...: " + self._painter.code(line) for line in others]
        self._write("".join(f"{line}\n" for line in lines))

    def _show_stream(self, event: Event, is_own: bool) -> None:
        key = (event.execution, event.text("name"))
        filtered = self._streams.setdefault(key, SafeText(colours=self._painter.has_colours))
        self._write(filtered.feed(event.text("text")))

    def _show_display(self, event: Event, is_own: bool) -> None:
        self._block(rendered(event.data(), self._look()), event.text("display_id"))

    def _show_update(self, event: Event, is_own: bool) -> None:
        text, display = rendered(event.data(), self._look()), event.text("display_id")
        if self._shown and self._shown[0] == display and not self._is_plain:
            self._screen.write(_UP_AND_CLEAR.format(self._shown[1]))
        self._block(text, display)

    def _show_result(self, event: Event, is_own: bool) -> None:
        text = rendered(event.data(), self._look())
        count = event.values.get("count")
        label = f"Out[{count}]: " if isinstance(count, int) else "Out: "
        self._screen.fresh_line()
        self._write(self._painter.result(label) + ("\n" if "\n" in text else "") + text + "\n")

    def _show_error(self, event: Event, is_own: bool) -> None:
        lines = event.values.get("traceback")
        text = "\n".join(str(line) for line in lines) if isinstance(lines, list) and lines else ""
        text = text or f"{event.text('ename')}: {event.text('evalue')}"
        self._screen.fresh_line()
        self._write(safe(text, colours=self._painter.has_colours).rstrip("\n") + "\n")

    def _show_clear(self, event: Event, is_own: bool) -> None:
        if event.values.get("wait"):
            self._clears = True
        else:
            self._clear()

    def _show_input_request(self, event: Event, is_own: bool) -> None:
        if is_own:
            self._screen.want_typing(event.execution)
        else:
            self.note(f"{name_of(event.who)} is asked: {event.text('prompt')}")

    def _show_end(self, event: Event, is_own: bool) -> None:
        self._clears = False
        for key in [key for key in self._streams if key[0] == event.execution]:
            self._write(self._streams.pop(key).end())
        self._screen.fresh_line()
        if event.values.get("status") == "aborted" and is_own:
            self.note("Not run: something before it failed.")
        self._own.discard(event.execution)

    def _show_status(self, event: Event, is_own: bool) -> None:
        told = {"restarting": "The kernel restarts: its variables are gone.", "dead": "The kernel has died."}
        with suppress(KeyError):
            self.note(told[event.text("state")])

    def _show_lost(self, event: Event, is_own: bool) -> None:
        first, last = event.values.get("from"), event.values.get("to")
        number = f"{last - first + 1} events were" if isinstance(first, int) and isinstance(last, int) else "Some were"
        self.note(f"{number} forgotten by the server before they could be shown.")

    def _show_connection(self, event: Event, is_own: bool) -> None:
        is_back = event.text("state") == "back"
        self.note("Connected again." if is_back else "The connection broke off. Connecting again; the kernel goes on.")

    def _block(self, text: str, display: str = "") -> None:
        if text:
            self._screen.fresh_line()
            self._write(text + "\n")
            self._shown = (display, text.count("\n") + 1) if display else None

    def _clear(self) -> None:
        self._clears = False
        if not self._is_plain:
            self._screen.write(_BACK_TO_LINE_START)


def name_of(who: Mapping[str, Any]) -> str:
    """Return how somebody is called who runs something: the user, and what they run it with."""
    names = [value for key in ("user", "name") if isinstance(value := who.get(key), str) and value]
    return ", ".join(dict.fromkeys(names)) or "somebody"
