"""Files with ``# %%`` cells: read, written, and written back to the byte (pure)."""

from .grammar import Script, ScriptCell, parse, write

__all__ = ["Script", "ScriptCell", "parse", "write"]
