"""Calls that are going on, and what became of them."""

from __future__ import annotations

import asyncio
import re
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from ..errors import NoRun, NotebookError
from .protocol import Event, Result

_MOST_RUNS = 200
#: How many are left where there were too many, and nobody will ask for the others: to sort them takes its time.
_FEWER_RUNS = 150
_MOST_EVENTS = 2000
_MOST_TEXT, _MOST_NOTES = 64_000, 20
_MOST_BYTES = 100_000_000
_PROGRESS = re.compile(r"(\d{1,3})%\|")  # the bar of tqdm


class State(StrEnum):
    """Where a run is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(slots=True, eq=False)
class Run:
    """One call.

    Attributes:
        path: of the notebook.
        title: of the notebook.
        by: name of the token that it came with; empty for the owner's own session.
        is_waited_for: whether its caller waits for the result.
        id: by which it is asked about.
        state: where it is.
        created: seconds since the epoch; also those of ``started`` and ``ended``, 0 where that is not yet.
        cell: how many cells have begun.
        of: how many there are.
        percent: what a progress bar on ``stderr`` said last; None where there is none.
        text: end of what was written to ``stdout`` and ``stderr``.
        notes: what its owner should know, such as why a snapshot could not be used.
        result: what it returned.
        error: why it did not.
    """

    path: str
    title: str = ""
    by: str = ""
    is_waited_for: bool = False
    id: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    state: State = State.WAITING
    created: float = field(default_factory=time.time)
    started: float = 0.0
    ended: float = 0.0
    cell: int = 0
    of: int = 0
    percent: int | None = None
    text: str = ""
    notes: list[str] = field(default_factory=list)
    result: Result | None = None
    error: NotebookError | None = None
    task: asyncio.Task[None] | None = None
    _events: deque[tuple[int, Event]] = field(default_factory=lambda: deque(maxlen=_MOST_EVENTS))
    _told: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_over(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self.state in (State.DONE, State.FAILED, State.CANCELLED)

    def begin(self) -> None:
        """Note that it runs."""
        self.state, self.started = State.RUNNING, time.time()
        self.tell({"event": "start"})

    def tell(self, event: Event) -> None:
        """Note what happened, for all who follow."""
        kind = event["event"]
        if kind == "note" and len(self.notes) < _MOST_NOTES:
            self.notes.append(str(event["text"])[:_MOST_TEXT])
        if kind == "cell":
            self.cell, self.of = int(event["number"]), int(event["of"])
        elif kind == "stream":
            self.text = (self.text + str(event["text"]))[-_MOST_TEXT:]
            found = _PROGRESS.findall(str(event["text"])) if event["name"] == "stderr" else ()
            if found:
                self.percent = min(100, int(found[-1]))
        if kind != "output":  # those are for the executed notebook
            self._told += 1
            self._events.append((self._told, event))
            changed, self._changed = self._changed, asyncio.Event()
            changed.set()

    def end(self, state: State, *, result: Result | None = None, error: NotebookError | None = None) -> None:
        """Note how it ended."""
        if error is not None:  # its traceback has frames, which hold all that the call was given
            error.__traceback__ = error.__context__ = error.__cause__ = None
        self.result, self.error, self.ended, self.state = result, error, time.time(), state
        self.tell({"event": "end", "state": str(state)})

    async def over(self, *, seconds: float | None = None) -> bool:
        """Wait until it has ended, for so many seconds at most, and tell whether it has."""
        if self.task is not None:
            await asyncio.wait({self.task}, timeout=seconds)
        return self.is_over

    def outcome(self) -> Result:
        """Return its result, which is forgotten then if its caller waits for it.

        Raises:
            NotebookError: why there is none.
        """
        result = self.result
        if result is None:
            raise self.error or NoRun("The result of this run was sent to its caller.")
        if self.is_waited_for:
            self.result = None
        return result

    async def events(self, after: int = 0) -> AsyncIterator[tuple[int, Event]]:
        """Yield what has happened and what happens, with numbers that grow, until it has ended.

        Args:
            after: number of the last event that is known already.
        """
        while True:
            changed = self._changed
            for number, event in [told for told in self._events if told[0] > after]:
                after = number
                yield number, event
            if self.is_over and after >= self._told:
                return
            await changed.wait()

    def to_dict(self, *, is_owner: bool) -> dict[str, Any]:
        """Return what can be told of it as JSON.

        Args:
            is_owner: whether the notebook's owner asks, who may see what it wrote.
        """
        told: dict[str, Any] = {
            "id": self.id,
            "notebook": self.path,
            "state": str(self.state),
            "created": self.created,
            "started": self.started or None,
            "ended": self.ended or None,
            "cell": self.cell,
            "of": self.of,
            "percent": self.percent,
        }
        if self.error is not None:
            told["error"] = str(self.error)
        if is_owner:
            told |= {"by": self.by, "output": self.text, "notes": self.notes}
        return told


class Runs:
    """The runs of one user server: those that go on, and for a while those that have ended.

    Args:
        keep_seconds: for which a run is known after its end.
        clock: seconds since the epoch.
    """

    def __init__(self, keep_seconds: float, clock: Callable[[], float] = time.time) -> None:
        self._keep_seconds = keep_seconds
        self._clock = clock
        self._runs: dict[str, Run] = {}

    def add(self, run: Run) -> None:
        """Remember a run; where there are too many, what somebody waits for, or has waited for, makes room first."""
        self._runs[run.id] = run
        size = sum(len(known.result.body) for known in self._runs.values() if known.result)
        if len(self._runs) <= _MOST_RUNS and size <= _MOST_BYTES:
            return
        over = [known for known in self._runs.values() if known.is_over]
        for known in sorted(over, key=lambda known: (not self._is_old(known), not known.is_waited_for)):
            most = _FEWER_RUNS if known.is_waited_for or self._is_old(known) else _MOST_RUNS
            if len(self._runs) <= most and size <= _MOST_BYTES:
                return
            size -= len(known.result.body) if known.result else 0
            del self._runs[known.id]

    def find(self, path: str, run_id: str) -> Run:
        """Return a run of a notebook.

        Raises:
            NoRun: there is none of that name, or it is forgotten.
        """
        run = self._runs.get(run_id)
        if run is None or run.path != path or self._is_old(run):
            raise NoRun
        return run

    def of(self, path: str = "") -> list[Run]:
        """Return the runs of a notebook, or all, the newest first."""
        return [run for run in reversed(self._runs.values()) if path in ("", run.path) and not self._is_old(run)]

    def _is_old(self, run: Run) -> bool:
        return run.is_over and self._clock() - run.ended > self._keep_seconds

    def forget(self, run: Run) -> None:
        """Forget a run that has ended."""
        self._runs.pop(run.id, None)
