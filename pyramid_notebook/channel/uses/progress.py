"""How far a loop is, and a button that stops it."""

from __future__ import annotations

import html
import threading
import time
from collections.abc import Iterable, Iterator, Sized
from typing import Any, Literal, TypeVar

from ...errors import NoChannel
from .parts import Part, Parts

_Item = TypeVar("_Item")
_PARTS = Parts("progress")


class Stopped(Exception):
    """Somebody pressed the button *Stop*."""


class _Bar:
    """What pages ask about one loop."""

    def __init__(self, label: str, total: int | None) -> None:
        self.label, self.total = label, total
        self.done = 0
        self.stop = threading.Event()
        self._begun = time.monotonic()
        self._part: Part | None = None

    def show(self) -> None:
        try:
            self._part = _PARTS.show({"label": self.label}, self.hear, f"{self.label} …")
        except NoChannel:
            self._part = None  # where there is no page, the loop runs all the same

    def hear(self, asked: str) -> dict[str, Any]:
        """Answer a page, on a thread beside the loop."""
        if asked == "stop":
            self.stop.set()
        return {"done": self.done, "total": self.total, "stopping": self.stop.is_set()}

    def finish(self, how: str) -> None:
        if self._part is None:
            return
        count = f"{self.done} of {self.total}" if self.total else str(self.done)
        text = f"{self.label}: {how} {count} after {time.monotonic() - self._begun:.1f} s"
        bar = f'<progress max="{self.total or self.done or 1}" value="{self.done}" aria-hidden="true"></progress>'
        self._part.finish(text, f"<p>{bar} {html.escape(text)}</p>")


def progress(
    items: Iterable[_Item],
    *,
    total: int | None = None,
    label: str = "Progress",
    on_stop: Literal["end", "raise"] = "end",
) -> Iterator[_Item]:
    """Yield items, and show in the cell how many are done, with a button *Stop*.

    The button is heard while the cell runs, on another thread; the loop is stopped before its next item. Where no page
    can be reached, in a call of a notebook for example, the items are yielded and nothing is shown.

    Args:
        items: to go through.
        total: how many there are; their ``len()`` unless given.
        label: what is done.
        on_stop: ``end`` to end the loop, or ``raise`` an exception.

    Raises:
        Stopped: the button was pressed, and ``on_stop`` is ``raise``.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    bar = _Bar(label, total)
    bar.show()
    how = "left at"
    try:
        for item in items:
            if bar.stop.is_set():
                how = "stopped at"
                break
            yield item
            bar.done += 1
        else:
            how = "done,"
    finally:
        bar.finish(how)
    if how == "stopped at" and on_stop == "raise":
        raise Stopped(f"{label}: stopped at {bar.done}.")
