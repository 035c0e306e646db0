"""What an editor's file becomes when it takes over what the notebook has, and from which version on (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..cells import Cell
from .merged import Conflict, Merge
from .threeway import old_version


@dataclass(frozen=True, slots=True)
class Takeover:
    """The two rows.

    Attributes:
        file: the cells of the file: the merged ones, but in a conflict the file's own version, or none where it had
            deleted the cell. So nothing that was typed there is lost.
        base: the version that the file and the notebook come from then. In a conflict that is still the old one, so
            that the next merge tells it again, until somebody ends it.
    """

    file: tuple[Cell, ...]
    base: tuple[Cell, ...]


def take_over(merge: Merge, live: Sequence[Cell], *, is_applied: bool) -> Takeover:
    """Return what the file and its next base are.

    Args:
        merge: of the file's cells with the notebook's.
        live: the notebook's cells that were merged.
        is_applied: whether the notebook holds the merged cells by now, or still those it had.
    """
    by_live = {id(conflict.live): conflict for conflict in merge.conflicts if conflict.live is not None}
    by_name = {conflict.id: conflict for conflict in merge.conflicts}

    def conflict_of(cell: Cell) -> Conflict | None:
        return by_live.get(id(cell)) or (by_name.get(cell.id) if cell.id else None)

    file: list[Cell] = []
    for merged in merge.cells:
        conflict = conflict_of(merged.cell)
        if conflict is None:
            file.append(merged.cell)
        elif conflict.mine is not None:
            file.append(_named(conflict.mine, merged.cell.id))
    base: list[Cell] = []
    for cell in [merged.cell for merged in merge.cells] if is_applied else live:
        conflict = conflict_of(cell)
        base.append(cell if conflict is None else _named(old_version(conflict, conflict.mine or cell), cell.id))
    return Takeover(tuple(file), tuple(base))


def _named(cell: Cell, name: str) -> Cell:
    return cell if cell.id == name else Cell(cell.type, cell.source, name, cell.metadata)
