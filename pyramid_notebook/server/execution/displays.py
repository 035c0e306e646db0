"""Outputs that their kernel may change later, by their display ids (Jupyter messaging, "Update display data")."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pycrdt import Map

if TYPE_CHECKING:
    from ..live import LiveNotebook

_KEPT = 2000  # display ids of one notebook


@dataclass(slots=True)
class _Shown:
    cell: str
    output: Map[Any] | None
    digest: bytes


class Displays:
    """Where each display id of one notebook is shown."""

    def __init__(self) -> None:
        self._shown: OrderedDict[str, list[_Shown]] = OrderedDict()

    def add(self, display_id: str, cell: str, output: Any) -> None:
        """Remember that an output was written into a cell."""
        places = self._shown.setdefault(display_id, [])
        places[:] = [place for place in places if place.cell != cell or _is_there(place.output)]
        places.append(_Shown(cell, output, _digest(output)))
        self._shown.move_to_end(display_id)
        if len(self._shown) > _KEPT:
            self._shown.popitem(last=False)

    def update(self, notebook: LiveNotebook, display_id: str, content: dict[str, Any]) -> None:
        """Change all outputs with a display id; call it in a transaction of the notebook.

        Args:
            notebook: that holds them.
            display_id: of the message.
            content: of the message, with ``data`` and ``metadata``.
        """
        kept = []
        for place in self._shown.get(display_id, ()):
            output = place.output if _is_there(place.output) else _found(notebook, place)
            if output is None:
                continue
            output["data"] = content.get("data") or {}
            output["metadata"] = content.get("metadata") or {}
            kept.append(_Shown(place.cell, output, _digest(output)))
        if display_id in self._shown:
            self._shown[display_id] = kept

    def detach(self) -> None:
        """Look all outputs up anew: the notebook was loaded once more."""
        for places in self._shown.values():
            for place in places:
                place.output = None

    def __contains__(self, display_id: str) -> bool:
        return bool(self._shown.get(display_id))

    def clear(self) -> None:
        """Forget everything: the kernel that knew these ids is gone."""
        self._shown.clear()


def _is_there(output: Any) -> bool:
    return output is not None and output.get("output_type") is not None  # what was deleted has no keys any more


def _found(notebook: LiveNotebook, place: _Shown) -> Any:
    """Return the same output in a cell that was moved, which makes all of it anew."""
    cell = notebook.ycell(place.cell)
    outputs = cell.get("outputs") if cell is not None else None
    for output in outputs or ():
        if isinstance(output, Map) and "data" in output and _digest(output) == place.digest:
            return output
    return None


def _digest(output: Any) -> bytes:
    packed = json.dumps([output.get("data"), output.get("metadata")], sort_keys=True, default=repr)
    return hashlib.blake2b(packed.encode("utf-8", "replace")).digest()
