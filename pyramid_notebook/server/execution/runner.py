"""Runs cells of live notebooks, interrupts and restarts their kernels."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from jupyter_server.serverapp import ServerApp

from ...errors import NoKernel
from .connections import Connections
from .control import KernelControl
from .kernels import KernelConnection
from .lanes import Lane
from .runs import Run
from .sessions import KernelState, kernel_id_of, start_kernel, state_of
from .surviving import surviving

if TYPE_CHECKING:
    from ..live import LiveNotebook

_NO_KERNEL = "Nothing runs this notebook: it has no kernel. One starts when a cell is run."
_RESTARTED = "The kernel was restarted."


class Execution:
    """All runs of a server; make one, when the event loop is about to run.

    Args:
        app: the running server.

    Attributes:
        connections: to all kernels.
        control: what interrupts and restarts them.
    """

    def __init__(self, app: ServerApp) -> None:
        self.app = app
        self._lanes: list[Lane] = []
        self._notes: set[asyncio.Task[None]] = set()
        self._starting: dict[str, asyncio.Task[str]] = {}
        self.connections = Connections(app, self)
        self.control = KernelControl(app, self._kernel_restarts, self.connections.kernel_failed)

    async def start(self, notebook: LiveNotebook, cells: Sequence[str]) -> Run:
        """Queue a run, and return it at once.

        Args:
            notebook: that holds the cells; it is kept open until the run ends.
            cells: ids, in the order in which they shall run.
        """
        run = Run(cells)
        self._own_lane(notebook).add(notebook, run)
        return run

    def note_run(self, notebook: LiveNotebook, cell_id: str, source: str) -> None:
        """Note that a page has run a cell well.

        Args:
            notebook: that holds the cell.
            cell_id: of the cell.
            source: its text then.
        """
        task = asyncio.create_task(self._note_run(notebook, cell_id, source))
        self._notes.add(task)
        task.add_done_callback(self._notes.discard)

    async def _note_run(self, notebook: LiveNotebook, cell_id: str, source: str) -> None:
        kernel_id = await kernel_id_of(self.app, notebook.path)
        if kernel_id and kernel_id in self.app.kernel_manager:
            self.connections.watch(kernel_id)
            lane = self._own_lane(notebook)
            lane.use(kernel_id)
            lane.ran[cell_id] = source

    async def interrupt(self, path: str) -> None:
        """Interrupt a notebook's kernel, and end our runs there.

        Raises:
            NoKernel: it has none.
            KernelTrouble: it cannot be interrupted.
        """
        kernel_id = await kernel_id_of(self.app, path)
        lane = self._lane(path)
        if not kernel_id and not (lane and lane.jobs):
            raise NoKernel(_NO_KERNEL)
        if lane is not None:
            lane.interrupt()
        if kernel_id:
            self.kernel_interrupted(kernel_id)
            await self.control.interrupt(kernel_id)

    async def restart(self, path: str) -> None:
        """Restart a notebook's kernel, and end our runs there; it may not be up again when this returns.

        Raises:
            NoKernel: it has none.
            KernelTrouble: it could not be restarted, or not in time.
        """
        kernel_id = await kernel_id_of(self.app, path)
        if not kernel_id:
            raise NoKernel(_NO_KERNEL)
        await self.control.restart(kernel_id)

    async def kernel_of(self, path: str) -> KernelState:
        """Return how the kernel of a notebook is doing."""
        return state_of(self.app, await kernel_id_of(self.app, path))

    def states(self, path: str) -> dict[str, str]:
        """Return which cells of a notebook wait in our runs (``queued``) or run (``running``)."""
        lane = self._lane(path)
        return lane.states if lane else {}

    def ran(self, path: str) -> dict[str, str]:
        """Return the text of each cell of a notebook that ran well in its kernel, as it was then."""
        lane = self._lane(path)
        return dict(lane.ran) if lane else {}

    async def close(self) -> None:
        """End all runs, and let all kernels go."""
        tasks = [job.task for lane in self._lanes for job in lane.jobs if job.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.connections.close()

    def kernel_interrupted(self, kernel_id: str) -> None:
        """End the runs on a kernel that somebody has interrupted."""
        for lane in self._lanes:
            if lane.kernel_id == kernel_id:
                lane.interrupt()

    def kernel_ended(self, kernel_id: str, status: str, message: str) -> None:
        """End the runs on a kernel whose memory is gone."""
        for lane in list(self._lanes):
            if lane.kernel_id != kernel_id:
                continue
            lane.forget()
            # what has not reached the kernel yet takes the next one
            if status != "restarted" or any(job.in_flight for job in lane.jobs):
                lane.end(status, message)
            if not lane.jobs:
                self._lanes.remove(lane)

    def display_changed(self, kernel_id: str, display_id: str, content: dict[str, Any]) -> None:
        """Change a display of ours that the code of others has changed."""
        for lane in self._lanes:
            if lane.kernel_id == kernel_id and display_id in lane.displays:
                with surviving("Changing a display"), lane.notebook.transaction():
                    lane.displays.update(lane.notebook, display_id, content)

    def _own_lane(self, notebook: LiveNotebook) -> Lane:
        lane = self._lane(notebook.path)
        if lane is None:
            lane = Lane(notebook, self._connect, self._interrupt)
            self._lanes.append(lane)
        return lane

    def _lane(self, path: str) -> Lane | None:
        return next((lane for lane in self._lanes if lane.notebook.path == path), None) if path else None

    async def kernel_for(self, path: str, kernel_name: str) -> str:
        """Return the id of the kernel of a notebook, which is started where there is none.

        Args:
            path: of the notebook.
            kernel_name: what the notebook asks for.
        """
        kernel_id = await kernel_id_of(self.app, path)
        if kernel_id:
            return kernel_id
        # who ends meanwhile must not leave half a session behind, nor the next one start a second kernel
        starting = self._starting.get(path)
        if starting is None:
            starting = asyncio.create_task(start_kernel(self.app, path, kernel_name))
            self._starting[path] = starting
            starting.add_done_callback(lambda _: self._starting.pop(path, None))
        return await asyncio.shield(starting)

    def lane_of(self, notebook: LiveNotebook, kernel_id: str) -> Lane:
        """Return the lane of a notebook in which others run cells of their own by a kernel."""
        lane = self._own_lane(notebook)
        lane.show_in(notebook)
        lane.use(kernel_id)
        return lane

    async def _connect(self, lane: Lane) -> KernelConnection:
        kernel_id = await self.kernel_for(lane.notebook.path, lane.notebook.kernel_name)
        lane.use(kernel_id)
        return await self.connections.connection(kernel_id)

    async def _interrupt(self, kernel_id: str) -> None:
        with surviving("Interrupting a cell"):
            await self.control.interrupt(kernel_id)

    def _kernel_restarts(self, kernel_id: str) -> None:
        for lane in self._lanes:
            if lane.kernel_id == kernel_id:
                lane.end("restarted", _RESTARTED)
