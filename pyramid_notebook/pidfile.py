"""What a daemon's pid file says, checked against the processes that run.

Beside the pid file lies the record of the server. A pid alone proves nothing: after a crash or a reboot it may be
somebody else's.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from . import processes
from .files import read_private, write_private
from .layout import record_file
from .record import ServerRecord


class State(Enum):
    """What became of the daemon that a pid file names."""

    ABSENT = "no pid file"
    RUNNING = "the daemon runs"
    STALE = "the daemon is gone"
    FOREIGN = "the pid file names a process that is none of ours"


@dataclass(frozen=True, slots=True)
class Examined:
    """A pid file and its record.

    Attributes:
        state: what became of the daemon.
        pid: what the pid file names, None when it is no number or there is none.
        record: what the daemon wrote, None when there is none.
    """

    state: State
    pid: int | None
    record: ServerRecord | None


def read_record(pid_file: Path) -> ServerRecord | None:
    """Return the record beside a pid file, or None where there is no whole one."""
    text = read_private(record_file(pid_file))
    return None if text is None else ServerRecord.from_json(text)


def running(pid_file: Path) -> ServerRecord | None:
    """Return the record of the daemon with this pid file, if it runs."""
    record = read_record(pid_file)
    return record if record and processes.is_alive(record) else None


def examine(pid_file: Path) -> Examined:
    """Tell what a pid file means.

    Args:
        pid_file: its path; the record lies beside it.
    """
    record = read_record(pid_file)
    text = read_private(pid_file)
    pid = int(text) if text and text.strip().isdecimal() else None
    if record and processes.is_alive(record):
        return Examined(State.RUNNING, record.pid, record)
    if text is None:
        return Examined(State.STALE if record else State.ABSENT, None, record)
    gone = pid is not None and (processes.identity(pid) is None or (record is not None and record.pid == pid))
    return Examined(State.STALE if gone else State.FOREIGN, pid, record)


def remember(pid_file: Path, record: ServerRecord) -> None:
    """Write the record of a server that listens."""
    write_private(record_file(pid_file), record.to_json())


def forget(pid_file: Path, record: ServerRecord | None) -> None:
    """Remove what a daemon that is gone has left: pid file, record and sockets."""
    pid_file.unlink(missing_ok=True)
    record_file(pid_file).unlink(missing_ok=True)
    if record and record.scratch:
        shutil.rmtree(record.scratch, ignore_errors=True)


def stop(pid_file: Path, *, timeout: float) -> bool:
    """End the daemon of a pid file, with all that it started, and remove what it left.

    Args:
        pid_file: its path.
        timeout: seconds that the daemon has to end by itself.

    Returns:
        Whether a daemon was running.

    Raises:
        StopError: a process is still there after KILL.
    """
    found = examine(pid_file)
    if found.record:
        processes.end(found.record, timeout=timeout)
    if found.state is not State.FOREIGN:
        forget(pid_file, found.record)
    return found.state is State.RUNNING
