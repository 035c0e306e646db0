"""The notebook behind a model: its file is read again whenever it was saved."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...errors import NoNotebook, NotAFunction
from ..program import Program
from ..signature import Signature
from ..signature.other_languages import declared

#: Path of a notebook, or its content (nbformat 4).
Notebook = str | os.PathLike[str] | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Function:
    """What a notebook is at one time."""

    program: Program
    signature: Signature


def function_of(notebook: Mapping[str, Any], *, kernel_name: str = "", language: str = "") -> Function:
    """Return a notebook as a function.

    Args:
        notebook: its content.
        kernel_name: of the kernel that runs it; empty for the one that it names.
        language: of that kernel.

    Raises:
        NotAFunction: it is none.
    """
    program = Program.of(notebook)
    if kernel_name:
        program = replace(program, kernel_name=kernel_name, language=language or program.language)
    sources = program.parameter_sources
    if program.language == "python":
        return Function(program, Signature.of(sources, before=program.earlier_sources))
    return Function(program, Signature.of(declared(program.language, sources)))


class Source:
    """A notebook.

    Args:
        notebook: path of its file, or its content.
        kernel_name: see :func:`function_of`.
        language: see there.

    Attributes:
        path: of the file, absolute; None where there is none.

    Raises:
        NoNotebook: there is no such file.
        NotAFunction: it is no notebook that can be called.
    """

    def __init__(self, notebook: Notebook, *, kernel_name: str = "", language: str = "") -> None:
        self._kernel = {"kernel_name": kernel_name, "language": language}
        self.path = None if isinstance(notebook, Mapping) else Path(notebook).absolute()
        self._version = (0, 0, 0)
        self._function = function_of(notebook, **self._kernel) if isinstance(notebook, Mapping) else None
        self.now()

    @property
    def name(self) -> str:
        """Of the file, for people."""
        return self.path.name if self.path else "notebook"

    @property
    def folder(self) -> Path:
        """Of the file; of this process where there is none."""
        return self.path.parent if self.path else Path.cwd()

    def now(self) -> Function:
        """Return what the notebook is now; see above for what it raises."""
        if self.path is None or (version := self._stat(self.path)) == self._version:
            assert self._function is not None  # noqa: S101 - for the type checker
            return self._function
        self._function, self._version = function_of(self._content(self.path), **self._kernel), version
        return self._function

    def _stat(self, path: Path) -> tuple[int, int, int]:
        try:
            status = path.stat()
        except OSError as error:
            raise NoNotebook(f"There is no notebook {str(path)!r:.300}: {error.strerror}.") from None
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _content(self, path: Path) -> Mapping[str, Any]:
        try:
            content = json.loads(path.read_bytes())
        except OSError as error:
            raise NoNotebook(f"The notebook {str(path)!r:.300} cannot be read: {error.strerror}.") from None
        except (ValueError, RecursionError):
            raise NotAFunction(f"{self.name} is no notebook: it is not JSON.") from None
        return content if isinstance(content, Mapping) else {}
