"""The site's end of the zygote (:mod:`pyramid_notebook.server.zygote`), which starts daemons by forking.

A zygote that does not acknowledge a request soon is stopped or hangs. It is killed, so that it can never serve that
request later, and replaced.
"""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from io import FileIO

_BLOCK = 64 * 1024
_ACKNOWLEDGE_SECONDS = 5.0
_LOAD_SECONDS = 20.0


@dataclass(frozen=True, slots=True, eq=False)
class _Process:
    """A zygote that was started, and our end of its socket."""

    process: subprocess.Popen[bytes]
    control: socket.socket
    started: float = field(default_factory=time.monotonic)

    @property
    def patience(self) -> float:
        """Seconds from now within which it should acknowledge a request; it takes none while it loads."""
        return max(_ACKNOWLEDGE_SECONDS, self.started + _LOAD_SECONDS - time.monotonic())

    def kill(self) -> None:
        """End it at once; what it has forked goes on."""
        self.control.close()
        self.process.kill()
        self.process.wait()


class Zygote:
    """A process beside this web worker, and its end; safe to use from several threads.

    Args:
        command: runs ``notebook_daemon.py``; `zygote` and a descriptor are added.
    """

    def __init__(self, command: Sequence[str | os.PathLike[str]]) -> None:
        self._command = tuple(command)
        self._lock = threading.Lock()
        self._process: _Process | None = None

    def warm_up(self) -> None:
        """Start the process, if it isn't; it ends when this one does."""
        with self._lock:
            if self._process is None:
                self._process = self._start()

    def run(self, arguments: Sequence[str], *, timeout: float) -> subprocess.CompletedProcess[bytes] | None:
        """Run a command of ``notebook_daemon.py`` in a fork of the process.

        Args:
            arguments: the command and what follows it.
            timeout: seconds that it may take.

        Returns:
            What it printed and its exit code; None when there is no such process, when it does not acknowledge the
            request, or ended before it told: then the command does not run.

        Raises:
            subprocess.TimeoutExpired: it took longer.
        """
        reading, writing = os.pipe()
        with FileIO(reading) as pipe:
            try:
                process = self._send(json.dumps(list(arguments)).encode(), writing)
            finally:
                os.close(writing)
            if process is None or not self._acknowledged(pipe, process):
                return None
            told = _read(pipe, timeout=timeout)
        if told is None:
            raise subprocess.TimeoutExpired(list(arguments), timeout)
        printed, _, code = told.rpartition(b"\0")
        return subprocess.CompletedProcess(list(arguments), int(code), b"", printed) if code.isdigit() else None

    def close(self) -> None:
        """Let the process end; what it has started goes on."""
        with self._lock:
            if self._process is not None:
                self._process.control.close()
                self._process = None

    def _start(self) -> _Process | None:
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
        ours.settimeout(_ACKNOWLEDGE_SECONDS)  # of a process that hangs, the socket's buffer may fill up
        return _Process(process, ours)

    def _send(self, message: bytes, descriptor: int) -> _Process | None:
        with self._lock:
            process = self._process
            if process is None:
                return None
            try:
                socket.send_fds(process.control, [message], [descriptor])
            except OSError:  # it was killed; the next launch finds a new one
                self._replace(process)
                return None
            return process

    def _acknowledged(self, pipe: FileIO, process: _Process) -> bool:
        if not _comes(pipe, timeout=process.patience):
            with self._lock:
                self._replace(process)
        # it may have taken the request just before it was killed; without a byte nobody has it now
        return _comes(pipe, timeout=0) and bool(pipe.read(1))

    def _replace(self, process: _Process) -> None:
        process.kill()
        if self._process is process:
            self._process = self._start()


def _comes(pipe: FileIO, *, timeout: float) -> bool:
    """Wait until there is something to read, or the end, for at most the timeout in seconds."""
    poll = select.poll()  # select(2) knows no descriptor above 1023
    poll.register(pipe, select.POLLIN)
    return bool(poll.poll(timeout * 1000))


def _read(pipe: FileIO, *, timeout: float) -> bytes | None:
    """Return everything up to the end, or None when that takes longer than the timeout, in seconds."""
    deadline = time.monotonic() + timeout
    data = b""
    while _comes(pipe, timeout=max(0.0, deadline - time.monotonic())):
        block = pipe.read(_BLOCK)
        if not block:
            return data
        data += block
    return None
