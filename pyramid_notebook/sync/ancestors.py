"""The versions that editors' files come from, kept on disk so that a restart of the server forgets none.

Each is a file named by its rev. What it holds is checked against that name, so that a file that was cut short counts
as none.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ..errors import UnsafePath
from ..files import private_folder, read_private, write_private
from .cells import Cell
from .revisions import REV, dumped, loaded, rev_of

#: How much is kept, of all notebooks; the versions that were used last.
MOST_FILES = 1000
MOST_BYTES = 100_000_000
_ROUND = 50  # versions after which it is looked whether there are too many


class Ancestors:
    """The versions in one folder. May be used from several threads.

    Args:
        folder: of ours alone; it is made.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept = 0
        self._last: tuple[str, str, tuple[Cell, ...]] = ("", "", ())  # what an editor asks for next, mostly

    def keep(self, cells: Sequence[Cell], notebook: str) -> str:
        """Keep a version of a notebook (by its id), and return its rev.

        Raises:
            OSError, UnsafePath: it cannot be kept.
        """
        rev = rev_of(cells, notebook)
        path = self._folder / rev
        try:
            os.utime(path)
        except OSError:
            private_folder(self._folder)
            write_private(path, dumped(cells))
            self._kept += 1
            if self._kept % _ROUND == 1:
                self._forget_oldest()
        self._last = rev, notebook, tuple(cells)
        return rev

    def find(self, rev: str, notebook: str) -> tuple[Cell, ...] | None:
        """Return a version, or None where it is not known, or of another notebook."""
        if not REV.fullmatch(rev):
            return None
        last, whose, cells = self._last
        if (rev, notebook) == (last, whose):
            return cells
        with suppress(OSError, UnsafePath, ValueError):
            text = read_private(self._folder / rev)
            if text is not None and rev_of(found := loaded(text), notebook) == rev:
                return found
        return None

    def _forget_oldest(self) -> None:
        found = []
        for entry in os.scandir(self._folder):
            with suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                found.append((status.st_mtime, status.st_size, entry.path))
        size = 0
        for number, (_, length, path) in enumerate(sorted(found, reverse=True)):
            size += length
            if number >= MOST_FILES or size > MOST_BYTES:
                with suppress(OSError):
                    Path(path).unlink()
