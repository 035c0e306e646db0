"""Which process is it, does it still run, and how to end everything that one launch started.

A process is named by its pid *and* its start time, because pids are used again. Kernels and terminals run in sessions
of their own, so the processes of one user server are found by the environment variable that they inherit, by
descent, and by session.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path

import psutil

from .errors import StopError
from .record import LAUNCH_VARIABLE, ServerRecord

_START_TIME = 19  # field 22 of proc(5) /proc/pid/stat, counted after the command name
_KILL_SECONDS = 5.0
_POLL_SECONDS = 0.01


@cache
def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")[:8]


def identity(pid: int) -> str | None:
    """Return what tells this process from every other one that has or had its pid.

    On Linux that is the boot id and the start time in clock ticks, which a change of the system's clock does not
    move; elsewhere the creation time.

    Returns:
        None where no such process runs; a zombie does not run.
    """
    if sys.platform == "linux":
        try:
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except (OSError, ValueError):
            return None
        return None if not fields or fields[0] in "ZX" else f"{_boot()}-{fields[_START_TIME]}"
    try:
        return f"{psutil.Process(pid).create_time():.2f}"
    except psutil.Error:
        return None


def is_alive(record: ServerRecord) -> bool:
    """Tell whether the very process that wrote the record still runs."""
    found = identity(record.pid)
    return found is not None and found == record.identity


def clock() -> float:
    """Return seconds of a clock that nobody sets; it goes on while the machine sleeps, where there is such a one."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if sys.platform == "linux" else time.monotonic()


def age(record: ServerRecord) -> float:
    """Return for how many seconds the process of a record has been running, 0 where it does not."""
    if not is_alive(record):
        return 0.0
    if sys.platform == "linux":  # proc(5): start times count from the machine's start, as CLOCK_BOOTTIME does
        started = int(record.identity.rpartition("-")[2]) / os.sysconf("SC_CLK_TCK")
        return max(0.0, clock() - started)
    return max(0.0, time.time() - float(record.identity))


def _is_of_launch(process: psutil.Process, launch_id: str) -> bool:
    try:
        return bool(launch_id) and process.environ().get(LAUNCH_VARIABLE) == launch_id
    except (psutil.Error, OSError):
        return False


def _session_of(process: psutil.Process) -> int | None:
    try:
        return os.getsid(process.pid)
    except OSError:
        return None


def members(record: ServerRecord) -> list[psutil.Process]:
    """Return the running processes that a launch started: server, kernels, terminals and what they started."""
    mine = os.geteuid()
    ours: list[psutil.Process] = []
    others: list[psutil.Process] = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.uids().effective == mine and process.pid != os.getpid():
                (ours if _is_of_launch(process, record.launch_id) else others).append(process)
    if is_alive(record):
        with suppress(psutil.Error):
            ours.append(psutil.Process(record.pid))
    descendants: list[psutil.Process] = []
    for process in ours:
        with suppress(psutil.Error):
            descendants.extend(process.children(recursive=True))
    # a session belongs to the launch when its leader does: our own caller's session never qualifies
    leaders = {process.pid for process in (*ours, *descendants) if _session_of(process) == process.pid}
    same_session = [process for process in others if _session_of(process) in leaders]
    found = {process.pid: process for process in (*ours, *descendants, *same_session)}
    found.pop(os.getpid(), None)
    return [process for process in found.values() if identity(process.pid) is not None]


def memory(record: ServerRecord) -> int:
    """Return the resident memory of all processes of a launch, in bytes."""
    total = 0
    for process in members(record):
        with suppress(psutil.Error):
            total += process.memory_info().rss
    return total


def _signal(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with suppress(psutil.Error):
            process.send_signal(number)  # psutil refuses when the pid was used again


def end(record: ServerRecord, *, timeout: float) -> None:
    """End a user server and everything that it started.

    The server is asked first (TERM), so that it can save documents and end its kernels; what is left after
    ``timeout`` is killed.

    Args:
        record: of the server; that process may be gone already, then only what it left is ended.
        timeout: seconds that the server has to end by itself.

    Raises:
        StopError: something is still there after KILL.
    """
    everything = members(record)
    if is_alive(record):
        server = psutil.Process(record.pid)
        _signal([server], signal.SIGTERM)
        _wait([server], timeout=timeout)
    # what was started meanwhile is looked for again; what was seen before is not forgotten
    for number, patience in ((signal.SIGTERM, 1.0), (signal.SIGKILL, _KILL_SECONDS)):
        everything = _running([*everything, *members(record)])
        if not everything:
            return
        _signal(everything, number)
        _wait(everything, timeout=patience)
    remaining = _running([*everything, *members(record)])
    if remaining:
        pids = ", ".join(str(process.pid) for process in remaining)
        raise StopError(f"These processes of the notebook could not be ended: {pids}.")


def _wait(processes: Iterable[psutil.Process], *, timeout: float) -> None:
    # not psutil.wait_procs: where PID 1 does not ask for orphans, as in many containers, they stay zombies
    deadline = time.monotonic() + timeout
    while _running(processes) and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)


def _running(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    running = []
    for process in set(processes):
        with suppress(psutil.Error):
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                running.append(process)
    return running
