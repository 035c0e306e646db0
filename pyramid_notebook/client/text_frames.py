"""Text frames of ws4py, checked in C: its own check of each byte takes most of the time of a long answer."""

from __future__ import annotations

import codecs
from types import FunctionType
from typing import Any

from ws4py import streaming


class Utf8Check:
    """Checks text piece by piece (RFC 6455 section 8.1); in place of :class:`ws4py.utf8validator.Utf8Validator`."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def reset(self) -> None:
        """Begin another text."""
        self._decoder.reset()

    def validate(self, data: bytes | bytearray) -> tuple[bool, bool, int, int]:
        """Return whether it is UTF-8 so far, and whether it ends with a whole character; the rest nobody reads."""
        try:
            self._decoder.decode(bytes(data))
        except UnicodeDecodeError:
            return False, False, 0, 0
        return True, not self._decoder.getstate()[0], 0, 0


class TextStream(streaming.Stream):  # type: ignore[misc]
    """A stream of frames; it is ws4py's own, which looks up the check by its name in its module."""

    receiver: Any = FunctionType(
        streaming.Stream.receiver.__code__, {**vars(streaming), "Utf8Validator": Utf8Check}, "receiver"
    )
