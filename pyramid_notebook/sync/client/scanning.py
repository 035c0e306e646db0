"""Which files are saved, seen by looking again and again: it works on every file system, with every editor.

An editor that writes a file anew under another name and renames it is seen by the file's inode.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator, Sequence

from ..percent.languages import language_of_file
from .source import FileTrouble, Signature, signature

#: Seconds between two looks for new files; a large folder is looked through less often.
WALK_SECONDS = 1.0
_SHARE_OF_WALKS = 20
_MARKER = re.compile(rb"^[ \t]*[^\s\w]{1,3}[ \t]?%%", re.MULTILINE)
_LOOKED_AT = 1 << 18


class Finder:
    """Files, and those in folders that have cells.

    Args:
        paths: absolute paths of files, and of folders that are looked through with those in them.
        clock: tells seconds that never go back.

    Raises:
        FileTrouble: one of them does not exist.
    """

    def __init__(self, paths: Sequence[str], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._folders = [path for path in paths if os.path.isdir(path)]  # noqa: PTH112
        self._files: dict[str, Signature | None] = {}
        self._without_cells: dict[str, Signature] = {}
        for path in paths:
            if path not in self._folders:
                self._files[path] = signature(path)
                if self._files[path] is None:
                    raise FileTrouble(f"{path} does not exist, or is no file.")
        self._walk()
        self._next_walk = 0.0

    @property
    def files(self) -> list[str]:
        """All files that are watched."""
        return list(self._files)

    def changed(self) -> list[str]:
        """Return the files that were saved, or have appeared, since this was asked last."""
        found = []
        for path, before in self._files.items():
            now = signature(path)
            # a file that is gone may be on its way back under its name
            if now is not None and now != before:
                found.append(path)
                self._files[path] = now
        if self._folders and self._clock() >= self._next_walk:
            found += self._walk()
        return found

    def known(self, path: str) -> Signature | None:
        """Return what a file was when it was looked at, or written by us, last."""
        return self._files.get(path)

    def settle(self, path: str, written: Signature) -> None:
        """Take what we have written to a file ourselves for known."""
        self._files[path] = written

    def _walk(self) -> list[str]:
        started = self._clock()
        found = []
        for folder in self._folders:
            for path in _scripts(folder):
                if path not in self._files and self._has_cells(path):
                    self._files[path] = signature(path)
                    found.append(path)
        ended = self._clock()
        self._next_walk = ended + max(WALK_SECONDS, _SHARE_OF_WALKS * (ended - started))
        return found

    def _has_cells(self, path: str) -> bool:
        now = signature(path)
        if now is None or self._without_cells.get(path) == now:
            return False
        try:
            # O_NONBLOCK: a pipe in the file's place must not block us
            with os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
                if _MARKER.search(file.read(_LOOKED_AT)):
                    self._without_cells.pop(path, None)
                    return True
        except OSError:
            return False
        self._without_cells[path] = now
        return False


def _scripts(folder: str) -> Iterator[str]:
    """Yield the files of known languages below a folder; hidden ones, and links to folders, are left out."""
    waiting = [folder]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    elif language_of_file(entry.name) and entry.is_file():
                        yield entry.path
        except OSError:  # gone, or not ours to read
            continue
