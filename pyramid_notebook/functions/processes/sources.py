"""Which files of source code a process has loaded, and whether they have changed since."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Mapping, Sequence

#: Time of the last change in nanoseconds, and bytes, by path.
Sources = Mapping[str, Sequence[int]]


def loaded_sources() -> dict[str, tuple[int, int]]:
    """Return the files of all modules that somebody may be working on: not those of Python or of site-packages."""
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    foreign = tuple(os.path.realpath(sysconfig.get_path(name)) + os.sep for name in names)
    found: dict[str, tuple[int, int]] = {}
    for module in list(sys.modules.values()):
        path = getattr(module, "__file__", None)
        if isinstance(path, str) and path.endswith(".py") and not os.path.realpath(path).startswith(foreign):
            state = _state(path)
            if state is not None:
                found[os.path.abspath(path)] = state  # noqa: PTH100 - some hundred of them
    return found


def have_changed(sources: Sources) -> bool:
    """Tell whether one of the files is not what it was."""
    return any(_state(path) != tuple(state) for path, state in sources.items())


def _state(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - it is asked before calls
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
