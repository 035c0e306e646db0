"""The runs of one notebook, one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from .displays import Displays
from .events import clipped
from .kernels import KernelConnection
from .outputs import CellOutputs
from .runs import CellResult, Run
from .surviving import surviving
from .turns import Turn

if TYPE_CHECKING:
    from ..live import LiveNotebook

_INTERRUPTED = "The kernel was interrupted."
_SERVER_ENDS = "The server ends."
_ATTEMPTS = 20
_NEWS_SECONDS = 0.05  # until the news of an interrupt is here, behind what it did
_FATE_SECONDS = 15.0  # until a kernel that ends has ended


@dataclass(slots=True)
class Job:
    """A run on its way."""

    run: Run
    notebook: LiveNotebook
    hold: ExitStack
    task: asyncio.Task[tuple[str, str]] | None = None
    in_flight: bool = False  # whether the kernel has a request of it
    ending: tuple[str, str] | None = None  # status and message, once it shall end
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)
    connection: KernelConnection | None = None


class Lane:
    """What runs in one notebook.

    Args:
        notebook: the live one.
        connect: returns a connection to the kernel of this lane's notebook, which it may have to start; sets
            ``kernel_id`` as soon as it is known.
        interrupt: interrupts the kernel with an id.
    """

    def __init__(
        self,
        notebook: LiveNotebook,
        connect: Callable[[Lane], Awaitable[KernelConnection]],
        interrupt: Callable[[str], Awaitable[None]],
    ) -> None:
        self.notebook = notebook
        self.kernel_id = ""
        self.ran: dict[str, str] = {}
        self.displays = Displays()
        self.jobs: list[Job] = []
        self._connect = connect
        self._interrupt = interrupt
        self._lock = asyncio.Lock()

    @property
    def states(self) -> dict[str, str]:
        """Cells that wait (``queued``) or run (``running``)."""
        states: dict[str, str] = {}
        for job in self.jobs:
            for cell, state in job.run.states.items():
                if states.get(cell) != "running":
                    states[cell] = state
        return states

    def add(self, notebook: LiveNotebook, run: Run) -> None:
        """Queue a run."""
        self.show_in(notebook)
        hold = ExitStack()
        hold.enter_context(notebook.held())
        job = Job(run, notebook, hold)
        self.jobs.append(job)
        job.task = asyncio.create_task(self._perform(job))
        job.task.add_done_callback(partial(self._done, job))

    def show_in(self, notebook: LiveNotebook) -> None:
        """Note in which live notebook its file is open now."""
        if notebook is not self.notebook:
            self.notebook = notebook
            self.displays.detach()

    def use(self, kernel_id: str) -> None:
        """Note which kernel runs this notebook now."""
        if kernel_id != self.kernel_id:
            self.forget()
            self.kernel_id = kernel_id

    def forget(self) -> None:
        """Forget what the kernel knew: it is gone."""
        self.ran.clear()
        self.displays.clear()

    def interrupt(self) -> None:
        """End all runs; the cell that the kernel works on ends when the kernel stops it."""
        for job in list(self.jobs):
            if job.ending:  # it tidies up after a restart, say
                continue
            job.ending = ("interrupted", _INTERRUPTED)
            if not job.in_flight and job.task is not None:
                job.task.cancel()

    def end(self, status: str, message: str) -> None:
        """End all runs at once."""
        for job in list(self.jobs):
            job.ending = (status, message)
            if job.task is not None:
                job.task.cancel()

    async def _perform(self, job: Job) -> tuple[str, str]:
        try:
            async with self._lock, job.stack:
                return await self._run(job)
        except Exception as error:
            return "died", f"The kernel cannot be used: {getattr(error, 'log_message', None) or error}"

    def _done(self, job: Job, task: asyncio.Task[tuple[str, str]]) -> None:
        # a task that is cancelled before its first step runs nothing of its own, so it cannot end its run itself
        status, message = (job.ending or ("died", _SERVER_ENDS)) if task.cancelled() else task.result()
        self.jobs.remove(job)
        job.run.end(status, message)
        with surviving("Letting a notebook go"):
            job.hold.close()

    async def _run(self, job: Job) -> tuple[str, str]:
        for cell_id in job.run.cells:
            result = await self._cell(job, cell_id)
            job.run.cell_done(result)
            if job.ending:
                return job.ending
            if result.state == "error":
                return "error", ": ".join((result.error or {}).values())
        return "ok", ""

    async def _cell(self, job: Job, cell_id: str) -> CellResult:
        cell, source = None, None
        with surviving("Reading a cell"):
            cell, source = job.notebook.ycell(cell_id), job.notebook.source_of(cell_id)
        if cell is None or source is None:
            return CellResult(cell_id, "aborted")
        if cell.get("cell_type") != "code":
            return CellResult(cell_id, "ok")
        if not source.strip():
            self.ran[cell_id] = source
            return CellResult(cell_id, "ok")
        for _ in range(_ATTEMPTS):
            connection = await self._connection(job)
            # it may have waited for its turn a long time
            source = job.notebook.source_of(cell_id) or ""
            reply = await self._turn(job, connection, cell_id, source)
            if reply.get("status") in ("ok", "error"):
                break
            await asyncio.sleep(_NEWS_SECONDS)  # a cell of others failed, and the kernel has dropped all that waited
            if job.ending:
                break
        return self._result(cell_id, source, reply)

    async def _connection(self, job: Job) -> KernelConnection:
        while job.connection is None or job.connection.closed:
            await job.stack.aclose()
            job.connection = await self._connect(self)
            await job.stack.enter_async_context(job.connection.turn)
        return job.connection

    async def _turn(self, job: Job, connection: KernelConnection, cell_id: str, source: str) -> dict[str, Any]:
        def begun() -> None:
            job.run.cell_runs(cell_id)
            if job.ending:  # it was interrupted before it was begun
                interrupting.append(asyncio.ensure_future(self._interrupt(self.kernel_id)))

        interrupting: list[asyncio.Future[None]] = []
        outputs = CellOutputs(job.notebook, cell_id, self.displays, job.run.tell)
        turn = Turn(outputs, begun)
        outputs.begin()
        job.in_flight = True
        try:
            reply = await connection.execute(source, cell_id, turn)
            if reply.get("status") != "ok" and connection.kernel.shutting_down:
                await asyncio.sleep(_FATE_SECONDS)  # a kernel is interrupted before it is restarted
            if isinstance(reply.get("execution_count"), int):
                outputs.count = reply["execution_count"]
            return reply
        finally:
            job.in_flight = False
            await turn.finish()

    def _result(self, cell_id: str, source: str, reply: dict[str, Any]) -> CellResult:
        self.ran.pop(cell_id, None)
        count = reply.get("execution_count")
        if reply.get("status") == "ok":
            self.ran[cell_id] = source
            return CellResult(cell_id, "ok", count)
        if reply.get("status") == "error":
            error = {name: clipped(str(reply.get(name, "")), 1000) for name in ("ename", "evalue")}
            return CellResult(cell_id, "error", count, error)
        return CellResult(cell_id, "aborted")
