"""What a merge finds (pure data): the cells of both sides as one row, and what could not be decided."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ..cells import Cell, CellType


class Change(StrEnum):
    """How a cell of the merged row differs from the one that a side had."""

    NEW = "new"
    SOURCE = "source"
    TYPE = "type"
    METADATA = "metadata"
    MOVED = "moved"


class ConflictKind(StrEnum):
    """What the two sides did to a cell that cannot be had both."""

    SOURCE = "source"  # both changed the same lines
    TYPE = "type"
    METADATA = "metadata"
    DELETED_BY_EDITOR = "deleted-by-editor"  # and changed in the notebook
    DELETED_IN_NOTEBOOK = "deleted-in-notebook"  # and changed by the editor


@dataclass(frozen=True, slots=True)
class Conflict:
    """One cell that both sides changed, differently.

    Attributes:
        id: the cell's id in the notebook.
        kind: what cannot be had both.
        base: the cell as both sides had it; None where there is no such version.
        mine: the editor's version; None where the editor deleted the cell.
        live: the notebook's version; None where it was deleted there.
    """

    id: str
    kind: ConflictKind
    base: Cell | None
    mine: Cell | None
    live: Cell | None


@dataclass(frozen=True, slots=True)
class MergedCell:
    """One cell of the merged row.

    Attributes:
        cell: its content, with the id that it will have; the id is empty where it is new and nobody gave it one.
        live: its index in the notebook; None where the notebook did not have it.
        mine: its index in the editor's file; None where the file did not have it.
        changed_live: what changes in the notebook.
        changed_mine: what changes in the editor's file, once the editor takes it over.
    """

    cell: Cell
    live: int | None
    mine: int | None
    changed_live: frozenset[Change]
    changed_mine: frozenset[Change]

    @property
    def keeps_outputs(self) -> bool:
        """Whether the outputs that the notebook has for it stay: the same cell, and code still."""
        return self.live is not None and self.cell.type is CellType.CODE and Change.TYPE not in self.changed_live


@dataclass(frozen=True, slots=True)
class Merge:
    """The merged row.

    Attributes:
        cells: what the notebook will hold, in order.
        conflicts: the cells for which one side's version stands although the other changed it, too.
        ancestor: what the editor's file and the merged row have in common: the base of the editor's next merge as long
            as it does not take over ``cells``. Of the editor's cells in conflict it holds the old version, so that
            the conflict is told again until somebody ends it.
        deleted_live: indexes of the notebook's cells that go.
        deleted_mine: indexes of the editor's cells that the notebook does not have any more.
    """

    cells: tuple[MergedCell, ...]
    conflicts: tuple[Conflict, ...]
    ancestor: tuple[Cell, ...]
    deleted_live: tuple[int, ...]
    deleted_mine: tuple[int, ...]

    @property
    def changes_live(self) -> bool:
        """Whether the notebook changes at all."""
        return bool(self.deleted_live) or any(merged.changed_live for merged in self.cells)

    @property
    def changes_mine(self) -> bool:
        """Whether there is something for the editor to take over."""
        return bool(self.deleted_mine) or any(merged.changed_mine for merged in self.cells)
