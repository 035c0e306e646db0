"""Errors of calls on their way from the process of the call to whoever made it (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import BadResult, CallDied, CallError, NotAcceptable, NotAFunction, NotebookFailed, ResultTooLarge

_KINDS = {kind.reason: kind for kind in (BadResult, CallDied, CallError, NotAcceptable, NotAFunction, ResultTooLarge)}


def told(error: BaseException) -> dict[str, Any]:
    """Return what JSON tells of an error."""
    if isinstance(error, NotebookFailed):
        place = {"name": error.name, "value": error.value, "cell": error.cell, "traceback": error.traceback}
        return {"reason": error.reason, **place}
    if isinstance(error, CallError):
        return {"reason": error.reason, "text": str(error)}
    return {"reason": CallError.reason, "text": f"The call failed: {type(error).__name__}: {error}"[:1000]}


def failure(told: Mapping[str, Any]) -> CallError:
    """Return the error of which :func:`told` tells."""
    reason = told.get("reason")
    if reason == NotebookFailed.reason:
        return NotebookFailed(told["name"], told["value"], told["cell"], told["traceback"])
    return _KINDS.get(str(reason), CallError)(str(told.get("text", "")))
