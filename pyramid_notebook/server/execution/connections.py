"""The connections to all kernels of a server, and what happens to those kernels, by whomever."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, Protocol

from jupyter_server.serverapp import ServerApp

from ...errors import KernelTrouble
from ..outcome import KERNEL_EVENTS
from .kernels import KernelConnection, KernelGone, new_context
from .sessions import failure_of, is_pending

_LOOK_SECONDS = 0.05
_PENDING_SECONDS = 60.0  # until a run does not wait any more for a kernel that starts or ends
_DIED = "The kernel died while this ran. What it had in its memory is lost; its next start is a fresh one."
_RESTARTED = "The kernel was restarted while this ran."
_NOT_RESTARTED = "The kernel could not be restarted. Restart it again."
_SHUT_DOWN = "The kernel was shut down while this ran."


class Watcher(Protocol):
    """Is told what happens to kernels."""

    def kernel_interrupted(self, kernel_id: str) -> None:
        """Somebody has interrupted a kernel."""

    def kernel_ended(self, kernel_id: str, status: str, message: str) -> None:
        """A kernel's memory is gone; its runs end with this status and message."""

    def display_changed(self, kernel_id: str, display_id: str, content: dict[str, Any]) -> None:
        """A kernel changes a display because of what others ran."""


class Connections:
    """Makes connections when they are needed, and drops them when their kernels end.

    Args:
        app: the running server.
        watcher: told what happens.
    """

    def __init__(self, app: ServerApp, watcher: Watcher) -> None:
        self._app = app
        self._watchers = [watcher]
        self._context = new_context()
        self._connections: dict[str, KernelConnection] = {}
        self._watched: dict[str, Any] = {}
        self._events: Any = app.web_app.settings["event_logger"]
        self._events.add_listener(schema_id=KERNEL_EVENTS, listener=self._on_event)

    def add_watcher(self, watcher: Watcher) -> None:
        """Tell one more what happens, after the others."""
        self._watchers.append(watcher)

    async def connection(self, kernel_id: str) -> KernelConnection:
        """Return a connection to a kernel that misses nothing, as soon as the kernel is up.

        Raises:
            KernelGone: there is no such kernel any more.
            KernelTrouble: its restart failed, or does not come to its end.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _PENDING_SECONDS
        while kernel_id in self._app.kernel_manager:
            kernel: Any = self._app.kernel_manager.get_kernel(kernel_id)
            if is_pending(kernel):  # it is about to be started again, or to go
                if loop.time() > deadline:
                    raise KernelTrouble("it neither starts nor ends. Shut it down.")
                await asyncio.sleep(_LOOK_SECONDS)
                continue
            if (failure := failure_of(kernel)) is not None:  # nobody watches such a kernel, so nothing would ever come
                raise KernelTrouble(f"it could not be started again ({failure}). Restart it.")
            deadline = loop.time() + _PENDING_SECONDS
            connection = self._connections.get(kernel_id)
            if connection is None or connection.stale or connection.kernel is not kernel:
                connection = self._connect(kernel_id, kernel)
            try:
                await connection.connect()
            except KernelGone:
                await asyncio.sleep(_LOOK_SECONDS)
                continue
            return connection
        raise KernelGone("it was shut down.")

    def kernel_failed(self, kernel_id: str, message: str) -> None:
        """Let a kernel go that could not be restarted, and end what waits for it."""
        self._ended(kernel_id, "died", message)

    def close(self) -> None:
        """Let all kernels go, and hear of them no longer."""
        self._events.remove_listener(schema_id=KERNEL_EVENTS, listener=self._on_event)
        for kernel_id in list(self._connections):
            self._drop(kernel_id)
        self._context.destroy(linger=0)

    def _connect(self, kernel_id: str, kernel: Any) -> KernelConnection:
        self._drop(kernel_id)
        changed = partial(self._display_changed, kernel_id)
        connection = self._connections[kernel_id] = KernelConnection(kernel, self._context, changed)
        self.watch(kernel_id)
        return connection

    def watch(self, kernel_id: str) -> None:
        """Tell when a kernel dies, also if nobody is connected to it."""
        kernel: Any = self._app.kernel_manager.get_kernel(kernel_id)
        if self._watched.get(kernel_id) is not kernel:
            self._watched[kernel_id] = kernel
            for event in ("restart", "dead"):
                kernel.add_restart_callback(partial(self._ended, kernel_id, "died", _DIED), event)

    def _drop(self, kernel_id: str) -> None:
        connection = self._connections.pop(kernel_id, None)
        if connection is not None:
            connection.close()

    def _ended(self, kernel_id: str, status: str, message: str) -> None:
        self._drop(kernel_id)
        for watcher in self._watchers:
            watcher.kernel_ended(kernel_id, status, message)

    def _display_changed(self, kernel_id: str, display_id: str, content: dict[str, Any]) -> None:
        for watcher in self._watchers:
            watcher.display_changed(kernel_id, display_id, content)

    async def _on_event(self, logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        kernel_id = data.get("kernel_id", "")
        if data.get("status") != "success":
            if data.get("action") == "restart":
                self.kernel_failed(kernel_id, _NOT_RESTARTED)
            return
        if data.get("action") == "interrupt":
            for watcher in self._watchers:
                watcher.kernel_interrupted(kernel_id)
        elif data.get("action") == "restart":
            self._ended(kernel_id, "restarted", _RESTARTED)
        elif data.get("action") == "shutdown":
            self._watched.pop(kernel_id, None)
            self._ended(kernel_id, "died", _SHUT_DOWN)
