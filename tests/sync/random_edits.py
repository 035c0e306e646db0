"""Random changes of a row of cells, in which each line that is written is unlike all others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import count
from random import Random

from pyramid_notebook.sync.cells import Cell, CellType
from pyramid_notebook.sync.merge.plan import Delete, Edit, Insert, Operation

KINDS = ("edit", "insert", "delete", "move", "retype", "tag")
_TOKEN = re.compile(r"token\d+")


class Writer:
    """Makes cells and changes them.

    Args:
        seed: equal seeds make equal changes.
    """

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self._numbers = count(100)

    def line(self) -> str:
        number = next(self._numbers)
        forms = ("value_{0} = compute('token{0}')", "print(token{0})", "# about token{0}", "token{0}()")
        return self.random.choice(forms).format(number)

    def source(self) -> str:
        return "\n".join(self.line() for _ in range(self.random.choice((1, 1, 2, 3, 5))))

    def notebook(self, length: int) -> list[Cell]:
        return [Cell(CellType.CODE, self.source(), f"id-{place}") for place in range(length)]

    def changed(self, cells: Sequence[Cell], kinds: Sequence[str], times: int, names: str) -> list[Cell]:
        """Return the cells after some changes; cells that are added are named after ``names``, or nothing at all."""
        changed = list(cells)
        for _ in range(times):
            kind = self.random.choice(kinds)
            if kind == "insert" or not changed:
                name = f"{names}-{next(self._numbers)}" if names else ""
                source = self.random.choice((self.source(), self.source(), ""))
                changed.insert(self.random.randint(0, len(changed)), Cell(CellType.CODE, source, name))
                continue
            place = self.random.randrange(len(changed))
            if kind == "delete":
                del changed[place]
            elif kind == "move":
                changed.insert(self.random.randrange(len(changed)), changed.pop(place))
            else:
                changed[place] = self._rewritten(changed[place], kind)
        return changed

    def _rewritten(self, cell: Cell, kind: str) -> Cell:
        if kind == "retype":
            return replace(cell, type=self.random.choice(list(CellType)))
        if kind == "tag":
            return replace(cell, metadata={"tags": [*cell.metadata.get("tags", ()), f"tag{next(self._numbers)}"]})
        lines = cell.source.split("\n")
        place = self.random.randrange(len(lines))
        how = self.random.choice(("replace", "insert", "remove"))
        if how == "insert":
            lines.insert(place, self.line())
        elif how == "replace" or len(lines) == 1:
            lines[place] = lines[place] + "  # and " + self.line() if lines[place] else self.line()
        else:
            del lines[place]
        return replace(cell, source="\n".join(lines))


def without_ids(cells: Iterable[Cell]) -> list[Cell]:
    return [replace(cell, id="") for cell in cells]


def contents(cells: Iterable[Cell]) -> list[tuple[CellType, str, dict[str, object]]]:
    """Return what cells say, without their ids."""
    return [(cell.type, cell.source, dict(cell.metadata)) for cell in cells]


def tokens(cells: Iterable[Cell]) -> set[str]:
    """Return the marks of the lines that stand in cells."""
    return {token for cell in cells for token in _TOKEN.findall(cell.source)}


def tags(cells: Iterable[Cell]) -> set[str]:
    return {tag for cell in cells for tag in cell.metadata.get("tags", ())}


def applied(
    live: Sequence[Cell], outputs: Sequence[object], operations: Iterable[Operation]
) -> tuple[list[Cell], list[object]]:
    """Return cells and outputs of a list after operations, done one after the other as a document does them."""
    cells, shown = list(live), list(outputs)
    for operation in operations:
        if isinstance(operation, Delete):
            assert cells[operation.index] == live[operation.live]
            del cells[operation.index], shown[operation.index]
            continue
        kept = outputs[operation.live] if operation.live is not None and operation.keeps_outputs else None
        if isinstance(operation, Insert):
            assert 0 <= operation.index <= len(cells)
            cells.insert(operation.index, operation.cell)
            shown.insert(operation.index, kept)
        elif isinstance(operation, Edit):
            assert cells[operation.index] == live[operation.live]
            cells[operation.index], shown[operation.index] = operation.cell, kept
    return cells, shown
