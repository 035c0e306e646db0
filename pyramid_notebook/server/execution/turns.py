"""A turn: one cell is run by a kernel, and what comes back goes into the cell."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from .outputs import CellOutputs

_PACE = 0.02  # seconds between two writes as long as more comes
_REST = 3  # a write of so many milliseconds is followed by a pause of three times that


class Turn:
    """The listener of one request to a kernel.

    Args:
        outputs: of the cell.
        begun: called when the kernel begins with the cell.
    """

    def __init__(self, outputs: CellOutputs, begun: Callable[[], None]) -> None:
        self.outputs = outputs
        self.replied: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.idle = asyncio.Event()
        self._begun = begun
        self._timer: asyncio.TimerHandle | None = None
        self._not_before = 0.0

    def on_reply(self, content: dict[str, Any]) -> None:
        """Take the answer to the request (Jupyter messaging, "Execution results")."""
        if not self.replied.done():
            self.replied.set_result(content)

    def on_iopub(self, kind: str, content: dict[str, Any]) -> None:
        """Take what the kernel tells everybody."""
        if kind == "status":
            if content.get("execution_state") == "busy":
                self._begun()
            elif content.get("execution_state") == "idle":
                self.idle.set()
        elif kind == "execute_input":
            self.outputs.count = content.get("execution_count")
        elif self.outputs.take(kind, content) and self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(0.0, self._not_before - loop.time()), self._flush)

    async def finish(self) -> None:
        """Write what is left, and let the cell rest."""
        try:
            more = True
            while more:
                more = self.outputs.flush()
                await asyncio.sleep(0)
        finally:
            self.outputs.finish()

    def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        begin = time.perf_counter()
        more = self.outputs.flush()
        spent = time.perf_counter() - begin
        self._timer = None
        if more:
            self._timer = loop.call_later(_REST * spent, self._flush)
        self._not_before = loop.time() + _PACE
