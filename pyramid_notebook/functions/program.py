"""What of a notebook is a function: its cells by their tags (pure).

Tags (the idea of notebook_restified): ``parameters`` cells hold the defaults of the parameters, ``skip`` cells never
run here, the first ``return`` cell gives the value, and none after it runs. Everything before a cell with the tag
``snapshot`` may be run once for many calls.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from ..errors import NotAFunction

PARAMETERS, SKIP, RETURN, SNAPSHOT = "parameters", "skip", "return", "snapshot"
#: Number of the cell that is the startup script, which is no cell of the notebook.
STARTUP = -1
#: The tag of a cell that papermill made: the parameters of some earlier run, which are defaults now.
_INJECTED = "injected-parameters"
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_HEADING = re.compile(r" {0,3}#{1,6}[ \t]+(.*)")


class Role(StrEnum):
    """What a cell is for."""

    CODE = "code"
    PARAMETERS = "parameters"
    RETURN = "return"


@dataclass(frozen=True, slots=True)
class Cell:
    """One code cell that runs.

    Attributes:
        index: its number among all cells of the notebook, from 0.
        source: its code.
        role: what it is for.
    """

    index: int
    source: str
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """The function that a notebook is.

    Attributes:
        cells: in the order in which they run, the cell with the value last, if there is one.
        language: of the kernel, in lower case, such as ``python``.
        kernel_name: of the kernelspec; empty where the notebook names none.
        title: first heading of the notebook, or empty.
        description: text of the Markdown cells before the first cell that runs, and of those with the tag
            ``parameters``.
        snapshot: how many of the cells lie before the mark; 0 where there is none.
        options: what the notebook's metadata says below ``pyramid_notebook``: ``cache`` and ``timeout``, in seconds,
            and ``calls``, how many may run at once.
    """

    cells: tuple[Cell, ...]
    language: str = "python"
    kernel_name: str = ""
    title: str = ""
    description: str = ""
    snapshot: int = 0
    options: Mapping[str, Any]

    @property
    def has_value(self) -> bool:
        """Whether a cell returns something; a call of a notebook without one returns None."""
        return bool(self.cells) and self.cells[-1].role is Role.RETURN

    @property
    def parameter_sources(self) -> tuple[str, ...]:
        """The sources of the cells with parameters."""
        return tuple(cell.source for cell in self.cells if cell.role is Role.PARAMETERS)

    @property
    def earlier_sources(self) -> tuple[str, ...]:
        """The sources of the other cells before the last one with parameters; they may import its types."""
        last = max((number for number, cell in enumerate(self.cells) if cell.role is Role.PARAMETERS), default=0)
        return tuple(cell.source for cell in self.cells[:last] if cell.role is Role.CODE)

    def after(self, source: str) -> Program:
        """Return the same function with some code before it, such as the startup script of its notebook context."""
        first = Cell(STARTUP, source, Role.CODE)
        return replace(self, cells=(first, *self.cells), snapshot=self.snapshot + 1 if self.snapshot else 0)

    @property
    def digest(self) -> str:
        """A hash of all that a call depends on, in hexadecimal digits."""
        told = [self.language, self.kernel_name, self.snapshot, [[cell.role, cell.source] for cell in self.cells]]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()

    @classmethod
    def of(cls, notebook: Mapping[str, Any]) -> Program:
        """Return the function that a notebook is.

        Args:
            notebook: its content (nbformat 4).

        Raises:
            NotAFunction: it is no notebook, or its tags contradict each other; the text says what to change.
        """
        notebook = _mapping(notebook)
        cells, metadata = notebook.get("cells"), notebook.get("metadata")
        if notebook.get("nbformat") != 4 or not isinstance(cells, list) or not isinstance(metadata, Mapping):
            raise NotAFunction("This is no notebook of format 4.")
        found: list[Cell] = []
        texts: list[str] = []
        snapshot: int | None = None
        for index, cell in enumerate(cells):
            tags, source = _tags(cell), _source(cell)
            if SNAPSHOT in tags and snapshot is None:
                snapshot = len(found)
            if cell.get("cell_type") == "markdown" and (not found or PARAMETERS in tags) and SKIP not in tags:
                texts.append(source)
            if cell.get("cell_type") != "code" or SKIP in tags:
                continue
            role = _role(tags, index)
            found.append(Cell(index, source, role))
            if role is Role.RETURN:
                break
        _check_snapshot(found, snapshot)
        kernel = _mapping(metadata.get("kernelspec"))
        language = _mapping(metadata.get("language_info")).get("name") or kernel.get("language") or "python"
        return cls(
            cells=tuple(found),
            language=str(language).lower(),
            kernel_name=str(kernel.get("name") or ""),
            title=_title(texts),
            description="\n\n".join(texts),
            snapshot=snapshot or 0,
            options=_mapping(metadata.get("pyramid_notebook")),
        )


def _tags(cell: Any) -> frozenset[str]:
    if not isinstance(cell, Mapping):
        raise NotAFunction("A cell of this notebook is none.")
    tags = _mapping(cell.get("metadata")).get("tags")
    return frozenset(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else frozenset()


def _source(cell: Mapping[str, Any]) -> str:
    source = cell.get("source", "")
    lines = source if isinstance(source, list) else [source]
    if not all(isinstance(line, str) for line in lines):
        raise NotAFunction("A cell of this notebook has a source that is no text.")
    return "".join(lines)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _role(tags: frozenset[str], index: int) -> Role:
    if RETURN in tags and {PARAMETERS, _INJECTED} & tags:
        raise NotAFunction(f"Cell {index + 1} has both tags, parameters and return: a cell can have one of them only.")
    if RETURN in tags:
        return Role.RETURN
    return Role.PARAMETERS if {PARAMETERS, _INJECTED} & tags else Role.CODE


def _check_snapshot(cells: Sequence[Cell], snapshot: int | None) -> None:
    if snapshot and any(cell.role is Role.PARAMETERS for cell in cells[:snapshot]):
        raise NotAFunction("The cell with the tag snapshot must come before the parameters: they differ in each call.")


def _title(texts: Sequence[str]) -> str:
    """Return the first heading (CommonMark 4.2), which no line of a fenced code block is (4.5)."""
    for text in texts:
        fence = ""
        for line in text.splitlines():
            mark = _FENCE.match(line)
            if mark and not fence:
                fence = mark.group(1)
            elif mark and mark.group(1).startswith(fence):
                fence = ""
            heading = None if fence else _HEADING.fullmatch(line)
            title = _heading_text(heading.group(1)) if heading else ""
            if title:
                return title
    return ""


def _heading_text(text: str) -> str:
    text = text.strip()
    kept = text.rstrip("#")
    return kept.rstrip() if not kept or kept[-1] in " \t" else text
