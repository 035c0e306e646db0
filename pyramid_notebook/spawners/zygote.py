"""The site's end of the zygote (:mod:`pyramid_notebook.server.zygote`), which starts daemons by forking."""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from io import FileIO

_BLOCK = 64 * 1024


class Zygote:
    """A process beside this web worker, and its end; safe to use from several threads.

    Args:
        command: runs ``notebook_daemon.py``; `zygote` and a descriptor are added.
    """

    def __init__(self, command: Sequence[str | os.PathLike[str]]) -> None:
        self._command = tuple(command)
        self._lock = threading.Lock()
        self._control: socket.socket | None = None

    def warm_up(self) -> None:
        """Start the process, if it isn't; it ends when this one does."""
        with self._lock:
            if self._control is None:
                self._control = self._start()

    def run(self, arguments: Sequence[str], *, timeout: float) -> subprocess.CompletedProcess[bytes] | None:
        """Run a command of ``notebook_daemon.py`` in a fork of the process.

        Args:
            arguments: the command and what follows it.
            timeout: seconds that it may take.

        Returns:
            What it printed and its exit code; None when there is no such process, or it ended before it told.

        Raises:
            subprocess.TimeoutExpired: it took longer.
        """
        reading, writing = os.pipe()
        try:
            sent = self._send(json.dumps(list(arguments)).encode(), writing)
        finally:
            os.close(writing)
        with FileIO(reading) as pipe:
            told = _read(pipe, timeout=timeout) if sent else b""
        if told is None:
            raise subprocess.TimeoutExpired(list(arguments), timeout)
        printed, _, code = told.rpartition(b"\0")
        return subprocess.CompletedProcess(list(arguments), int(code), b"", printed) if code.isdigit() else None

    def close(self) -> None:
        """Let the process end; what it has started goes on."""
        with self._lock:
            if self._control is not None:
                self._control.close()
                self._control = None

    def _start(self) -> socket.socket | None:
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except OSError:  # macOS has none of this type
            return None
        with theirs:
            try:
                process = subprocess.Popen(
                    [*self._command, "zygote", str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,  # Ctrl-C at the site's terminal is not for it
                )
            except OSError:
                ours.close()
                return None
        threading.Thread(target=process.wait, name="notebook-zygote", daemon=True).start()
        return ours

    def _send(self, message: bytes, descriptor: int) -> bool:
        with self._lock:
            if self._control is None:
                return False
            try:
                socket.send_fds(self._control, [message], [descriptor])
            except OSError:  # it was killed; the next launch finds a new one
                self._control.close()
                self._control = self._start()
                return False
            return True


def _read(pipe: FileIO, *, timeout: float) -> bytes | None:
    """Return everything up to the end, or None when that takes longer than the timeout, in seconds."""
    deadline = time.monotonic() + timeout
    data = b""
    poll = select.poll()  # select(2) knows no descriptor above 1023
    poll.register(pipe, select.POLLIN)
    while poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
        block = pipe.read(_BLOCK)
        if not block:
            return data
        data += block
    return None
