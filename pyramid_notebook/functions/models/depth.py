"""How many calls of notebooks run within one another: one that calls itself has to end some time."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from ...errors import CallError

#: Calls that may run within one another, in one process and in the kernels that it starts, and those that they start.
MOST_DEPTH = 20
#: In the environment of a kernel: how many calls it is in.
_VARIABLE = "PYRAMID_NOTEBOOK_CALL_DEPTH"
_here: ContextVar[int] = ContextVar("depth", default=0)


@contextmanager
def one_deeper() -> Iterator[None]:
    """Count a call for as long as it runs.

    Raises:
        CallError: there are too many within one another.
    """
    if depth() >= MOST_DEPTH:
        raise CallError(f"There are {MOST_DEPTH} calls of notebooks within one another: one calls itself without end.")
    token = _here.set(_here.get() + 1)
    try:
        yield
    finally:
        _here.reset(token)


def depth() -> int:
    """Return how many calls this code is in."""
    told = os.environ.get(_VARIABLE, "")
    return _here.get() + (int(told) if told.isdecimal() else 0)


def deeper(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a kernel that makes a call."""
    return {**environment, _VARIABLE: str(depth())}
