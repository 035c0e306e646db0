"""What goes wrong when a notebook is called as a function (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .base import NotebookError


class Fault(NamedTuple):  # dataclasses would take as long to load as all other errors
    """One thing that is wrong with the parameters of a call.

    Attributes:
        name: of the parameter, with the place within its value behind it: ``sizes`` or ``sizes/2``.
        message: what is wrong, for people.
        code: the same for programs: ``missing``, ``unknown``, or what pydantic calls it.
    """

    name: str
    message: str
    code: str


class CallError(NotebookError):
    """A notebook did not return a value; the text says why."""

    status = 500
    reason = "call"


class NotAFunction(CallError):
    """A notebook cannot be called: it cannot be read, or its tags or its cell of parameters cannot be understood."""

    status = 409
    reason = "not-a-function"


class BadParameters(CallError):
    """The parameters of a call do not fit the notebook.

    Args:
        faults: all of them.
    """

    status = 422
    reason = "parameters"

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(f"{fault.name}: {fault.message}" for fault in faults))
        self.faults = tuple(faults)


class NotebookFailed(CallError):
    """A cell raised an exception.

    Args:
        name: of the exception's class.
        value: its text.
        cell: number of the cell in the notebook, from 0; -1 for the startup script of its context.
        traceback: its lines, as Jupyter shows them; for the notebook's owner only.
    """

    status = 500
    reason = "notebook-failed"

    def __init__(self, name: str, value: str, cell: int = -1, traceback: Sequence[str] = ()) -> None:
        place = f"Cell {cell + 1}" if cell >= 0 else "The startup script"
        super().__init__(f"{place} failed: {name}: {value}" if value else f"{place} failed: {name}")
        self.name = name
        self.value = value
        self.cell = cell
        self.traceback = tuple(traceback)


class CallTimeout(CallError):
    """A call took longer than it may; it was ended, with all that it had started."""

    status = 504
    reason = "timeout"


class CallDied(CallError):
    """The process of a call ended before it returned anything."""

    reason = "died"


class CallCancelled(CallError):
    """Somebody, or the end of the server, has cancelled the call."""

    status = 409
    reason = "cancelled"


class BadResult(CallError):
    """What the notebook returned cannot be told in the form that was asked for; the text says why."""

    reason = "result"


class ResultTooLarge(BadResult):
    """What the notebook returned is longer than an answer may be."""

    reason = "result-too-large"


class NotAcceptable(CallError):
    """None of the forms that were asked for is one that we know."""

    status = 406
    reason = "not-acceptable"


class TooManyCalls(CallError):
    """There is no room for one more call, neither among those that run nor among those that wait.

    Args:
        text: what is full.
        retry_after: seconds after which it is worth another try.
    """

    status = 429
    reason = "too-many-calls"

    def __init__(self, text: str, *, retry_after: int = 1) -> None:
        super().__init__(text)
        self.retry_after = retry_after


class NoRun(CallError):
    """There is no such run, or it is forgotten by now."""

    status = 404
    reason = "run"
    text = "There is no such run of this notebook. Results are kept for a while only."


class NotYet(CallError):
    """A run has no result yet."""

    status = 409
    reason = "not-yet"
    text = "This run has not ended yet. Ask again, or follow its events."
    retry_after = 1
