"""What both sides made of one cell: its text, type and metadata, brought together (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..cells import Cell
from .lines import merge_text
from .merged import ConflictKind

#: What Jupyter notes for itself in a cell's metadata: always the notebook's own, and nobody's change.
HOUSEKEEPING = frozenset(
    (
        *("ExecuteTime", "autoscroll", "collapsed", "execution", "scrolled", "trusted"),
        *("cell_type", "id", "lines_to_end_of_cell_marker", "lines_to_next_cell", "region_name"),  # files cannot say it
    )
)

_ABSENT: Any = object()


class Content(NamedTuple):
    """One cell's content, and why it is only the notebook's version of it."""

    cell: Cell
    conflict: ConflictKind | None = None


def is_changed(cell: Cell, base: Cell) -> bool:
    """Return whether a cell of the notebook says something else than it did."""
    return (
        cell.source != base.source
        or cell.type is not base.type
        or (cell.metadata != base.metadata and spoken(cell.metadata) != spoken(base.metadata))
    )


def is_changed_by_editor(cell: Cell, base: Cell) -> bool:
    """Return whether a cell of an editor's file says something else than it did; saying less is not enough."""
    return (
        cell.source != base.source
        or cell.type is not base.type
        or any(base.metadata.get(key, _ABSENT) != value for key, value in spoken(cell.metadata).items())
    )


def spoken(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the metadata that somebody may have written."""
    if HOUSEKEEPING.isdisjoint(metadata):
        return metadata
    return {key: value for key, value in metadata.items() if key not in HOUSEKEEPING}


def taken_over(mine: Cell, live: Cell) -> Content:
    """Return the editor's version of a cell; metadata that its file does not name stay as they are.

    Args:
        mine: the cell in the editor's file.
        live: the same in the notebook.
    """
    metadata = {**live.metadata, **spoken(mine.metadata)} if mine.metadata else live.metadata
    if mine.source == live.source and mine.type is live.type and metadata == live.metadata:
        return Content(live)
    return Content(Cell(mine.type, mine.source, live.id, metadata))


def merged_content(base: Cell | None, mine: Cell, live: Cell, *, prefer_mine: bool = False) -> Content:
    """Return what both sides made of a cell. In a conflict that is one side's version, whole.

    Args:
        base: the cell as both had it; None where both made it.
        mine: the editor's version.
        live: the notebook's.
        prefer_mine: a conflict ends with the editor's version, and is none.
    """
    if base is not None and mine.source == base.source and mine.type is base.type and mine.metadata == base.metadata:
        return Content(live)
    source = merge_text(base.source, mine.source, live.source) if base else _equal(mine.source, live.source)
    kind = _merged_value(base.type if base else _ABSENT, mine.type, live.type)
    metadata, is_disputed = _merged_metadata(base.metadata if base else {}, mine.metadata, live.metadata)
    if source is None or kind is None or is_disputed:
        if not prefer_mine:
            return Content(live, _kind_of(source, kind))
        source, kind = mine.source, mine.type
    return Content(_unless_equal(Cell(kind, source, live.id, metadata), live))


def _kind_of(source: object, kind: object) -> ConflictKind:
    if source is None:
        return ConflictKind.SOURCE
    return ConflictKind.TYPE if kind is None else ConflictKind.METADATA


def _equal(mine: str, live: str) -> str | None:
    return live if mine == live else None


def _unless_equal(cell: Cell, live: Cell) -> Cell:
    return live if cell == live else cell


def _merged_value(base: Any, mine: Any, live: Any) -> Any:
    """Return what three versions of a value come to, or None where both sides changed it differently."""
    if mine in (base, live):
        return live
    return mine if live == base else None


def _merged_metadata(
    base: Mapping[str, Any], mine: Mapping[str, Any], live: Mapping[str, Any]
) -> tuple[Mapping[str, Any], bool]:
    """Return merged metadata, and whether a key was changed differently; it has the editor's value then."""
    if mine in (base, live):
        return live, False
    merged: dict[str, Any] = {}
    is_disputed = False
    for key in dict.fromkeys((*live, *mine)):
        before, my, its = base.get(key, _ABSENT), mine.get(key, _ABSENT), live.get(key, _ABSENT)
        if key in HOUSEKEEPING or my == before:
            value = its
        elif its in (before, my):
            value = my
        elif key == "tags":
            value = _merged_tags(before, my, its)
        else:
            value, is_disputed = my, True
        if value is not _ABSENT:
            merged[key] = value
    return merged, is_disputed


def _merged_tags(base: Any, mine: Any, live: Any) -> Any:
    """Return the notebook's tags with those that the editor added and without those that it took away."""
    before, my, its = (value if isinstance(value, list) else [] for value in (base, mine, live))
    kept = [tag for tag in its if tag in my or tag not in before]
    return (kept + [tag for tag in my if tag not in before and tag not in its]) or _ABSENT
