"""Changes to the cells of a shared notebook (jupyter-ydoc): operations of a merge, done in place."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from jupyter_ydoc import YNotebook
from jupyter_ydoc.utils import cast_all
from pycrdt import Doc, Map

from ..sync.cells import Cell, CellType
from ..sync.merge import Change
from ..sync.merge.plan import Delete, Edit, Insert, Operation


def change_cells(view: YNotebook, operations: Sequence[Operation]) -> None:
    """Do operations, one after the other; the caller makes them one transaction.

    Args:
        view: of the shared document.
        operations: planned for the cells that it has.
    """
    moved = [operation.live for operation in operations if isinstance(operation, Insert)]
    taken = {place: view.ycells[place].to_py() for place in moved if place is not None}
    for operation in operations:
        if isinstance(operation, Delete):
            del view.ycells[operation.index]
        elif isinstance(operation, Insert):
            old = None if operation.live is None else taken[operation.live]
            _insert(view, operation.index, operation.cell, old, operation.keeps_outputs)
        else:
            _edit(view, operation)


def changed(document: bytes, operations: Sequence[Operation]) -> bytes:
    """Return what operations do to a document, for a thread of its own: to make a thousand cells takes a while.

    Args:
        document: all of it (Yjs, update format version 1).
        operations: see :func:`change_cells`.

    Returns:
        An update that does the same to the document.
    """
    copy: Any = Doc()
    copy.apply_update(document)
    view = YNotebook(copy)
    state = copy.get_state()
    with copy.transaction():
        change_cells(view, operations)
    update: bytes = copy.get_update(state)
    return update


def plain(metadata: Any) -> dict[str, Any]:
    """Return metadata as nbformat has it."""
    values = dict(metadata.to_py() or {}) if isinstance(metadata, Map) else dict(metadata or {})
    if values:
        cast_all(values, float, int)  # Yjs knows no integers
    return values


def _insert(view: YNotebook, place: int, cell: Cell, old: dict[str, Any] | None, keeps_outputs: bool) -> None:
    # a page shows what a cell of an editor prints only if the cell was trusted when it was made; it has no output
    value = dict(old or {}, id=cell.id, cell_type=str(cell.type), source=cell.source)
    value["metadata"] = deepcopy({**({} if old else {"trusted": True}), **cell.metadata})  # others have it, too
    cast_all(value["metadata"], int, float)
    state = value.pop("execution_state", "idle") if keeps_outputs else "idle"
    if cell.type is CellType.CODE:
        value.pop("attachments", None)
        if not keeps_outputs:
            value.update(outputs=[], execution_count=None)
    else:
        for name in ("outputs", "execution_count", "execution_state"):
            value.pop(name, None)
    view.ycells.insert(place, view.create_ycell(value))
    if cell.type is CellType.CODE and state != "idle":
        view.ycells[place]["execution_state"] = state


def _edit(view: YNotebook, operation: Edit) -> None:
    place, cell = operation.index, operation.cell
    if Change.TYPE in operation.changed:
        old = view.ycells[place].to_py()
        del view.ycells[place]
        _insert(view, place, cell, old, operation.keeps_outputs)
        return
    if Change.SOURCE in operation.changed:
        view.set_cell(place, source=cell.source)
    if Change.METADATA in operation.changed:
        _set_metadata(view.ycells[place], deepcopy(dict(cell.metadata)))


def _set_metadata(ycell: Any, values: dict[str, Any]) -> None:
    cast_all(values, int, float)
    metadata = ycell.get("metadata")
    if not isinstance(metadata, Map):
        ycell["metadata"] = Map(values)
        return
    old = metadata.to_py() or {}
    for name in old.keys() - values.keys():
        del metadata[name]
    for name, value in values.items():
        if name not in old or old[name] != value:
            metadata[name] = value
