"""Real programs in real pseudo-terminals, whose screens can be looked at."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import pyte

from .running import wait_until

#: Seconds that anything may take; a loaded machine is slow.
PATIENCE = 60
_ROWS, _COLUMNS = 60, 110
#: Makes a process that has a session of its own the one that Ctrl-C in its terminal is for.
_LEADS = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"


class _Screen(pyte.Screen):
    """A screen that answers what a program asks it, such as where the cursor is."""

    def __init__(self, columns: int, rows: int, master: int) -> None:
        super().__init__(columns, rows)
        self._master = master

    def write_process_input(self, data: str) -> None:
        with suppress(OSError):
            os.write(self._master, data.encode())

    def select_graphic_rendition(self, *attributes: int, **options: Any) -> None:
        if not options.get("private"):  # pyte does not know those of xterm
            super().select_graphic_rendition(*attributes)


class Terminal:
    """A program in a terminal.

    Args:
        master: our end of the terminal.
        process: the program.
    """

    def __init__(self, master: int, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._master = master
        self._lock = threading.Lock()
        self._screen = _Screen(_COLUMNS, _ROWS, master)
        self._stream = pyte.ByteStream(self._screen)
        self._raw = bytearray()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def type(self, keys: str) -> None:
        """Type; a line's end is a carriage return."""
        os.write(self._master, keys.encode())

    @property
    def text(self) -> str:
        """What is on the screen."""
        with self._lock:
            return "\n".join(line.rstrip() for line in self._screen.display).rstrip()

    @property
    def raw(self) -> bytes:
        """All that was written."""
        with self._lock:
            return bytes(self._raw)

    def shows(self, pattern: str) -> re.Match[str]:
        """Wait until something is on the screen, and return it.

        Args:
            pattern: a regular expression, in which lines begin at ``^`` and end at ``$``.
        """
        try:
            found: re.Match[str] = wait_until(
                lambda: re.search(pattern, self.text, re.MULTILINE) or self._ended(pattern),
                f"{pattern} on the screen",
                seconds=PATIENCE,
            )
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.text}") from None
        return found

    def colour_of(self, text: str) -> str:
        """Return the foreground of the first place where a text stands on the screen."""
        with self._lock:
            for row, line in enumerate(self._screen.display):
                if text in line:
                    return str(self._screen.buffer[row][line.index(text)].fg)
        raise AssertionError(f"{text} is not on the screen:\n{self.text}")

    def end(self) -> int:
        """Wait until the program has ended, and return its exit code."""
        code = self.process.wait(PATIENCE)
        self._thread.join(PATIENCE)
        return code

    def _ended(self, pattern: str) -> None:
        if self.process.poll() is not None and not self._thread.is_alive():
            found = re.search(pattern, self.text, re.MULTILINE)
            assert found, f"ended with {self.process.returncode} without {pattern}:\n{self.text}"

    def _read(self) -> None:
        with suppress(OSError):  # how Linux says that nobody has the other end any more
            while data := os.read(self._master, 65536):
                with self._lock:
                    self._raw += data
                    self._stream.feed(data)


@contextmanager
def terminal(
    source: str, arguments: Sequence[str], environment: Mapping[str, str], *, cwd: str | None = None
) -> Iterator[Terminal]:
    """Run Python source in a terminal of its own, and end it.

    Args:
        source: for ``python -c``.
        arguments: of the program.
        environment: its variables.
        cwd: its folder.
    """
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-c", f"{_LEADS}{source}", *arguments],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=dict(environment),
        cwd=cwd,
        start_new_session=True,
    )
    os.close(slave)
    shown = Terminal(master, process)
    try:
        yield shown
    finally:
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        shown._thread.join(PATIENCE)
        os.close(master)
