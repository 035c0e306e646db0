"""What happened in a run, for everybody who wants to know, also later, in bounded memory (pure)."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

#: One event of a run: ``event`` is its name, the rest as in the stream of ``POST sync/run``.
Event = dict[str, Any]
#: Characters of output that a run keeps, half of them from its begin.
KEPT = 1_000_000
#: Characters of one text in an event.
LONGEST = 200_000
_OVERHEAD = 100  # what an event takes beside its text


def clipped(text: str, longest: int = LONGEST) -> str:
    """Return a text without its middle if it is too long."""
    if len(text) <= longest:
        return text
    half = longest // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half} characters …]\n{text[-half:]}"


@dataclass(frozen=True, slots=True)
class Place:
    """How far a reader is: the number of its next event, and how much output came before that."""

    number: int = 0
    before: int = 0


@dataclass(frozen=True, slots=True)
class _Entry:
    place: Place
    event: Event
    weight: int


class EventLog:
    """The events of a run. The first and the last output is kept, and all events that are no output.

    Args:
        kept: characters of output that are kept.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self._half = kept // 2
        self._first: list[_Entry] = []
        self._last: deque[_Entry] = deque()
        self._first_weight = self._last_weight = 0
        self._next = Place()
        self._cell = ""

    def add(self, event: Event, *, text: int | None = None) -> None:
        """Add an event.

        Args:
            event: what happened.
            text: characters of output in it; None for an event that is kept in any case.
        """
        weight = 0 if text is None else text + _OVERHEAD
        entry = _Entry(self._next, event, weight)
        self._next = Place(self._next.number + 1, self._next.before + weight)
        self._cell = event.get("cell", self._cell)
        if not self._last and self._first_weight + weight <= self._half:
            self._first.append(entry)
            self._first_weight += weight
            return
        self._last.append(entry)
        self._last_weight += weight
        while self._last_weight > self._half:
            oldest = self._last.popleft()
            self._last_weight -= oldest.weight
            if not oldest.weight:
                self._first.append(oldest)

    def since(self, place: Place) -> tuple[list[Event], Place]:
        """Return the events from a place on, and the next place; what is missing is told as one event."""
        found: list[Event] = []
        for entry in self._entries(place.number):
            missing = entry.place.before - place.before
            if missing > 0:
                found.append(self._gap(missing, entry.event.get("cell", self._cell)))
            found.append(entry.event)
            place = Place(entry.place.number + 1, entry.place.before + entry.weight)
        return found, place

    def _entries(self, number: int) -> Iterator[_Entry]:
        start = bisect_left(self._first, number, key=lambda entry: entry.place.number)
        yield from islice(self._first, start, None)
        if self._last:
            yield from islice(self._last, max(0, number - self._last[0].place.number), None)

    def _gap(self, missing: int, cell: str) -> Event:
        text = f"\n[… about {max(1, missing // 1000)} kB of output were left out here; the notebook has them …]\n"
        return {"event": "stream", "cell": cell, "name": "stderr", "text": text}
