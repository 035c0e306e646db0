"""Runs cells of live notebooks in their kernels, for editors: no page need be open, and any may be."""

from __future__ import annotations

from .runner import Execution
from .runs import CellResult, Run, RunResult
from .sessions import KernelState

__all__ = ["CellResult", "Execution", "KernelState", "Run", "RunResult"]
