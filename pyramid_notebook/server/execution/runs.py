"""A run: cells that are run one after the other, and what becomes of it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from typing import Any

from .events import Event, EventLog, Place, clipped

_OUTPUT = frozenset(("stream", "display", "clear"))


@dataclass(frozen=True, slots=True)
class CellResult:
    """What became of a cell: ``ok``, ``error`` or ``aborted``."""

    id: str
    state: str
    execution_count: int | None = None
    error: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class RunResult:
    """What became of a run.

    Attributes:
        status: ``ok``, ``error``, ``interrupted``, ``restarted`` or ``died``.
        message: the reason, for people; empty where there is nothing to say.
        cells: each cell of the run.
    """

    status: str
    message: str
    cells: tuple[CellResult, ...]


class Run:
    """One run of cells.

    Args:
        cells: ids of the cells, in the order of the run.
    """

    def __init__(self, cells: Iterable[str]) -> None:
        self.id = uuid.uuid4().hex
        self.cells = tuple(dict.fromkeys(cells))
        self._states = dict.fromkeys(self.cells, "queued")
        self._done: dict[str, CellResult] = {}
        self._log = EventLog()
        self._news = asyncio.Event()
        self._result: RunResult | None = None
        self._ended = asyncio.Event()
        self.tell({"event": "start", "run": self.id, "cells": [{"id": cell, "line": None} for cell in self.cells]})

    @property
    def states(self) -> dict[str, str]:
        """Cells that still wait (``queued``), and the one that runs (``running``)."""
        return {} if self._result else dict(self._states)

    def tell(self, event: Event) -> None:
        """Tell everybody who listens; after the end nothing is told any more."""
        if self._result is not None:
            return
        text = sum(map(len, _texts(event))) if event["event"] in _OUTPUT else None
        self._log.add(event, text=text)
        news, self._news = self._news, asyncio.Event()
        news.set()

    def cell_runs(self, cell: str) -> None:
        """Note that the kernel has begun with a cell."""
        if self._states.get(cell) == "queued":
            self._states[cell] = "running"
            self.tell({"event": "cell", "cell": cell, "state": "running", "execution_count": None})

    def cell_done(self, result: CellResult) -> None:
        """Note what became of a cell."""
        self._states.pop(result.id, None)
        self._done[result.id] = result
        count = result.execution_count
        self.tell({"event": "cell", "cell": result.id, "state": result.state, "execution_count": count})

    def end(self, status: str, message: str = "") -> None:
        """End the run, once; what did not run is aborted."""
        if self._result is not None:
            return
        for cell in self.cells:
            if cell not in self._done:
                self.cell_done(CellResult(cell, "aborted"))
        self.tell({"event": "end", "status": status, "message": clipped(message, 1000)})
        self._result = RunResult(status, clipped(message, 1000), tuple(self._done[cell] for cell in self.cells))
        self._ended.set()

    async def events(self) -> AsyncIterator[Event]:
        """Yield all events from the start to the end; what was long ago may be told as left out."""
        place = Place()
        while True:
            news, ended = self._news, self._result is not None
            events, place = self._log.since(place)
            for event in events:
                yield event
            if events:
                continue
            if ended:
                return
            await news.wait()

    async def wait(self) -> RunResult:
        """Wait for the end."""
        await self._ended.wait()
        assert self._result is not None  # noqa: S101 - for the type checker
        return self._result


def _texts(event: dict[str, Any]) -> Iterable[str]:
    return (event.get("text", ""), *event.get("data", {}).values())
