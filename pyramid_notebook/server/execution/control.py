"""Interrupts and restarts kernels, one thing at a time for each: Jupyter's own ways must not be under way twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from weakref import WeakValueDictionary

from jupyter_core.utils import ensure_async
from jupyter_server.serverapp import ServerApp

from ...errors import KernelTrouble, NoKernel
from .sessions import failure_of, is_pending

_RESTART_SECONDS = 30.0  # Jupyter kills a kernel that does not end after 5 s, and waits 5 s for that
_INTERRUPT_SECONDS = 30.0
_LOOK_SECONDS = 0.05
_RETRY_SECONDS = 5


class _Gate:
    """What is done to one kernel."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.restart: asyncio.Task[None] | None = None
        self.restarts = 0

    def restarted(self, task: asyncio.Task[None]) -> None:
        self.restart = None
        if not task.cancelled():
            task.exception()  # who waited for it was told; where nobody waits any more, it is no news


class KernelControl:
    """Serialises what is done to each kernel.

    Args:
        app: the running server.
        restarts: called with a kernel's id just before the kernel is restarted.
        failed: called with a kernel's id and a message when a restart fails or takes too long.
    """

    def __init__(self, app: ServerApp, restarts: Callable[[str], None], failed: Callable[[str, str], None]) -> None:
        self._app = app
        self._restarts = restarts
        self._failed = failed
        self._gates: WeakValueDictionary[str, _Gate] = WeakValueDictionary()

    async def restart(self, kernel_id: str) -> None:
        """Restart a kernel; if that is under way already, by whomever, wait for its end instead.

        Raises:
            NoKernel: it was shut down meanwhile.
            KernelTrouble: it failed, or takes too long; then it goes on, and nothing else is done to the kernel before.
        """
        gate = self._gate(kernel_id)
        task = gate.restart
        if task is None:
            task = gate.restart = asyncio.create_task(self._restart(gate, kernel_id))
            task.add_done_callback(gate.restarted)
        # nobody who stops to wait may cancel it: Jupyter would take the kernel for a starting one for ever
        done, _ = await asyncio.wait([task], timeout=_RESTART_SECONDS)
        if not done:
            message = f"The kernel has not restarted within {_RESTART_SECONDS:g} seconds. Try again, or shut it down."
            self._failed(kernel_id, message)
            raise KernelTrouble(message, retry_after=_RETRY_SECONDS)
        task.result()

    async def interrupt(self, kernel_id: str) -> None:
        """Interrupt a kernel; one that is just being restarted has nothing to interrupt when it is up again.

        Raises:
            KernelTrouble: there is no process to interrupt, or a restart does not come to its end.
        """
        gate = self._gate(kernel_id)
        restarts = gate.restarts
        try:
            async with asyncio.timeout(_INTERRUPT_SECONDS), gate.lock:
                waited = await self._settle(kernel_id)
                if kernel_id not in self._app.kernel_manager or waited or gate.restarts != restarts:
                    return
                await ensure_async(self._manager.interrupt_kernel(kernel_id))
        except TimeoutError:
            message = "The kernel cannot be interrupted: its restart does not come to its end. Try again later."
            raise KernelTrouble(message, retry_after=_RETRY_SECONDS) from None
        except Exception as error:
            raise KernelTrouble(f"The kernel cannot be interrupted: {_words(error)} Restart it.") from error

    async def _restart(self, gate: _Gate, kernel_id: str) -> None:
        try:
            async with gate.lock:
                waited = await self._settle(kernel_id)
                if kernel_id not in self._app.kernel_manager:
                    raise NoKernel("The kernel was shut down just now. Another one starts when a cell is run.")
                # a page, or Jupyter itself after a crash, has just done what is asked for
                if not waited or failure_of(self._manager.get_kernel(kernel_id)) is not None:
                    self._restarts(kernel_id)
                    up = await ensure_async(self._manager.restart_kernel(kernel_id))
                    if isinstance(up, asyncio.Future):
                        up.add_done_callback(lambda future: future.cancelled() or future.exception())
                gate.restarts += 1
        except NoKernel:
            raise
        except Exception as error:
            message = f"The kernel could not be restarted: {_words(error)} Restart it again."
            self._failed(kernel_id, message)
            raise KernelTrouble(message) from error

    async def _settle(self, kernel_id: str) -> bool:
        """Wait until nobody starts or ends a kernel, and return whether somebody did."""
        waited = False
        while kernel_id in self._app.kernel_manager and is_pending(self._manager.get_kernel(kernel_id)):
            waited = True
            await asyncio.sleep(_LOOK_SECONDS)  # who waits for the kernel's own future and is cancelled, cancels it
        return waited

    @property
    def _manager(self) -> Any:
        return self._app.kernel_manager

    def _gate(self, kernel_id: str) -> _Gate:
        gate = self._gates.get(kernel_id)
        if gate is None:
            gate = self._gates[kernel_id] = _Gate()
        return gate


def _words(error: BaseException) -> str:
    return f"{(str(getattr(error, 'log_message', None) or error) or type(error).__name__).rstrip('.')}."
