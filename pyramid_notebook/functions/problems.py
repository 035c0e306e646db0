"""Errors of calls as problem details (RFC 9457) (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, TypeGuard

from ..errors import (
    BadParameters,
    BadResult,
    CallCancelled,
    CallDied,
    CallError,
    CallTimeout,
    Fault,
    NoNotebook,
    NoRun,
    NotAcceptable,
    NotAFunction,
    NotebookError,
    NotebookFailed,
    ResultTooLarge,
    TooManyCalls,
)

CONTENT_TYPE = "application/problem+json"
_TYPE = "urn:pyramid-notebook:problem:"
_PLAIN: tuple[type[NotebookError], ...] = (
    *(NotAFunction, CallTimeout, CallDied, CallCancelled, BadResult, ResultTooLarge, NotAcceptable, TooManyCalls),
    *(NoNotebook, NoRun),
)
_KINDS = {kind.reason: kind for kind in _PLAIN}
_FAULT = ("parameter", "detail", "code")


def problem(error: NotebookError, *, is_owner: bool) -> dict[str, Any]:
    """Return the problem details of an error.

    Args:
        error: what went wrong.
        is_owner: whether the notebook's owner asks, who gets the traceback.
    """
    told: dict[str, Any] = {
        "type": f"{_TYPE}{error.reason}",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": str(error),
    }
    if isinstance(error, BadParameters):
        told["errors"] = [
            {"parameter": fault.name, "detail": fault.message, "code": fault.code} for fault in error.faults
        ]
    if isinstance(error, NotebookFailed):
        told |= {"exception": error.name, "message": error.value, "cell": error.cell}
        if is_owner:
            told["traceback"] = list(error.traceback)
    return told


def is_problem(told: object) -> TypeGuard[Mapping[str, Any]]:
    """Tell whether a JSON value is what :func:`problem` makes."""
    return isinstance(told, dict) and str(told.get("type", "")).startswith(_TYPE)


def raised(told: Mapping[str, Any]) -> NotebookError:
    """Return the error that problem details tell of; nothing of them is taken for granted.

    Args:
        told: see :func:`problem`.
    """
    reason, detail = str(told.get("type", "")).removeprefix(_TYPE), str(told.get("detail", ""))
    if reason == BadParameters.reason:
        faults = [item for item in _list(told.get("errors")) if isinstance(item, dict)]
        return BadParameters([Fault(*(str(item.get(key, "")) for key in _FAULT)) for item in faults])
    if reason == NotebookFailed.reason:
        cell = told.get("cell")
        traceback = [str(line) for line in _list(told.get("traceback"))]
        name, value = str(told.get("exception", "")), str(told.get("message", ""))
        return NotebookFailed(name, value, cell if isinstance(cell, int) else -1, traceback)
    return _KINDS.get(reason, CallError)(detail)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
