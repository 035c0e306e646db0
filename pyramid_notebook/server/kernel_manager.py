"""Starts and ends kernels, watches whether they work, and leaves nothing of them behind."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager, ServerKernelManager

from ..channel.places import is_kernel_id, socket_of
from .execution.kernels import client_of, new_context
from .execution.messages import unpacked
from .execution.reading import Reader, parts_of


class TidyKernelManager(ServerKernelManager):
    """Jupyter's, which also takes the socket of the channel away: a kernel that is killed leaves it."""

    async def restart_kernel(self, *arguments: Any, **options: Any) -> None:  # type: ignore[override]
        """Start the kernel again; one that died young is started with other sockets, by jupyter_client itself."""
        await super().restart_kernel(*arguments, **options)
        if getattr(self, "_activity_stream", None) is not None:
            kernels: Any = self.parent
            kernels.stop_watching_activity(self.kernel_id)
            self.execution_state = "starting"
            kernels.start_watching_activity(self.kernel_id)

    def cleanup_ipc_files(self) -> None:
        """Remove the kernel's sockets; called when its process is gone, and before the next one of its id starts."""
        super().cleanup_ipc_files()
        if is_kernel_id(self.kernel_id or ""):
            with suppress(OSError):
                socket_of(self.kernel_id, Path(os.environ["JUPYTER_RUNTIME_DIR"])).unlink()


class WatchingKernelManager(AsyncMappingKernelManager):
    """Jupyter's, which does not read what kernels print only to know that they do."""

    def start_watching_activity(self, kernel_id: str) -> None:
        """Note from now on when a kernel last told something, and whether it is busy."""
        kernel: Any = self._kernels[kernel_id]
        kernel.reason = ""
        kernel.last_activity = datetime.now(UTC)
        iopub = client_of(kernel, kernel.session.clone(), self._watching).connect_iopub()
        kernel._activity_stream = Reader(iopub, partial(self._note, kernel))

    @cached_property
    def _watching(self) -> Any:
        return new_context()

    def _note(self, kernel: Any, frames: list[bytes]) -> None:
        header, parent = parts_of(frames)[1:3]
        if b'"stream"' not in header:
            kind, asked = (json.loads(part).get("msg_type") for part in (header, parent))
            if kind == "status":
                self._note_state(kernel, unpacked(parts_of(frames)[4])["execution_state"], asked)
            if {kind, asked} <= set(self.untracked_message_types) and kernel.execution_state != "busy":
                return
        self.last_kernel_activity = kernel.last_activity = datetime.now(UTC)

    def _note_state(self, kernel: Any, state: str, asked: str | None) -> None:
        if asked not in self.untracked_message_types:
            kernel.execution_state = state
        elif kernel.execution_state == "starting" and state != "starting":
            kernel.execution_state = "idle"  # it is up, and what it did was nobody's work
