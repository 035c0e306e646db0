"""The notebooks of a user's folder as functions, read once for as long as their files stay the same."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import NoNotebook, NotAFunction, UnsafePath
from ..files import read_private
from .program import Program
from .signature import Signature
from .signature.other_languages import declared

SUFFIX = ".ipynb"
_MOST_BYTES = 50_000_000
_MOST_KEPT = 200
_MOST_ENTRIES = 20_000
_LARGE = 1 << 18


@dataclass(frozen=True, slots=True)
class Function:
    """A notebook that can be called.

    Attributes:
        path: of the notebook, below the user's folder.
        program: what runs.
        signature: its parameters.
        notebook: its content, for the executed notebook.
        folder: working folder of its calls.
        version: of its file, other after each change.
    """

    path: str
    program: Program
    signature: Signature
    notebook: dict[str, Any]
    folder: str
    version: tuple[int, ...]


class Library:
    """Reads the notebooks of one folder.

    Args:
        folder: of the user.
        kernels: folder of the kernelspecs of notebook contexts, whose startup scripts run before the first cell.
    """

    def __init__(self, folder: Path, kernels: Path) -> None:
        self._folder = folder.resolve()
        self._kernels = kernels
        self._kept: dict[str, tuple[tuple[int, ...], Function]] = {}

    async def find(self, path: str) -> Function:
        """Return a notebook as a function.

        Args:
            path: of the notebook, below the user's folder.

        Raises:
            NoNotebook: there is none of that name, or it is hidden, or lies outside of the folder.
            NotAFunction: it cannot be read.
        """
        try:
            descriptor = self._open(path)
        except (OSError, ValueError):
            raise NoNotebook(f"There is no notebook {path[:200]!r}.") from None
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            version = (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)
            known = self._kept.get(path)
            if known and known[0] == version:
                return known[1]
            if status.st_size > _MOST_BYTES:
                raise NotAFunction(f"The notebook has {status.st_size} bytes; {_MOST_BYTES} are the most.")
            data = file.read(_MOST_BYTES)
        is_large = len(data) > _LARGE
        made = await asyncio.to_thread(self._read, path, data, version) if is_large else self._read(path, data, version)
        while len(self._kept) >= _MOST_KEPT:
            self._kept.pop(next(iter(self._kept)))
        self._kept[path] = version, made
        return made

    def paths(self) -> list[str]:
        """Return the paths of the notebooks that have a cell with one of our tags."""
        return sorted(path for path in self._notebooks() if self._is_tagged(path))

    def _open(self, path: str) -> int:
        parts = path.split("/")
        if not path.endswith(SUFFIX) or any(not part or part.startswith(".") or "\0" in part for part in parts):
            raise ValueError(path)
        place = (self._folder / path).resolve(strict=True)
        if not place.is_relative_to(self._folder):
            raise ValueError(path)
        # a pipe would be waited for
        descriptor = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise ValueError(path)
        return descriptor

    def _read(self, path: str, data: bytes, version: tuple[int, ...]) -> Function:
        try:
            notebook = json.loads(data)
        except (ValueError, RecursionError):
            raise NotAFunction("This is no notebook: its file is not JSON.") from None
        if not isinstance(notebook, dict):
            raise NotAFunction("This is no notebook.")
        program = Program.of(notebook)
        startup = self._startup(program.kernel_name)
        if startup:
            program = program.after(startup)
        sources = program.parameter_sources
        signature = (
            Signature.of(sources, before=program.earlier_sources)
            if program.language == "python"
            else Signature.of(declared(program.language, sources))
        )
        return Function(path, program, signature, notebook, str((self._folder / path).parent), version)

    def _startup(self, kernel_name: str) -> str:
        """Return the startup script of a notebook context, which never changes: the name holds its hash."""
        if not kernel_name or "/" in kernel_name or kernel_name.startswith("."):
            return ""
        try:
            return read_private(self._kernels / kernel_name / "startup.py") or ""
        except (OSError, ValueError, UnsafePath):  # no name that a folder can have
            return ""

    def _notebooks(self) -> Iterator[str]:
        entries = 0
        for folder, folders, files in os.walk(self._folder):
            entries += len(folders) + len(files)
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            below = Path(folder).relative_to(self._folder)
            named = (name for name in files if name.endswith(SUFFIX) and name[0] != ".")
            yield from ((below / name).as_posix() for name in named if _is_text(folder + name))
            if entries > _MOST_ENTRIES:
                return

    def _is_tagged(self, path: str) -> bool:
        try:
            with os.fdopen(self._open(path), "rb") as file:
                data = file.read(_MOST_BYTES)
        except (OSError, ValueError):
            return False
        return any(tag in data for tag in (b'"parameters"', b'"return"'))


def _is_text(name: str) -> bool:
    """Tell whether a name is UTF-8; another one cannot stand in an address."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
