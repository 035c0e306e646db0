"""Kernels of a site for programs: run cells, hear what they say as they say it, complete, inspect.

It needs requests and ws4py, ``pip install "pyramid_notebook[client]"``, which are loaded when they are first used; so
are the names below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .events import Event, Outcome
    from .execution import Execution
    from .notebooks import NotebookClient
    from .session import Session

__all__ = ["Event", "Execution", "NotebookClient", "Outcome", "Session"]

_MODULES = {
    "Event": "events",
    "Outcome": "events",
    "Execution": "execution",
    "NotebookClient": "notebooks",
    "Session": "session",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        from importlib import import_module

        return getattr(import_module(f".{_MODULES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
