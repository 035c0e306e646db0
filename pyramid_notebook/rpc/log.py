"""What happened in a session, numbered, in bounded memory (pure)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .jsonrpc import notification

#: Bytes and events that are kept.
MOST_BYTES = 16_000_000
MOST_EVENTS = 20_000
_JOINED = 64_000  # characters to which text that nobody has read yet may grow
_LONGEST = 1_000_000  # characters that one event tells of a text
_OVERHEAD = 300  # bytes that an event takes beside what it tells


class Entry:
    """One event.

    Attributes:
        seq: its number; the next event has the next one.
        kind: ``begin``, ``stream``, ``display``, … as in the reference.
        execution: id of the execution it belongs to; None for none.
        is_told: somebody has read it, so it does not change any more.
    """

    __slots__ = ("_frame", "_params", "_texts", "execution", "is_told", "kind", "length", "seq")

    def __init__(self, seq: int, kind: str, execution: str | None, params: dict[str, Any], length: int) -> None:
        self.seq = seq
        self.kind = kind
        self.execution = execution
        self.is_told = False
        self.length = length
        self._params = params
        self._texts: list[str] | None = None
        self._frame = ""

    @property
    def params(self) -> Mapping[str, Any]:
        """What it tells; from now on it does not change."""
        self.is_told = True
        if self._texts is not None:
            self._params["text"] = "".join(self._texts)
            self._texts = None
        return self._params

    @property
    def frame(self) -> str:
        """The notification that tells it, as JSON (JSON-RPC 2.0 section 4.1)."""
        if not self._frame:
            self._frame = json.dumps(notification(self.kind, self.params))
        return self._frame

    @property
    def told(self) -> dict[str, Any]:
        """The event as an item of an answer's list."""
        return {"event": self.kind, **self.params}

    def joins(self, execution: str | None, name: str) -> bool:
        """Tell whether more text of a stream can become part of it."""
        return (
            self.kind == "stream"
            and not self.is_told
            and self.execution == execution
            and self._params["name"] == name
            and self.length < _JOINED
        )

    def join(self, text: str) -> None:
        """Add more text."""
        if self._texts is None:
            self._texts = [self._params["text"]]
        self._texts.append(text)
        self.length += len(text)


@dataclass(frozen=True, slots=True)
class Read:
    """What a reader gets.

    Attributes:
        entries: in their order.
        lost: first and last number of what it has missed for good, before them; None for nothing.
        seq: what it has read so far, which it names the next time.
    """

    entries: tuple[Entry, ...]
    lost: tuple[int, int] | None
    seq: int


class SessionLog:
    """The events of one session. The oldest are forgotten when there are too many.

    Args:
        session: id, which every event names.
        clock: tells the time, in seconds since the epoch.
        changed: called at each addition.
        most_bytes: see :data:`MOST_BYTES`.
        most_events: see :data:`MOST_EVENTS`.
    """

    def __init__(
        self,
        session: str,
        clock: Callable[[], float],
        changed: Callable[[], None],
        *,
        most_bytes: int = MOST_BYTES,
        most_events: int = MOST_EVENTS,
    ) -> None:
        self._session = session
        self._clock = clock
        self._changed = changed
        self._most_bytes = most_bytes
        self._most_events = most_events
        self._entries: list[Entry] = []
        self._bytes = 0
        self._newest = 0

    @property
    def newest(self) -> int:
        """Number of the newest event, 0 for none; from now on that one does not change any more."""
        if self._entries:
            self._entries[-1].is_told = True
        return self._newest

    @property
    def oldest(self) -> int:
        """Number of the oldest event that is kept; where none is kept, that of the next one."""
        return self._entries[0].seq if self._entries else self._newest + 1

    def add(self, kind: str, execution: str | None, who: Mapping[str, Any] | None, length: int, **about: Any) -> None:
        """Add an event.

        Args:
            kind: its name.
            execution: id of the execution it belongs to.
            who: runs that.
            length: about how many characters it has.
            about: what else it tells.
        """
        self._newest += 1
        params = {
            "session": self._session,
            "seq": self._newest,
            "execution": execution,
            "who": who,
            "time": round(self._clock(), 3),
            **about,
        }
        self._entries.append(Entry(self._newest, kind, execution, params, length))
        self._grown(length + _OVERHEAD)

    def add_text(self, execution: str | None, who: Mapping[str, Any] | None, name: str, text: str) -> None:
        """Add what was written to a stream; where nobody has read the text before it yet, to that.

        Args:
            execution: id of the execution it belongs to.
            who: runs that.
            name: ``stdout`` or ``stderr``.
            text: what was written.
        """
        if self._entries and self._entries[-1].joins(execution, name):
            self._entries[-1].join(text)
            self._grown(len(text))
            return
        for start in range(0, len(text), _LONGEST):  # of one that is too long for the memory, the end is kept
            piece = text[start : start + _LONGEST]
            self.add("stream", execution, who, len(piece), name=name, text=piece)

    def since(
        self, after: int, *, most: int = MOST_EVENTS, most_bytes: int = MOST_BYTES, execution: str | None = None
    ) -> Read:
        """Return events with a number above a given one.

        Args:
            after: that number.
            most: events that are wanted.
            most_bytes: what they shall have together, though one comes in any case.
            execution: id of the one whose events are wanted; None for all.
        """
        found: list[Entry] = []
        oldest = self.oldest
        lost = (after + 1, oldest - 1) if after + 1 < oldest else None
        seq = max(after, oldest - 1)
        for place in range(max(0, after + 1 - oldest), len(self._entries)):
            entry = self._entries[place]
            if execution in (None, entry.execution):
                most_bytes -= entry.length + _OVERHEAD
                if len(found) >= most or (found and most_bytes < 0):
                    break
                found.append(entry)
            entry.is_told = True
            seq = entry.seq
        return Read(tuple(found), lost, seq)

    def of(self, execution: str) -> tuple[Entry, ...]:
        """Return all events of an execution that are kept."""
        return tuple(entry for entry in self._entries if entry.execution == execution)

    def _grown(self, size: int) -> None:
        self._bytes += size
        gone = 0
        while self._bytes > self._most_bytes or len(self._entries) - gone > self._most_events:
            if len(self._entries) - gone == 1:
                break
            self._bytes -= self._entries[gone].length + _OVERHEAD
            gone += 1
        del self._entries[:gone]
        self._changed()
