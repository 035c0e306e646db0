"""What an editor's file becomes when it takes over what the notebook has, and from which version on (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..cells import Cell
from .merged import Conflict, Merge
from .threeway import old_version


@dataclass(frozen=True, slots=True)
class Takeover:
    """The two rows.

    Attributes:
        file: the cells of the file: the merged ones, but in a conflict the file's own version, also of a cell that the
            notebook has no more, or none where the file had deleted the cell. So nothing that was typed there is lost.
        base: the version that the file and the notebook come from then. In a conflict that is still the old one, so
            that the next merge tells it again, until somebody ends it.
    """

    file: tuple[Cell, ...]
    base: tuple[Cell, ...]


def take_over(merge: Merge, mine: Sequence[Cell], live: Sequence[Cell], *, is_applied: bool) -> Takeover:
    """Return what the file and its next base are.

    Args:
        merge: of the file's cells with the notebook's.
        mine: the file's cells that were merged.
        live: the notebook's cells that were merged.
        is_applied: whether the notebook holds the merged cells by now, or still those it had.
    """
    by_live = {id(conflict.live): conflict for conflict in merge.conflicts if conflict.live is not None}
    by_name = {conflict.id: conflict for conflict in merge.conflicts}

    def conflict_of(cell: Cell) -> Conflict | None:
        return by_live.get(id(cell)) or (by_name.get(cell.id) if cell.id else None)

    def in_file(cell: Cell) -> Cell | None:
        conflict = conflict_of(cell)
        if conflict is None:
            return cell
        return None if conflict.mine is None else _named(conflict.mine, cell.id)

    def in_base(cell: Cell) -> Cell:
        conflict = conflict_of(cell)
        return cell if conflict is None else _named(old_version(conflict, conflict.mine or cell), cell.id)

    row = [merged.cell for merged in merge.cells]
    gone = _gone(merge, mine, in_live=False)
    file = _joined(map(in_file, row), {place: [cell for _, cell in cells] for place, cells in gone.items()})
    if not is_applied:
        row, gone = list(live), _gone(merge, mine, in_live=True)
    base = _joined(map(in_base, row), {place: [old for old, _ in cells] for place, cells in gone.items()})
    return Takeover(file, base)


def _joined(cells: Iterable[Cell | None], behind: Mapping[int, Sequence[Cell]]) -> tuple[Cell, ...]:
    """Return cells, each with those that stand behind its place."""
    joined = [*behind.get(-1, ())]
    for place, cell in enumerate(cells):
        joined += [] if cell is None else [cell]
        joined += behind.get(place, ())
    return tuple(joined)


def _gone(merge: Merge, mine: Sequence[Cell], *, in_live: bool) -> dict[int, list[tuple[Cell, Cell]]]:
    """Return the cells in conflict that only the file has still, each as it was before and as it is there.

    Args:
        merge: which has no place for them.
        mine: the file's cells, among which they stand.
        in_live: whether the keys are places in the notebook, or those of the merged cells; of the cell that they stand
            behind, -1 for none.
    """
    conflicts = {id(conflict.mine): conflict for conflict in merge.conflicts if conflict.live is None}
    places = {found.mine: found.live if in_live else place for place, found in enumerate(merge.cells)}
    gone: dict[int, list[tuple[Cell, Cell]]] = {}
    last = -1
    for place, cell in enumerate(mine):
        if (conflict := conflicts.get(id(cell))) is not None:
            gone.setdefault(last, []).append((old_version(conflict, cell), _named(cell, conflict.id)))
        elif (known := places.get(place)) is not None:
            last = known
    return gone


def _named(cell: Cell, name: str) -> Cell:
    return cell if cell.id == name else Cell(cell.type, cell.source, name, cell.metadata)
