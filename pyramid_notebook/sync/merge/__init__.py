"""An editor's cells and those of the live notebook become one (pure): align, merge, and plan the change."""

from .align import align, is_version_of
from .contents import spoken
from .merged import Change, Conflict, ConflictKind, Merge, MergedCell
from .plan import plan
from .takeover import Takeover, take_over
from .threeway import merge

__all__ = [
    "Change",
    "Conflict",
    "ConflictKind",
    "Merge",
    "MergedCell",
    "Takeover",
    "align",
    "is_version_of",
    "merge",
    "plan",
    "spoken",
    "take_over",
]
