"""The way from a notebook's cells to merged ones, for shared documents whose lists know no move (pure).

As many cells as possible stay where they are (a longest increasing run); the others are deleted and made anew, for
which whoever applies the plan takes their ids and outputs along.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..cells import Cell
from .merged import Change, MergedCell
from .sequences import longest_run

_CONTENT = frozenset((Change.SOURCE, Change.TYPE, Change.METADATA))


@dataclass(frozen=True, slots=True)
class Delete:
    """Takes a cell out of the list.

    Attributes:
        index: where it is by then.
        live: where it was before the first operation.
    """

    index: int
    live: int


@dataclass(frozen=True, slots=True)
class Insert:
    """Puts a cell into the list.

    Attributes:
        index: where it will be.
        cell: what it holds.
        live: where the same cell was before the first operation, for its outputs; None for a new one.
        keeps_outputs: whether it gets those.
    """

    index: int
    cell: Cell
    live: int | None
    keeps_outputs: bool


@dataclass(frozen=True, slots=True)
class Edit:
    """Changes a cell in place.

    Attributes:
        index: where it is by then.
        cell: what it will hold.
        live: where it was before the first operation.
        changed: what of it changes: source, type, metadata.
        keeps_outputs: whether its outputs stay.
    """

    index: int
    cell: Cell
    live: int
    changed: frozenset[Change]
    keeps_outputs: bool


Operation = Delete | Insert | Edit


def plan(live: Sequence[Cell], merged: Sequence[MergedCell]) -> list[Operation]:
    """Return the operations that make a notebook's cells the merged ones; each index is valid when its turn comes.

    Args:
        live: the notebook's cells.
        merged: the cells of a merge with them.
    """
    known = [found.live for found in merged if found.live is not None]
    stays = {known[place] for place in longest_run(known)}
    operations: list[Operation] = [Delete(place, place) for place in range(len(live) - 1, -1, -1) if place not in stays]
    for index, found in enumerate(merged):
        if found.live is None or found.live not in stays:
            operations.append(Insert(index, found.cell, found.live, found.keeps_outputs))
        elif changed := found.changed_live & _CONTENT:
            operations.append(Edit(index, found.cell, found.live, changed, found.keeps_outputs))
    return operations
