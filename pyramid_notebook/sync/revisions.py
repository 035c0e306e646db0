"""Versions of a row of cells, each named by a hash of what it holds: those that are equal have one name (pure)."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from hashlib import sha256

from .cells import Cell, CellType
from .merge import spoken

#: What a name looks like.
REV = re.compile(r"[0-9a-f]{32}", re.ASCII)
_DIGITS = 32


def rev_of(cells: Sequence[Cell], notebook: str) -> str:
    """Return the name of a version; what nobody writes by hand, such as that a cell is collapsed, does not count.

    Args:
        cells: the version.
        notebook: which notebook it is of, by an id that stays when it is renamed. That of another one says nothing:
            what lacks there was not deleted.
    """
    rows = [[cell.type, cell.source, cell.id, spoken(cell.metadata)] for cell in cells]
    return sha256(_text([notebook, rows])).hexdigest()[:_DIGITS]


def dumped(cells: Sequence[Cell]) -> str:
    """Return a version as text (JSON)."""
    return _text([[cell.type, cell.source, cell.id, cell.metadata] for cell in cells]).decode()


def loaded(text: str) -> tuple[Cell, ...]:
    """Return the version that :func:`dumped` has written.

    Raises:
        ValueError: the text is something else.
    """
    try:
        rows = json.loads(text)
        if not isinstance(rows, list):
            raise TypeError
        return tuple(Cell(CellType(kind), source, name, metadata) for kind, source, name, metadata in rows)
    except (TypeError, ValueError, RecursionError):
        raise ValueError("this is no version of a notebook") from None


def _text(rows: object) -> bytes:
    return json.dumps(rows, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode("utf-8", "surrogatepass")
