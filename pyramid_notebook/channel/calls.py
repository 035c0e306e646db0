"""Calls that one side has made and that the other has not answered yet."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

from ..errors import NotExposed, PageError
from .streams import Stream


class Answer(NamedTuple):
    """What came back.

    Attributes:
        header: of the frame.
        payload: of the frame.
        stream: that is the value, or None.
    """

    header: dict[str, Any]
    payload: bytes | memoryview
    stream: Stream | None


class Calls:
    """The unanswered calls of one connection, all on the channel's loop."""

    def __init__(self) -> None:
        self._last = 0
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self._gone: Callable[[], Exception] | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def begin(self) -> tuple[int, asyncio.Future[Answer]]:
        """Return an id that was never used before, and what will be the answer.

        Raises:
            Exception: which all get who wait once the connection is gone.
        """
        if self._gone is not None:
            raise self._gone()
        self._last += 1
        future = asyncio.get_running_loop().create_future()
        self._waiting[self._last] = future
        return self._last, future

    def forget(self, call: int) -> None:
        """Wait no longer; an answer that comes yet is for nobody."""
        self._waiting.pop(call, None)

    def answer(self, header: dict[str, Any], payload: bytes | memoryview, stream: Stream | None = None) -> None:
        """Take a result, or an error, for whoever waits."""
        call = header.get("id")
        future = self._waiting.pop(call, None) if isinstance(call, int) else None
        if future is None or future.done():
            return
        if header["type"] == "error":
            future.set_exception(_error_of(header.get("error")))
        else:
            future.set_result(Answer(header, payload, stream))

    def fail_all(self, error: Callable[[], Exception]) -> None:
        """Let all who wait know that there will be no answer, and those who would begin now."""
        self._gone = error
        waiting, self._waiting = self._waiting, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(error())


def _error_of(error: object) -> PageError:
    found = error if isinstance(error, dict) else {}
    name, message, trace = (str(found.get(key) or "") for key in ("name", "message", "trace"))
    kind = NotExposed if found.get("kind") == "not-exposed" else PageError
    return kind(name or "Error", message, trace)
