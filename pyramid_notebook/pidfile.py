"""What a daemon's pid file says, checked against the processes that run.

Beside the pid file lies the record of the server, and a file that the daemon holds locked as long as it lives, with
what is needed to find and end it: it stands for the daemon where the record is lost. A pid alone proves nothing: after
a crash or a reboot it may be somebody else's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from . import processes
from .files import read_private, remove_scratch, write_locked, write_private
from .layout import daemon_lock_file, record_file
from .record import ServerRecord

_MOST_DIGITS = 10


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
        pid: the daemon's, or what the pid file names; None when that is no process id or there is none.
        record: what the daemon wrote, None when there is none; without an address while it loads, or when its record
            is lost.
    """

    state: State
    pid: int | None
    record: ServerRecord | None


def read_record(pid_file: Path) -> ServerRecord | None:
    """Return the record beside a pid file, or None where there is no whole one."""
    return _read(record_file(pid_file))


def running(pid_file: Path) -> ServerRecord | None:
    """Return the record of the daemon with this pid file, if it runs.

    It has no address while the daemon loads, or when the record is lost.
    """
    return _living(read_record(pid_file)) or _living(_read(daemon_lock_file(pid_file)))


def examine(pid_file: Path) -> Examined:
    """Tell what a pid file means.

    Args:
        pid_file: its path; the record lies beside it.
    """
    living = running(pid_file)
    text = read_private(pid_file)
    if living:
        return Examined(State.RUNNING, living.pid, living)
    record, holder = read_record(pid_file), _read(daemon_lock_file(pid_file))
    if text is None:
        return Examined(State.STALE if record else State.ABSENT, None, record)
    pid = _pid(text)
    ours = pid in [one.pid for one in (record, holder) if one]
    foreign = pid is not None and not ours and processes.identity(pid) is not None
    return Examined(State.FOREIGN if foreign else State.STALE, pid, record or holder)


def hold(descriptor: int, record: ServerRecord) -> None:
    """Note in the lock file of a daemon which process has it.

    Args:
        descriptor: of the file, which is locked.
        record: of the process that has it; its secret and its address are left out.
    """
    write_locked(descriptor, replace(record, secret="", socket="", port=0).to_json())


def remember(pid_file: Path, record: ServerRecord) -> None:
    """Write the record of a server that listens."""
    write_private(record_file(pid_file), record.to_json())


def forget(pid_file: Path, record: ServerRecord | None) -> None:
    """Remove what a daemon that is gone has left: pid file, record and sockets."""
    pid_file.unlink(missing_ok=True)
    record_file(pid_file).unlink(missing_ok=True)
    if record and record.scratch:
        remove_scratch(Path(record.scratch))


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


def _read(path: Path) -> ServerRecord | None:
    text = read_private(path)
    return None if text is None else ServerRecord.from_json(text)


def _living(record: ServerRecord | None) -> ServerRecord | None:
    return record if record and processes.is_alive(record) else None


def _pid(text: str) -> int | None:
    digits = text.strip()
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) <= _MOST_DIGITS else None
