"""What an editor's file and a notebook have in common: a row of cells (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class CellType(StrEnum):
    """The kinds of cells (nbformat 4)."""

    CODE = "code"
    MARKDOWN = "markdown"
    RAW = "raw"


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell, without its outputs.

    Attributes:
        type: its kind.
        source: its text, with ``\\n`` between lines and none at the end.
        id: its id in the notebook (nbformat 4.5); empty where an editor's file names none.
        metadata: what stands beside the text, such as ``tags``; a cell of an editor's file that says nothing has none.
    """

    type: CellType
    source: str
    id: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
