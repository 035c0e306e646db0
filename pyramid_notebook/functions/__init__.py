"""Notebooks as functions: cells with the tags ``parameters``, ``skip``, ``return`` and ``snapshot``.

The names below are loaded when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .models import KernelModel, PythonModel
    from .values.response import Response

__all__ = ["KernelModel", "PythonModel", "Response"]


def __getattr__(name: str) -> Any:
    if name == "Response":
        from .values.response import Response

        return Response
    if name in __all__:
        from . import models

        return getattr(models, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
