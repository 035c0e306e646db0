"""What a session runs, written into its notebook: after the frontends were told, several things at once."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import deque
from contextlib import ExitStack
from typing import Any

from ..server.execution import Execution
from ..server.execution.outputs import CellOutputs
from ..server.execution.surviving import surviving
from ..server.live import LiveNotebook, LiveNotebooks
from ..sync.cells import Cell, CellType

_PACE = 0.02  # seconds between two writes, as long as a page shows the notebook
_QUIET_PACE = 0.2
_REST = 3  # a write of so many milliseconds is followed by a pause of three times that


class CellWriting:
    """One cell that is appended to a notebook.

    Args:
        sheet: that it becomes part of.
        code: its source.
    """

    def __init__(self, sheet: Worksheet, code: str) -> None:
        self.id = str(uuid.uuid4())
        self.code = code
        self.outputs: CellOutputs | None = None
        self.is_there = self.is_over = self.is_ok = False
        self._count: int | None = None
        self._waiting: list[tuple[str, dict[str, Any]]] = []
        self._sheet = sheet

    def take(self, kind: str, content: dict[str, Any]) -> None:
        """Take a message of the kernel (Jupyter messaging, "Messages on the IOPub channel")."""
        if self.outputs is None:
            self._waiting.append((kind, content))
        elif not self.outputs.take(kind, content):
            return
        self._sheet.changed(self)

    def end(self, count: int | None, *, is_ok: bool) -> None:
        """Note that it runs no longer.

        Args:
            count: execution count, if it has one.
            is_ok: whether it has not failed.
        """
        self._count, self.is_ok, self.is_over = count, is_ok, True
        self._sheet.changed(self)

    def append_to(self, notebook: LiveNotebook) -> None:
        """Make the cell, in a transaction of the notebook, if it was not made yet."""
        if not self.is_there:
            notebook.append(Cell(CellType.CODE, self.code.rstrip("\n"), self.id))
            self.is_there = True

    def write(self, notebook: LiveNotebook, displays: Any) -> bool:
        """Write some of what there is, in a transaction of the notebook; return whether there is more."""
        if self.outputs is None or self.outputs.notebook is not notebook:
            is_new = self.outputs is None
            self.outputs = CellOutputs(notebook, self.id, displays, lambda event: None)
            if is_new and not self.is_over:
                self.outputs.begin()
        for kind, content in self._waiting:
            self.outputs.take(kind, content)
        self._waiting.clear()
        more = self.outputs.flush()
        if self.is_over and not more:
            self.outputs.count = self._count
            self.outputs.finish()
        return more


class Worksheet:
    """A notebook to which cells are appended.

    Args:
        notebooks: the live ones.
        execution: runs cells of notebooks for others.
        kernel_id: of the kernel that runs the cells.
        path: of the notebook.
    """

    def __init__(self, notebooks: LiveNotebooks, execution: Execution, kernel_id: str, path: str) -> None:
        self._notebooks = notebooks
        self._execution = execution
        self._kernel_id = kernel_id
        self._path = path
        self._file_id = notebooks.app.web_app.settings["file_id_manager"].index(path)
        self._notebook: LiveNotebook | None = None
        self._hold = ExitStack()
        self._opening: asyncio.Task[None] | None = None
        self._cells: deque[CellWriting] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._rested = asyncio.Event()
        self._rested.set()

    @property
    def path(self) -> str:
        """Of the notebook, where it is now."""
        self._path = self._notebooks.app.web_app.settings["file_id_manager"].get_path(self._file_id) or self._path
        return self._path

    def begin(self) -> None:
        """Open the notebook, before there is something to write."""
        self._soon(0)

    def append(self, code: str) -> CellWriting:
        """Return a cell that will be appended."""
        cell = CellWriting(self, code)
        self._cells.append(cell)
        self._soon(self._pace)
        return cell

    def changed(self, cell: CellWriting) -> None:
        """Write before long what a cell has got."""
        if cell not in self._cells:  # its code prints although it has ended
            self._cells.append(cell)
        self._soon(self._pace)

    async def finish(self) -> None:
        """Wait until all is written."""
        await self._rested.wait()

    @property
    def _pace(self) -> float:
        return _PACE if self._notebook is not None and self._notebook.tabs else _QUIET_PACE

    def _soon(self, seconds: float) -> None:
        self._rested.clear()
        if self._timer is None and self._opening is None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._write)

    def _write(self) -> None:
        self._timer = None
        notebook = self._notebook
        if notebook is None or not notebook.is_open:
            self._opening = asyncio.create_task(self._open())
            return
        begin = time.perf_counter()
        self._write_cells(notebook)
        if self._cells:
            self._soon(max(_PACE, _REST * (time.perf_counter() - begin)))

    def _write_cells(self, notebook: LiveNotebook) -> None:
        with surviving("Writing into a notebook"):
            lane = self._execution.lane_of(notebook, self._kernel_id)
            with notebook.transaction():  # one of its own: only then the cells can be found
                for cell in self._cells:
                    cell.append_to(notebook)
            with notebook.transaction():
                while self._cells:
                    cell = self._cells.popleft()
                    if cell.write(notebook, lane.displays):
                        self._cells.appendleft(cell)
                        return
                    if cell.is_ok:
                        lane.ran[cell.id] = cell.code
        if not self._cells:
            self._rested.set()

    async def _open(self) -> None:
        try:
            with surviving("Opening a notebook"):
                self._hold.close()
                self._notebook = await self._notebooks.open(self.path)
                self._hold.enter_context(self._notebook.held())
        finally:
            self._opening = None
            if self._notebook is not None and self._notebook.is_open:
                self._soon(0)
            else:
                self._cells.clear()
                self._rested.set()

    def close(self) -> None:
        """Let the notebook go; who writes once more opens it again."""
        self._hold.close()
        self._notebook = None
