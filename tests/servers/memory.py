"""How much memory a web server takes, at its worst."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .ways import Served

MEGABYTE = 1 << 20


@contextmanager
def growing_at_most(served: Served, megabytes: float) -> Iterator[None]:
    """Check that no process of a web server takes so much more memory for a moment (Linux ``proc(5)``, VmHWM).

    Args:
        served: the site.
        megabytes: how much more than before.
    """
    before = {pid: _kilobytes(pid, "VmRSS") for pid in served.pids()}
    for pid in before:
        Path(f"/proc/{pid}/clear_refs").write_text("5")
    yield
    for pid, kilobytes in before.items():
        with suppress(FileNotFoundError):
            grown = (_kilobytes(pid, "VmHWM") - kilobytes) / 1024
            assert grown <= megabytes, f"{served.way} took {grown:.0f} MB more"


def _kilobytes(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))
