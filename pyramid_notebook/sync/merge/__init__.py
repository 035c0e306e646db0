"""An editor's cells and those of the live notebook become one (pure): align, merge, and plan the change."""

from .align import align, is_version_of
from .merged import Change, Conflict, ConflictKind, Merge, MergedCell
from .plan import plan
from .threeway import merge

__all__ = ["Change", "Conflict", "ConflictKind", "Merge", "MergedCell", "align", "is_version_of", "merge", "plan"]
