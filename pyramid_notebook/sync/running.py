"""What an editor wants done with the cells of a notebook, and with the kernel that runs them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from ..errors import BadRequest, NoCell, NoTab, SyncError
from ..server.execution import Execution, Run
from ..server.focus import focus
from ..server.live import LiveNotebook
from .cells import Cell, CellType
from .exchange import Exchange, Pushed
from .matching import Match
from .requests import SyncRequest, What
from .revisions import rev_of


@dataclass(frozen=True, slots=True)
class Started:
    """A run that has begun.

    Attributes:
        run: it goes on, whoever listens.
        pushed: what became of the file before; None where there was none to push.
    """

    run: Run
    pushed: Pushed | None

    @property
    def cells(self) -> list[dict[str, Any]]:
        """The cells that it is for, with the lines of the file where they begin."""
        return [{"id": name, "line": self.pushed.line_of(name) if self.pushed else None} for name in self.run.cells]


class Running:
    """Runs, and what goes with them.

    Args:
        exchange: finds and opens notebooks, and pushes files.
        execution: runs their cells.
    """

    def __init__(self, exchange: Exchange, execution: Execution) -> None:
        self._exchange = exchange
        self._execution = execution
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, request: SyncRequest) -> Started:
        """Push the file, if there is one, and begin to run cells.

        Raises:
            SyncError: it cannot be done; nothing runs.
        """
        pushed, found = await self._push(request)
        async with _telling(pushed), self._exchange.opened(found) as notebook:
            cells = await notebook.cells()
            stale = await self._stale(notebook, cells) if request.what is What.STALE else ()
            ids = [cell.id for cell in chosen(request, cells, pushed, stale) if cell.type is CellType.CODE]
            run = await self._execution.start(notebook, ids)
        task = asyncio.create_task(self._attend(notebook, run))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return Started(run, pushed)

    async def clear(self, request: SyncRequest) -> dict[str, Any]:
        """Remove the outputs of cells, and answer of how many.

        Raises:
            SyncError: it cannot be done.
        """
        pushed, found = await self._push(request)
        async with _telling(pushed), self._exchange.opened(found) as notebook:
            cells = chosen(request, await notebook.cells(), pushed, ())
            cleared = notebook.clear_outputs([cell.id for cell in cells])
            await self._exchange.save(notebook)
            return {"notebook": notebook.path, "cleared": cleared}

    async def interrupt(self, request: SyncRequest) -> dict[str, Any]:
        """Interrupt what runs, and what waits behind it.

        Raises:
            NoKernel: nothing runs the notebook.
        """
        path = await self._path(request)
        await self._execution.interrupt(path)
        return {"notebook": path, "kernel": await self._kernel(path)}

    async def restart(self, request: SyncRequest) -> dict[str, Any]:
        """Start the kernel anew.

        Raises:
            NoKernel: nothing runs the notebook.
        """
        path = await self._path(request)
        await self._execution.restart(path)
        return {"notebook": path, "kernel": await self._kernel(path)}

    async def status(self, request: SyncRequest) -> dict[str, Any]:
        """Return how a notebook is: its cells, their states, its kernel."""
        async with self._exchange.opened(await self._exchange.finder.find(request)) as notebook:
            cells = await notebook.cells()
            stale = await self._stale(notebook, cells)
            states = self._execution.states(notebook.path)
            runs = await notebook.runs()
            return {
                "notebook": notebook.path,
                "rev": await asyncio.to_thread(rev_of, cells, notebook.file_id),
                "tabs": notebook.tabs,
                "kernel": await self._kernel(notebook.path),
                "cells": [
                    {
                        "id": cell.id,
                        "type": str(cell.type),
                        "state": states.get(cell.id) or runs.get(cell.id, ("idle", None))[0],
                        "execution_count": runs.get(cell.id, ("idle", None))[1],
                        "stale": cell.id in stale,
                    }
                    for cell in cells
                ],
            }

    async def focus(self, request: SyncRequest) -> dict[str, Any]:
        """Show a cell in the pages that have its notebook open.

        Raises:
            NoTab: there is none.
            NoCell: which cell is not known.
        """
        if request.what not in (What.LINE, What.CELL):
            raise BadRequest("'what' must be line or cell.")
        pushed, found = await self._push(request)
        async with _telling(pushed), self._exchange.opened(found) as notebook:
            (cell,) = chosen(request, await notebook.cells(), pushed, ())
            if not notebook.tabs:
                raise NoTab
            focus(notebook.app, notebook.path, cell.id)
            return {"notebook": notebook.path, "cell": cell.id, "tabs": notebook.tabs}

    async def _push(self, request: SyncRequest) -> tuple[Pushed | None, Match]:
        if request.text is None:
            return None, await self._exchange.finder.find(request)
        pushed = await self._exchange.push(request)
        return pushed, pushed.match

    async def _path(self, request: SyncRequest) -> str:
        async with self._exchange.opened(await self._exchange.finder.find(request)) as notebook:
            return notebook.path

    async def _kernel(self, path: str) -> dict[str, str]:
        kernel = await self._execution.kernel_of(path)
        return {"name": kernel.name, "state": kernel.state}

    async def _stale(self, notebook: LiveNotebook, cells: Sequence[Cell]) -> frozenset[str]:
        ran = self._execution.ran(notebook.path)
        return frozenset(
            cell.id
            for cell in cells
            if cell.type is CellType.CODE and cell.source.strip() and ran.get(cell.id, "").rstrip("\n") != cell.source
        )

    async def _attend(self, notebook: LiveNotebook, run: Run) -> None:
        with notebook.held():
            await run.wait()


@asynccontextmanager
async def _telling(pushed: Pushed | None) -> AsyncIterator[None]:
    """Let an error tell that the file was pushed before."""
    try:
        yield
    except SyncError as error:
        error.pushed = pushed.answer if pushed else None
        raise


def chosen(
    request: SyncRequest, cells: Sequence[Cell], pushed: Pushed | None, stale: Collection[str]
) -> Sequence[Cell]:
    """Return the cells that a request means.

    Args:
        request: with :attr:`.SyncRequest.what`, and where that needs it, a line or an id.
        cells: of the notebook.
        pushed: the file, for a line of it.
        stale: ids of the cells that have changed since they ran.

    Raises:
        BadRequest: the line or id is missing.
        NoCell: it names none.
    """
    if request.what is What.ALL:
        return cells
    if request.what is What.STALE:
        return [cell for cell in cells if cell.id in stale]
    at = _place(request, cells, pushed)
    parts = {
        What.ABOVE: slice(0, at),
        What.THROUGH: slice(0, at + 1),
        What.BELOW: slice(at, None),
    }
    return cells[parts.get(request.what, slice(at, at + 1))]


def _place(request: SyncRequest, cells: Sequence[Cell], pushed: Pushed | None) -> int:
    if request.cell and request.what is not What.LINE:
        name = request.cell
    elif request.line and request.what is not What.CELL:
        if pushed is None:
            raise BadRequest("For a 'line' the request must hold the file's 'text'.")
        name = pushed.id_at(request.line)
        if not name:
            raise NoCell(f"Line {request.line} belongs to no cell of the notebook.")
    else:
        raise BadRequest(f"For {str(request.what)!r} the request must name a 'line' of the file, or a 'cell'.")
    for place, cell in enumerate(cells):
        if cell.id == name:
            return place
    raise NoCell(f"The notebook has no cell {name[:100]!r}.")
