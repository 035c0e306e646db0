"""An editor's cells and a notebook's, brought together without losing what either side did (pure).

With a base, the version that both sides come from, the merge is three-way: each side's edits, insertions, deletions and
moves are kept, one cell's edits of both sides are merged by lines, and what cannot be had both is a conflict, for which
the notebook's version stands. Without one the editor's file is right wherever the two differ.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Literal

from ..cells import Cell
from .align import align
from .contents import Content, is_changed, is_changed_by_editor, merged_content, spoken, taken_over
from .merged import Change, Conflict, ConflictKind, Merge, MergedCell
from .order import Trace, merged_order
from .sequences import longest_run

#: Ids of cells, as nbformat 4.5 has them.
_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}", re.ASCII)
_NOTHING: frozenset[Change] = frozenset()
_ADDED = frozenset((Change.NEW,))


def merge(
    base: Sequence[Cell] | None,
    mine: Sequence[Cell],
    live: Sequence[Cell],
    *,
    prefer: Literal["live", "mine"] = "live",
    new_id: Callable[[], str] | None = None,
) -> Merge:
    """Return what the notebook will hold, and what of it is news for either side.

    Args:
        base: the cells that both sides come from: what the editor took over last, or :attr:`.Merge.ancestor` of its
            last merge; None where nobody knows.
        mine: the cells of the editor's file; ids may be missing.
        live: the notebook's cells.
        prefer: whose version of a cell stands in a conflict; with ``mine`` there are no conflicts.
        new_id: gives a new cell its id; without it the id stays empty, unless the editor's file names one.
    """
    sides = _Sides(base, mine, live, prefer)
    sides.trace()
    conflicts = tuple(conflict for trace in sides.traces() if (conflict := sides.decide(trace)) is not None)
    order = merged_order(sides.staying(sides.of_mine), sides.staying(sides.of_live))
    sides.name_new_cells(order, new_id)
    return Merge(
        cells=_compared(order, sides),
        conflicts=conflicts,
        ancestor=tuple(_ancestor(sides)),
        deleted_live=sides.going(sides.of_live),
        deleted_mine=sides.going(sides.of_mine),
    )


class _Sides:
    """The three versions, which cells are the same, and what becomes of each (by the id of its trace)."""

    def __init__(self, base: Sequence[Cell] | None, mine: Sequence[Cell], live: Sequence[Cell], prefer: str) -> None:
        self.base, self.mine, self.live, self.prefer = base, mine, live, prefer
        self.of_base: list[Trace] = []
        self.of_mine: list[Trace] = []
        self.of_live: list[Trace] = []
        self.contents: dict[int, Cell] = {}
        self.conflicts: dict[int, Conflict] = {}

    def traces(self) -> list[Trace]:
        """Return all cells, each once: those of the notebook first."""
        others = [trace for trace in self.of_base if trace.live is None]
        added = [trace for trace in self.of_mine if trace.live is None and trace.base is None]
        return self.of_live + others + added

    def staying(self, traces: Sequence[Trace]) -> list[Trace]:
        return [trace for trace in traces if id(trace) in self.contents]

    def going(self, traces: Sequence[Trace]) -> tuple[int, ...]:
        return tuple(place for place, trace in enumerate(traces) if id(trace) not in self.contents)

    def trace(self) -> None:
        """Find out which cells of the versions are the same."""
        base = self.live if self.base is None else self.base
        self.of_base = [Trace(place) for place in range(len(base))]
        # An id that the notebook never had says nothing: the file was made from a copy, or the ids were given anew.
        known = {"", *(cell.id for cell in base), *(cell.id for cell in self.live)}
        mine = [cell if cell.id in known else Cell(cell.type, cell.source) for cell in self.mine]
        self.of_mine = self._traced(align(base, mine))
        self.of_live = self.of_base if self.base is None else self._traced(align(base, self.live))
        for place, trace in enumerate(self.of_mine):
            trace.mine = place
        for place, trace in enumerate(self.of_live):
            trace.live = place
        if self.base is not None:
            self._join_added()

    def _traced(self, places: Sequence[int | None]) -> list[Trace]:
        return [Trace() if place is None else self.of_base[place] for place in places]

    def _join_added(self) -> None:
        """Take cells for one that both sides have added: with the same id, or the same text at the same place."""
        for key_of in (_id_of_added, _text_of_added):
            added: dict[Hashable, list[Trace]] = {}
            for trace, key in key_of(reversed(list(_added(self.of_live, self.live)))):
                added.setdefault(key, []).append(trace)
            for trace, key in key_of(_added(self.of_mine, self.mine)):
                if trace.mine is not None and (others := added.get(key)):
                    other = others.pop()
                    other.mine, self.of_mine[trace.mine] = trace.mine, other

    def decide(self, trace: Trace) -> Conflict | None:
        """Find out whether a cell stays, and with what content; return the conflict if there is one."""
        base = self.base[trace.base] if self.base is not None and trace.base is not None else None
        mine = None if trace.mine is None else self.mine[trace.mine]
        live = None if trace.live is None else self.live[trace.live]
        if mine is None or live is None:
            content = self._one_sided(base, mine, live)
        elif self.base is None:
            content = taken_over(mine, live)
        else:
            content = merged_content(base, mine, live, prefer_mine=self.prefer == "mine")
        if content is None:
            return None
        if content.conflict is not ConflictKind.DELETED_IN_NOTEBOOK:
            self.contents[id(trace)] = content.cell
        if content.conflict is None:
            return None
        named = live or base
        conflict = Conflict(named.id if named else "", content.conflict, base, mine, live)
        self.conflicts[id(trace)] = conflict
        return conflict

    def _one_sided(self, base: Cell | None, mine: Cell | None, live: Cell | None) -> Content | None:
        """Return what becomes of a cell that one side has deleted, or added; None where it goes."""
        added = mine or live
        if added is None or (self.base is None and mine is None):
            return None
        if base is None:
            return Content(added)
        if live is not None:
            goes = self.prefer == "mine" or not is_changed(live, base)
            return None if goes else Content(live, ConflictKind.DELETED_BY_EDITOR)
        if not is_changed_by_editor(added, base):
            return None
        if self.prefer == "mine":
            return Content(Cell(added.type, added.source, base.id, {**base.metadata, **added.metadata}))
        return Content(added, ConflictKind.DELETED_IN_NOTEBOOK)

    def id_in_base(self, trace: Trace) -> str:
        """Return the id that a cell had in the base, or an empty text."""
        return "" if trace.base is None or self.base is None else self.base[trace.base].id

    def name_new_cells(self, order: Sequence[Trace], new_id: Callable[[], str] | None) -> None:
        """Give each new cell an id that no other has, or none."""
        used = {cell.id for cell in self.live}
        for trace in order:
            if trace.live is not None:
                continue
            cell = self.contents[id(trace)]
            name = cell.id
            if name in used or not _ID.fullmatch(name):
                name = new_id() if new_id else ""
            if name != cell.id:
                self.contents[id(trace)] = Cell(cell.type, cell.source, name, cell.metadata)
            used.add(name)


def _added(traces: Sequence[Trace], cells: Sequence[Cell]) -> Iterator[tuple[Trace, Cell, int]]:
    """Yield the cells that one side alone has added, each with the base index of the last that all have before it."""
    leader = -1
    for trace, cell in zip(traces, cells, strict=True):
        if trace.base is not None:
            leader = trace.base if trace.mine is not None and trace.live is not None else leader
        elif trace.mine is None or trace.live is None:
            yield trace, cell, leader


def _id_of_added(added: Iterable[tuple[Trace, Cell, int]]) -> Iterator[tuple[Trace, Hashable]]:
    return ((trace, cell.id) for trace, cell, _ in added if cell.id)


def _text_of_added(added: Iterable[tuple[Trace, Cell, int]]) -> Iterator[tuple[Trace, Hashable]]:
    return ((trace, (leader, cell.type, cell.source)) for trace, cell, leader in added)


def _compared(order: Sequence[Trace], sides: _Sides) -> tuple[MergedCell, ...]:
    in_live = {id(order[place]) for place in _in_order(order, [trace.live for trace in order])}
    in_mine = {id(order[place]) for place in _in_order(order, [trace.mine for trace in order])}
    cells = []
    for trace in order:
        cell = sides.contents[id(trace)]
        changed_live = changed_mine = _ADDED
        if trace.live is not None:
            changed_live = _changes(sides.live[trace.live], cell, is_moved=id(trace) not in in_live)
        if trace.mine is not None:
            changed_mine = _changes(sides.mine[trace.mine], cell, is_moved=id(trace) not in in_mine)
        cells.append(MergedCell(cell, trace.live, trace.mine, changed_live, changed_mine))
    return tuple(cells)


def _in_order(order: Sequence[Trace], places: Sequence[int | None]) -> list[int]:
    known = [(number, place) for number, place in enumerate(places) if place is not None]
    return [known[found][0] for found in longest_run([place for _, place in known])]


def _changes(before: Cell, after: Cell, *, is_moved: bool) -> frozenset[Change]:
    if before is after and not is_moved:
        return _NOTHING
    changes = {
        Change.SOURCE: before.source != after.source,
        Change.TYPE: before.type is not after.type,
        Change.METADATA: before.metadata != after.metadata and spoken(before.metadata) != spoken(after.metadata),
        Change.MOVED: is_moved,
    }
    return frozenset(change for change, is_made in changes.items() if is_made) if any(changes.values()) else _NOTHING


def _ancestor(sides: _Sides) -> list[Cell]:
    """Return the editor's cells as they are in the merged row, too; those in conflict as they were before."""
    ancestor = []
    for trace, cell in zip(sides.of_mine, sides.mine, strict=True):
        if conflict := sides.conflicts.get(id(trace)):
            ancestor.append(old_version(conflict, cell))
        else:
            kept = sides.contents.get(id(trace))
            name = kept.id if kept else sides.id_in_base(trace)
            ancestor.append(cell if cell.id == name else Cell(cell.type, cell.source, name, cell.metadata))
    return ancestor


def old_version(conflict: Conflict, mine: Cell) -> Cell:
    """Return what a cell in conflict was before; with it as base the conflict is told again."""
    old = conflict.base
    if old is None:  # both have added it: they have in common what is not in dispute
        old = Cell(mine.type, mine.source if conflict.kind is ConflictKind.METADATA else "", conflict.id)
    return old if old.id == conflict.id else Cell(old.type, old.source, conflict.id, old.metadata)
