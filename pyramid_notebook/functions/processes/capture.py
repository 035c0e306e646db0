"""What a call writes, told as events: by ``print``, and to the descriptors 1 and 2 by everything else.

There is no thread: what is printed is told when more of it comes, 50 ms after the last time or when it has grown to
8 KB, and after each cell. Programs and libraries in C write to files in memory, which are read after each cell.
"""

from __future__ import annotations

import codecs
import io
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from ...errors import ResultTooLarge
from ..protocol import Event, Kind, frame
from . import sandbox

#: Characters of a call that are told.
MOST_TEXT = 1_000_000
_DECODER = codecs.getincrementaldecoder("utf-8")
_MOST_WAITING = 8192
_PAUSE_SECONDS = 0.05
LEFT_OUT = "\n[The rest is left out: a call may write 1 MB.]\n"
#: Exit code of a process that has told all that it had to.
DONE = 77

_ENCODE = json.JSONEncoder(default=repr).encode


class Line:
    """Our end of the socket of a call; used by one process only, whatever it forks.

    Args:
        line: the socket.
        bell: descriptor that says when there is something to read, see :mod:`..protocol`.

    Attributes:
        outputs_left: bytes of outputs that may still be told.
    """

    def __init__(self, line: socket.socket, bell: int) -> None:
        self.outputs_left = 0
        self._socket = line
        self._bell = bell
        self._has_rung = False
        self._owner = os.getpid()
        self._lock = threading.Lock()

    @property
    def is_ours(self) -> bool:
        """Whether this is the process of the call, and no fork that the notebook made."""
        return os.getpid() == self._owner

    def send(self, kind: Kind, payload: bytes, *, can_wait: bool = False) -> None:
        """Send a frame; where nobody listens any more, the process ends.

        Args:
            kind: of the frame.
            payload: what it holds.
            can_wait: whether it need not be read now.
        """
        if not self.is_ours:
            return
        # a handler of the notebook's that raises an exception must leave neither half a frame nor this mask: that of a
        # signal which came just before raises as soon as the mask is set
        before = sandbox.signal_mask()
        try:
            sandbox.set_signal_mask(signal.SIG_BLOCK, sandbox.ALL_SIGNALS, None)
            with self._lock:
                self._socket.sendall(frame(kind, payload))
                if not (can_wait or self._has_rung):
                    self._has_rung = True
                    os.write(self._bell, b"!")
        except OSError:
            os._exit(DONE)
        finally:
            sandbox.set_signal_mask(signal.SIG_SETMASK, before, None)

    def emit(self, event: Event) -> None:
        """Tell what happens.

        Raises:
            ResultTooLarge: it is an output, and there were too many.
        """
        text = _ENCODE(event).encode()
        if event["event"] == "output":
            self.outputs_left -= len(text)
            if self.outputs_left < 0:
                raise ResultTooLarge("What the cells of this notebook show is longer than an answer may be.")
        self.send(Kind.EVENT, text, can_wait=event["event"] == "cell")


class Stream(io.TextIOBase):
    """``sys.stdout`` or ``sys.stderr``; before it is connected it writes to its descriptor.

    Args:
        name: ``stdout`` or ``stderr``.
        descriptor: number of the stream below.
    """

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, name: str, descriptor: int) -> None:
        self.name = name
        self.buffer = _Bytes(self)
        self._descriptor = descriptor
        self._tell: Callable[[str, str], None] | None = None
        self._owner = 0
        self._waiting: list[str] = []
        self._size = 0
        self._told = 0.0
        self._lock = threading.RLock()

    def connect(self, tell: Callable[[str, str], None]) -> None:
        """From now on tell what this process writes."""
        self._tell, self._owner, self._told = tell, os.getpid(), 0.0
        self._waiting, self._size, self._lock = [], 0, threading.RLock()

    def write(self, text: str) -> int:
        """Take a text."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if self._tell is None or os.getpid() != self._owner:  # a fork of the notebook's: told after the cell
            with suppress(OSError):
                os.write(self._descriptor, text.encode("utf-8", self.errors))
            return len(text)
        with self._lock:
            self._waiting.append(text)
            self._size += len(text)
        self.flush()
        return len(text)

    def flush(self) -> None:
        """Tell what waits, if it is time."""
        if self._size >= _MOST_WAITING or time.monotonic() - self._told >= _PAUSE_SECONDS:
            self.settle()

    def settle(self) -> None:
        """Tell what waits."""
        if self._tell is None or os.getpid() != self._owner:
            return
        with self._lock:
            text, self._waiting, self._size = "".join(self._waiting), [], 0
            self._told = time.monotonic()
            if text:
                self._tell(self.name, text)

    def writable(self) -> bool:
        """Tell that it is."""
        return True

    def fileno(self) -> int:
        """Return the descriptor, for programs that are started with this stream as theirs."""
        return self._descriptor


class _Bytes(io.RawIOBase):
    """What ``sys.stdout.buffer`` is."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._decoder = _DECODER("replace")

    def write(self, data: Any) -> int:
        """Take bytes."""
        block = bytes(data)
        self._stream.write(self._decoder.decode(block))
        return len(block)

    def writable(self) -> bool:
        """Tell that it is."""
        return True

    def flush(self) -> None:
        """Do what the stream does."""
        self._stream.flush()

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._stream.fileno()


class Capture:
    """Tells all that one call writes, up to a limit.

    Args:
        line: where to tell it.
        streams: ``sys.stdout`` and ``sys.stderr``.
        files: descriptors of the files in memory that the numbers 1 and 2 lead to.
        outputs: whether the texts are told as outputs of nbformat as well.
    """

    def __init__(
        self, line: Line, streams: Mapping[str, Stream], files: Mapping[str, int], *, outputs: bool = False
    ) -> None:
        self._line = line
        self._streams = streams
        self._outputs = outputs
        self._left = MOST_TEXT
        self._files = files
        self._places = dict.fromkeys(files, 0)
        self._decoders = {name: _DECODER("replace") for name in files}
        for stream in streams.values():
            stream.connect(self._tell)

    def settle(self) -> None:
        """Tell everything that was written until now."""
        for original in (sys.__stdout__, sys.__stderr__):
            with suppress(OSError, ValueError):
                if original is not None:
                    original.flush()
        for stream in self._streams.values():
            stream.settle()
        if not self._line.is_ours:
            return
        for name, descriptor in self._files.items():
            self._tell_file(name, descriptor)

    def _tell_file(self, name: str, descriptor: int) -> None:
        size = os.fstat(descriptor).st_size
        begin = self._places[name]
        self._places[name] = size
        if size > begin:
            block = os.pread(descriptor, min(size - begin, MOST_TEXT + 1), begin)
            self._tell(name, self._decoders[name].decode(block))

    def _tell(self, name: str, text: str) -> None:
        if self._left < 0 or not text:
            return
        told = text[: self._left]
        self._left -= len(text)
        if self._left < 0:
            told += LEFT_OUT
        for begin in range(0, len(told), 1 << 16):
            part = told[begin : begin + (1 << 16)].encode("utf-8", "backslashreplace").decode()
            self._line.emit({"event": "stream", "name": name, "text": part})
            if self._outputs:
                self._line.emit({"event": "output", "output": {"output_type": "stream", "name": name, "text": part}})
