"""Server-sent events, however their bytes come in (pure; WHATWG HTML, section 9.2)."""

from __future__ import annotations

import re
from typing import NamedTuple

from ...errors import SiteError

#: Bytes; no event of a site may be longer.
LONGEST_EVENT = 1 << 26
_LINE_END = re.compile(rb"\r\n|\n|\r")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Event(NamedTuple):
    """One event.

    Attributes:
        name: what kind it is; ``message`` where the site does not say.
        data: its lines of data, with ``\\n`` between them.
    """

    name: str
    data: str


class EventReader:
    """Finds the events in a stream of bytes.

    Args:
        most: bytes that one event may have.

    Attributes:
        last_id: of the last event that had one, for ``Last-Event-ID``.
    """

    def __init__(self, *, most: int = LONGEST_EVENT) -> None:
        self._most = most
        self._size = 0
        self._partial: list[bytes] = []
        self._ended_with_return = False
        self._is_first_line = True
        self._name = ""
        self._id = self.last_id = ""
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> list[Event]:
        """Return the events that end in the next bytes.

        Raises:
            SiteError: an event is too long.
        """
        if not chunk:
            return []
        if self._ended_with_return:
            chunk = chunk.removeprefix(b"\n")  # the carriage return has ended the line already
        self._ended_with_return = chunk.endswith(b"\r")
        *lines, rest = _LINE_END.split(chunk)
        events = []
        for line in lines:
            self._partial.append(line)
            whole = b"".join(self._partial)
            self._partial.clear()
            self._count(len(line))
            if (event := self._line(whole)) is not None:
                events.append(event)
        self._partial.append(rest)
        self._count(len(rest))
        return events

    def _count(self, length: int) -> None:
        self._size += length
        if self._size > self._most:
            raise SiteError("The site's answer cannot be understood: an event in it has no end.")

    def _line(self, line: bytes) -> Event | None:
        if self._is_first_line:
            line = line.removeprefix(_BYTE_ORDER_MARK)
            self._is_first_line = False
        if not line:
            return self._dispatch()
        if line.startswith(b":"):
            self._size -= len(line)  # a comment, which keeps the connection alive
            return None
        name, _, value = line.partition(b":")
        text = value.removeprefix(b" ").decode("utf-8", "replace")
        if name == b"event":
            self._name = text
        elif name == b"data":
            self._data.append(text)
        elif name == b"id" and "\0" not in text:
            self._id = text
        return None

    def _dispatch(self) -> Event | None:
        event = Event(self._name or "message", "\n".join(self._data)) if self._data else None
        self._name, self._size, self.last_id = "", 0, self._id
        self._data.clear()
        return event
