"""Forks a process for each message, and looks after it: deadline, cancellation, and what it leaves behind.

One process is always forked ahead, and has copied what a call will write to before there is one: that takes longer
than the call of a small notebook itself. It does not where calls keep all processors busy: then what is done ahead
only takes their time. Each serves one call only.

One thread, one loop (epoll(7)). A message on the control socket is a JSON object, with the call's stream socket and its
bell (see :mod:`..protocol`) as descriptors beside it, and for a snapshot its control socket as a third one. A call ends
when its process ends, when its deadline comes, or when the other end of its stream socket is closed. Everything that
its process started ends with it: such processes become our children, and whoever is our child and no call is killed.

How a process ended that has not said so itself is told on the control socket, not on its stream: after half a frame
nobody could tell one from the other.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from . import sandbox
from .capture import DONE, MOST_TEXT
from .hazards import children

_MESSAGE_BYTES = 64 * 1024
_LOOK_SECONDS = 0.1
_END_SECONDS = 5.0
#: Bytes of a call's output in memory above which its middle is thrown away, and how many are kept at the end.
_MOST_OUTPUT, _TAIL = 16 << 20, 4096
_OUTPUTS = ("stdout", "stderr")


@dataclass(frozen=True, slots=True, kw_only=True)
class Birth:
    """What a process has that was just forked.

    Attributes:
        parent: process id of the process that has forked it.
        files: the files in memory for descriptors 1 and 2.
        door: where its task comes from, see :func:`received`.
        has_time: whether a processor is free, so that it may prepare for its task.
    """

    parent: int
    files: Mapping[str, int]
    door: socket.socket
    has_time: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a process is for.

    Attributes:
        message: that asked for it.
        line: the stream socket of the call.
        bell: the end of a pipe.
        control: the control socket of a snapshot.
    """

    message: Mapping[str, Any]
    line: socket.socket
    bell: int
    control: socket.socket | None


def received(door: socket.socket) -> Task | None:
    """Wait for a task, and return it; None when nobody can send one any more.

    Args:
        door: a ``SOCK_SEQPACKET`` socket.
    """
    try:
        text, descriptors, _flags, _address = socket.recv_fds(door, _MESSAGE_BYTES, 3, socket.MSG_CMSG_CLOEXEC)
    except OSError:
        return None
    if not text:
        return None
    stream, bell, *more = descriptors
    return Task(
        message=json.loads(text),
        line=socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, stream),
        bell=bell,
        control=socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, more[0]) if more else None,
    )


@dataclass(slots=True, eq=False)
class _Fork:
    """A process; without a task it is a spare one.

    Attributes:
        watch: its pidfd.
    """

    pid: int
    watch: int
    files: Mapping[str, int]
    door: socket.socket
    task: Task | None = None
    deadline: float = float("inf")
    is_late: bool = False

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        with suppress(ProcessLookupError, PermissionError):  # it has not made its group yet
            os.killpg(self.pid, signal.SIGKILL)


