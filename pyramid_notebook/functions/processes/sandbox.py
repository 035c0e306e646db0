"""What the process of a call is and may do: its session, limits, descriptors and generators (Linux)."""

from __future__ import annotations

import builtins
import ctypes
import faulthandler
import fcntl
import gc
import getpass
import io
import os
import resource
import signal
import stat
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

_PR_SET_PDEATHSIG = 1  # prctl(2)
_PR_SET_CHILD_SUBREAPER = 36
_KEEP_SIZE_PUNCH_HOLE = 0x01 | 0x02  # fallocate(2)
#: Bytes beyond the limit that a process gets when it has run out of memory, to tell about it.
_RELIEF = 64 << 20
_UMASK = 0o077
#: A call is what the kernel kills first when the machine has no memory left; proc(5).
_OOM_SCORE = b"600"
_FILES = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)

_libc = ctypes.CDLL(None, use_errno=True)
_PRCTL = _libc.prctl  # declared here, where it costs no process of a call anything
_PRCTL.argtypes = (ctypes.c_int, *4 * (ctypes.c_ulong,))
_SIGNAL_SET = ctypes.c_ubyte * 128  # sigset_t
#: The mask of all signals.
ALL_SIGNALS = _SIGNAL_SET(*[0xFF] * 128)
#: pthread_sigmask(3). Python's own makes an object of each of 64 signals, which takes longer than many a cell.
set_signal_mask = _libc.pthread_sigmask
set_signal_mask.argtypes = (ctypes.c_int, ctypes.POINTER(_SIGNAL_SET), ctypes.POINTER(_SIGNAL_SET))


def _prctl(option: int, value: int) -> None:
    if _PRCTL(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def adopt_orphans() -> None:
    """Become the parent of all descendants whose parent ends: none can hide from whoever ends this process."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def separate(parent: int) -> None:
    """Become the leader of a session that ends with its parent.

    Args:
        parent: process id of the process that has forked this one.
    """
    os.setsid()
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before we had asked for that
        os._exit(0)
    adopt_orphans()
    os.umask(_UMASK)
    try:
        descriptor = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
        os.write(descriptor, _OOM_SCORE)  # the descriptor is closed with all others
    except OSError:
        pass


def redirect(outputs: Iterable[int]) -> None:
    """Lead the descriptors 1 and 2 to files, for all that does not use ``sys.stdout``."""
    for number, descriptor in enumerate(outputs, 1):
        os.dup2(descriptor, number)


def tell_crashes() -> None:
    """Have this process and its forks write to descriptor 2, whatever that is then, where they crash."""
    faulthandler.enable(file=2)


def close_descriptors(keep: Iterable[int]) -> None:
    """Close every descriptor but the first three and those to keep."""
    kept = {0, 1, 2, *keep}
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - each call does it
        if int(name) not in kept:
            try:
                os.close(int(name))
            except OSError:  # that of this list is gone
                continue


def own_files(descriptors: Iterable[int]) -> None:
    """Open inherited files again: two processes with the same open file would move one another's position in it."""
    for descriptor in descriptors:
        place = os.lseek(descriptor, 0, os.SEEK_CUR)
        with suppress(OSError):  # it was removed
            again = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY | os.O_CLOEXEC)
            os.lseek(again, place, os.SEEK_SET)
            os.dup2(again, descriptor, inheritable=False)
            os.close(again)


def is_file_for_reading(descriptor: int) -> bool:
    """Whether a descriptor is of a regular file, and cannot write to it."""
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    return stat.S_ISREG(os.fstat(descriptor).st_mode) and flags & os.O_ACCMODE == os.O_RDONLY


def flush_files() -> None:
    """Write what files that nobody has closed still hold back: this process ends without doing so."""
    for found in gc.get_objects():
        if type(found) in _FILES:
            with suppress(Exception):
                found.flush()


def address_space() -> int:
    """Return the bytes of address space that this process has."""
    return int(Path("/proc/self/statm").read_bytes().split()[0]) * resource.getpagesize()


def limit(memory: int, base: int) -> None:
    """Limit what this process may have.

    Args:
        memory: bytes of address space beyond `base`; 0 for no limit.
        base: bytes that the loaded libraries take.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory:
        _soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        most = base + memory + _RELIEF
        hard = most if hard == resource.RLIM_INFINITY else min(hard, most)
        resource.setrlimit(resource.RLIMIT_AS, (min(base + memory, hard), hard))


def relieve() -> None:
    """Get a little more memory than was allowed, to tell that it has run out."""
    with suppress(OSError, ValueError):
        _soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def reseed() -> None:
    """Give numpy's legacy generator a state of its own; Python's ``random`` has one after each fork."""
    module = sys.modules.get("numpy.random")
    if module is not None:
        module.seed()


def signal_mask() -> ctypes.Array[ctypes.c_ubyte]:
    """Return which signals this thread lets wait, for :data:`set_signal_mask`."""
    mask = _SIGNAL_SET()
    set_signal_mask(signal.SIG_BLOCK, None, mask)
    return mask


def forget_loops() -> None:
    """Let the next one who wants an event loop get a new one: a fork shares the descriptors of an old one."""
    helpers = sys.modules.get("IPython.core.async_helpers")
    loop = getattr(helpers, "_asyncio_event_loop", None)
    if loop is not None:
        loop.close()
        helpers._asyncio_event_loop = None  # type: ignore[union-attr]
    asyncio = sys.modules.get("asyncio")
    if asyncio is not None:
        asyncio.set_event_loop_policy(None)


def refuse_questions() -> None:
    """Make ``input()`` and ``getpass()`` fail with a sentence that says what to do."""

    def refuse(*_arguments: Any, **_options: Any) -> NoReturn:
        from IPython.core.error import StdinNotImplementedError

        raise StdinNotImplementedError(
            "A notebook that is called as a function has nobody to ask: make it a parameter, in a cell with that tag."
        )

    builtins.input = refuse
    getpass.getpass = refuse


def free_middle(descriptor: int, begin: int, end: int) -> None:
    """Free the memory of a part of a file in memory; its size stays (fallocate(2), FALLOC_FL_PUNCH_HOLE)."""
    _libc.fallocate(descriptor, _KEEP_SIZE_PUNCH_HOLE, ctypes.c_longlong(begin), ctypes.c_longlong(max(0, end - begin)))
