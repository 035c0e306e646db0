"""What a process must not have when it forks: threads, open connections, an event loop, contexts of ZeroMQ.

A fork has a copy of a lock that another thread held, and nobody who lets it go; and it shares a connection with the
process that it comes from.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

from . import sandbox


def hazard(*, own: Collection[int], strict: bool = False) -> str:
    """Return why this process must not fork, as the end of a sentence, or nothing.

    Args:
        own: descriptors that are known to be harmless.
        strict: whether to look for files that are open for writing, pipes, tasks and child processes, too.
    """
    threads = other_threads()
    if threads:
        return f"started a thread ({', '.join(threads)}), which no copy of this process would have"
    if has_context():
        return "made a context of ZeroMQ, which no copy of this process could use"
    if strict and children():
        return "started a process that still runs"
    if strict and has_tasks():
        return "left a task of asyncio that has not ended"
    if strict and has_shared_memory():
        return "has memory that all copies of this process would share"
    return _open_hazard(own, strict=strict)


def has_shared_memory() -> bool:
    """Whether a mapping is shared and can be written to; see proc(5), ``/proc/pid/maps``."""
    lines = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines()
    return any(line.split(maxsplit=2)[1][1::2] == "ws" for line in lines)


def _open_hazard(own: Collection[int], *, strict: bool) -> str:
    for descriptor, target in open_descriptors():
        if descriptor in own:
            continue
        if target.startswith("socket:"):
            return "opened a connection, which all copies of this process would share"
        if strict and not sandbox.is_file_for_reading(descriptor) and target != "/dev/null":
            return f"left something open that all copies of this process would share: {target}"
    return ""


def other_threads() -> list[str]:
    """Return the names of all threads of this process but the first; see proc(5)."""
    tasks = Path("/proc/self/task")
    return [
        (path / "comm").read_text(encoding="utf-8", errors="replace").strip()
        for path in tasks.iterdir()
        if path.name != str(os.getpid())
    ]


def open_descriptors() -> list[tuple[int, str]]:
    """Return the descriptors of this process, and what they lead to; see proc(5)."""
    found = []
    for path in Path("/proc/self/fd").iterdir():
        try:
            found.append((int(path.name), str(path.readlink())))
        except OSError:  # that of the list
            continue
    return found


def children(pid: int | None = None) -> list[int]:
    """Return the children of this process, which has one thread; see proc(5), ``/proc/pid/task/tid/children``."""
    pid = os.getpid() if pid is None else pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_bytes().split()]


def has_context() -> bool:
    """Whether there is an open context of ZeroMQ."""
    zmq = sys.modules.get("zmq")
    kind: Any = getattr(zmq, "Context", None)
    if kind is None:
        return False
    return any(isinstance(found, kind) and not found.closed for found in gc.get_objects())


def has_tasks() -> bool:
    """Whether a cell with ``await`` left something in its event loop."""
    helpers, asyncio = sys.modules.get("IPython.core.async_helpers"), sys.modules.get("asyncio")
    loop = getattr(helpers, "_asyncio_event_loop", None)
    return asyncio is not None and loop is not None and not loop.is_closed() and bool(asyncio.all_tasks(loop))