class Forks:
    """The processes that one process has forked.

    Args:
        control: a ``SOCK_SEQPACKET`` socket; :meth:`serve` returns when its other end is closed.
        child: does the work of a process that was forked, and does not return.
    """

    def __init__(self, control: socket.socket, child: Callable[[Birth], None]) -> None:
        self._control = control
        self._child = child
        self._epoll = select.epoll()
        self._forks: dict[int, _Fork] = {}
        self._spare: _Fork | None = None
        self._strays: dict[int, int] = {}
        self._handlers: dict[int, Callable[[], None]] = {}
        self._is_open = True

    def serve(self) -> None:
        """Do what the messages say, until the control socket is closed; then end all that runs."""
        self._watch(self._control.fileno(), select.EPOLLIN, self._receive)
        self._make_spare()
        while self._is_open:
            self._step(self._patience())
        for fork in self._forks.values():
            fork.kill()
        end = time.monotonic() + _END_SECONDS
        self._sweep()
        while (self._forks or self._strays) and time.monotonic() < end:
            self._step(_LOOK_SECONDS)

    def _step(self, timeout: float) -> None:
        # all are looked up before any is called: a descriptor that one closes may be that of a new call in the next
        for handler in [self._handlers[descriptor] for descriptor, _event in self._epoll.poll(timeout)]:
            handler()
        now = time.monotonic()
        for fork in self._forks.values():
            if fork.deadline <= now and not fork.is_late:
                fork.is_late = True
                fork.kill()
            for descriptor in fork.files.values() if fork.task is not None else ():
                _shorten(descriptor)

    def _patience(self) -> float:
        deadlines = [fork.deadline for fork in self._forks.values() if fork.task is not None and not fork.is_late]
        return max(0.0, min(_LOOK_SECONDS, min(deadlines) - time.monotonic())) if deadlines else -1

    def _watch(self, descriptor: int, events: int, handler: Callable[[], None]) -> None:
        self._epoll.register(descriptor, events)
        self._handlers[descriptor] = handler

    def _forget(self, descriptor: int) -> None:
        if self._handlers.pop(descriptor, None) is not None:
            self._epoll.unregister(descriptor)  # before it is closed: a child may have a copy for a moment

    def _receive(self) -> None:
        # the deadline counts from now: what comes next may be slow on a machine with much to do
        now = time.monotonic()
        task = received(self._control)
        if task is None:
            self._is_open = False
            return
        fork, self._spare = self._spare, None
        try:
            fork = fork or self._fork()
        except OSError as error:
            self._tell({"id": task.message["id"], "error": str(error)})
            task.line.close()
            _close_rest(task)
            return
        self._give(fork, task, now + float(task.message.get("seconds", float("inf"))))
        self._make_spare()

    def _make_spare(self) -> None:
        if self._spare is None:
            with suppress(OSError):  # whoever needs a process tries again
                self._spare = self._fork()

    def _give(self, fork: _Fork, task: Task, deadline: float) -> None:
        fork.task, fork.deadline = task, deadline
        descriptors = [task.line.fileno(), task.bell, *([task.control.fileno()] if task.control is not None else [])]
        with suppress(OSError):  # it was killed; we shall hear of that
            socket.send_fds(fork.door, [json.dumps(task.message).encode()], descriptors)
        fork.door.close()
        _close_rest(task)
        self._watch(task.line.fileno(), 0, lambda: self._hung_up(fork))  # its end is told without being asked for

    def _fork(self) -> _Fork:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        files = {name: os.memfd_create(name) for name in _OUTPUTS}
        calls = sum(fork.task is not None for fork in self._forks.values())
        has_time = calls < len(os.sched_getaffinity(0))
        birth = Birth(parent=os.getpid(), files=files, door=theirs, has_time=has_time)
        pid = os.fork()
        if pid == 0:
            try:
                self._child(birth)
            finally:
                os._exit(1)
        theirs.close()
        fork = _Fork(pid, os.pidfd_open(pid), files, ours)
        self._forks[pid] = fork
        self._watch(fork.watch, select.EPOLLIN, lambda: self._ended(fork))
        return fork

    def _hung_up(self, fork: _Fork) -> None:
        if fork.task is None or fork.pid not in self._forks:  # it ended in this round
            return
        self._forget(fork.task.line.fileno())
        fork.kill()

    def _ended(self, fork: _Fork) -> None:
        fork.kill()  # the rest of its group; the number is its own until we have waited for it
        _pid, status = os.waitpid(fork.pid, 0)
        del self._forks[fork.pid]
        self._forget(fork.watch)
        os.close(fork.watch)
        if fork.task is None:
            self._spare = None
            fork.door.close()
        else:
            self._tell_end(fork, fork.task, os.waitstatus_to_exitcode(status))
            self._forget(fork.task.line.fileno())
            fork.task.line.close()
        for descriptor in fork.files.values():
            os.close(descriptor)
        self._sweep()

    def _tell_end(self, fork: _Fork, task: Task, code: int) -> None:
        if code != DONE:
            told = {"id": task.message["id"], "code": max(code, 0), "signal": max(-code, 0), "late": fork.is_late}
            self._tell(told | {"output": "".join(map(_tail, fork.files.values()))})

    def _sweep(self) -> None:
        """Kill what calls that have ended left behind; those that go on are the parents of theirs themselves."""
        for pid in children():
            if pid in self._forks or pid in self._strays:
                continue
            watch = os.pidfd_open(pid)  # it is our child: its number stays its own
            self._strays[pid] = watch
            self._watch(watch, select.EPOLLIN, lambda pid=pid: self._stray_ended(pid))  # type: ignore[misc]
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)

    def _stray_ended(self, pid: int) -> None:
        with suppress(ChildProcessError):
            os.waitpid(pid, 0)
        watch = self._strays.pop(pid)
        self._forget(watch)
        os.close(watch)
        self._sweep()  # its own children are ours now

    def _tell(self, message: Mapping[str, Any]) -> None:
        with suppress(OSError):  # whoever is too busy to read it learns from the stream that the call has ended
            self._control.send(json.dumps(message).encode(), socket.MSG_DONTWAIT)


def _close_rest(task: Task) -> None:
    os.close(task.bell)
    if task.control is not None:
        task.control.close()


def _shorten(descriptor: int) -> None:
    found = os.fstat(descriptor)
    if found.st_blocks * 512 > _MOST_OUTPUT:
        sandbox.free_middle(descriptor, MOST_TEXT * 2, found.st_size - _TAIL)


def _tail(descriptor: int) -> str:
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, _TAIL, max(0, size - _TAIL)).decode("utf-8", "replace").replace("\0", "")
