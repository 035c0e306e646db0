"""Calls in a fresh kernel: for every language, and where the zygote is off."""

from __future__ import annotations

import ast
import asyncio
import base64
import json
import os
import secrets
import signal
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.kernelspec import NoSuchKernel
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.paths import jupyter_runtime_dir

from ...errors import BadResult, CallDied, NotAFunction, NotebookFailed
from ..models.depth import deeper
from ..processes.capture import LEFT_OUT, MOST_TEXT
from ..processes.conversation import died
from ..processes.failures import failure
from ..program import Cell, Role
from ..protocol import Event, Kind, Order, Result
from ..values import pack, pack_shown
from .call import BEGUN, MEDIA_TYPE, code_for
from .literals import assignment

_START_SECONDS = 60.0
_LOOK_SECONDS = 0.2
#: MIME types in which a kernel shows the forms that we know.
_SHOWN = {"html": "text/html", "png": "image/png", "svg": "image/svg+xml", "text": "text/plain"}


class KernelEngine:
    """Runs each order in a kernel of its own, which is started for it and ended after it.

    Args:
        specs: finds kernelspecs; jupyter_client's own manager where it is None.
        transport: ``ipc`` or ``tcp``; loopback ports are open to every user of the machine.
    """

    def __init__(self, specs: Any = None, transport: str = "ipc") -> None:
        self._options = {"transport": transport, **({"kernel_spec_manager": specs} if specs is not None else {})}

    async def run(
        self, order: Order, *, seconds: float, on_event: Callable[[Event], None], kernel_name: str, language: str
    ) -> Result:
        """Run an order, and return what it returned; when this is cancelled, the kernel is killed.

        Args:
            order: what to run.
            seconds: that it may take; whoever calls this enforces it by cancelling.
            on_event: is told what happens.
            kernel_name: of the kernelspec.
            language: of the kernel.

        Raises:
            CallError: it did not return anything.
        """
        async with self._kernel(kernel_name, order.folder) as manager:
            client = manager.client()
            client.start_channels(hb=False)
            try:
                kernel = _Kernel(manager, client, min(seconds, _START_SECONDS))
                await kernel.ready()
                calls = [_Call, *([_OwnCall] if language == "python" else [])]
                result = None
                while result is None:
                    result = await calls.pop()(kernel, order, language, on_event).run()
                return result
            finally:
                await asyncio.shield(asyncio.to_thread(client.stop_channels))  # it waits until its sockets are empty

    async def close(self) -> None:
        """Do nothing: no kernel outlives its call."""

    @asynccontextmanager
    async def _kernel(self, name: str, folder: str) -> AsyncIterator[AsyncKernelManager]:
        # without the file's name, jupyter_client would put the sockets into the working folder
        connection_file = Path(_runtime_folder(), f"f{secrets.token_hex(6)}.json")
        manager = AsyncKernelManager(kernel_name=name, connection_file=str(connection_file), **self._options)
        try:
            await manager.start_kernel(cwd=folder, env=deeper(os.environ))
            yield manager
        except NoSuchKernel:
            raise NotAFunction(f"There is no kernel {name!r} here.") from None
        finally:
            await asyncio.shield(_ended(manager))


def _runtime_folder() -> Path:
    """Return Jupyter's folder for files of kernels; nobody else may look into it."""
    folder = Path(jupyter_runtime_dir())
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


async def _ended(manager: AsyncKernelManager) -> None:
    """Kill a kernel and all of its session."""
    group = getattr(manager.provisioner, "pgid", None)
    if group and group != os.getpgrp():
        with suppress(OSError):  # it may be gone
            os.killpg(group, signal.SIGKILL)
    with suppress(Exception):
        await manager.shutdown_kernel(now=True)
    manager.cleanup_connection_file()
    manager.cleanup_ipc_files()


@dataclass(frozen=True, slots=True)
class _Kernel:
    """A kernel that runs what it is sent (Jupyter messaging 5.3).

    Attributes:
        manager: has started it.
        client: speaks to it.
        seconds: in which it must be ready.
    """

    manager: AsyncKernelManager
    client: AsyncKernelClient
    seconds: float

    async def ready(self) -> None:
        """Wait until it answers, and until we hear what it tells to everybody.

        ``wait_for_ready`` of jupyter_client would go on to wait for a silence.

        Raises:
            CallDied: it ended, or took too long.
        """
        deadline = time.monotonic() + self.seconds
        while time.monotonic() < deadline:
            asked = self.client.kernel_info()
            until = time.monotonic() + _LOOK_SECONDS
            while (left := until - time.monotonic()) > 0:
                with suppress(Empty):
                    if (await self.client.get_iopub_msg(timeout=left))["parent_header"].get("msg_id") == asked:
                        return
            if not await self.manager.is_alive():
                break
        raise CallDied("The kernel of this notebook did not start.")

    async def execute(self, source: str, *, store_history: bool = True) -> AsyncIterator[tuple[str, Mapping[str, Any]]]:
        """Yield type and content of the messages that come for some code, until it has run.

        Raises:
            CallDied: the kernel ended.
        """
        asked = self.client.execute(source, store_history=store_history, allow_stdin=False)
        while True:
            try:
                message = await self.client.get_iopub_msg(timeout=_LOOK_SECONDS)
            except Empty:
                if await self.manager.is_alive():
                    continue
                code = await self.manager.provisioner.poll() if self.manager.provisioner else None
                code = code or 0
                raise died({"signal": max(-code, 0), "code": max(code, 0)}, self.seconds) from None
            if message["parent_header"].get("msg_id") != asked:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                return
            yield kind, content


@dataclass(slots=True)
class _Call:
    """One order in one kernel, cell by cell."""

    kernel: _Kernel
    order: Order
    language: str
    on_event: Callable[[Event], None]
    shown: Mapping[str, Any] = field(default_factory=dict)
    printed: str = ""
    left: int = MOST_TEXT

    async def run(self) -> Result | None:
        """Return what the order returned."""
        order, binding = self.order, iter(self.order.names)
        for number, cell in enumerate(order.cells, 1):
            self.on_event({"event": "cell", "cell": cell.index, "number": number, "of": len(order.cells)})
            self.shown, self.printed = {}, ""
            await self._execute(cell.source, cell)
            if cell.role is Role.PARAMETERS:
                names = [name for name in next(binding, ()) if name in order.values]
                lines = [assignment(self.language, name, order.values[name]) for name in names]
                if lines:
                    await self._execute("\n".join(lines), cell, silent=True)
        returns = bool(order.cells) and order.cells[-1].role is Role.RETURN
        if order.outputs:  # the executed notebook is the result
            return Result()
        return self._result() if returns else self._packed(None)

    async def _execute(self, source: str, cell: Cell, *, silent: bool = False) -> None:
        async for kind, content in self.kernel.execute(source, store_history=not silent):
            if kind == "error":
                raise NotebookFailed(content["ename"], content["evalue"], cell.index, content["traceback"])
            if not silent:
                self.take(kind, content)

    def take(self, kind: str, content: Mapping[str, Any]) -> None:
        """Tell what a kernel shows."""
        if kind == "stream":
            before, self.left = self.left, self.left - len(content["text"])
            if before < 0:
                return
            text = content["text"][:before] + (LEFT_OUT if self.left < 0 else "")
            content = {"name": content["name"], "text": text}
            self.printed += text if content["name"] == "stdout" else ""
            self.on_event({"event": "stream", **content})
        if kind == "execute_result":
            self.shown = content["data"]
        if kind in ("stream", "display_data", "execute_result") and self.order.outputs:
            kept = {name: value for name, value in content.items() if name != "transient"}
            self.on_event({"event": "output", "output": {"output_type": kind, **kept}})

    def _result(self) -> Result:
        for name in self.order.formats:
            shown = self.shown.get(_SHOWN.get(name, ""))
            if isinstance(shown, str):
                return pack_shown(name, base64.b64decode(shown) if name == "png" else shown.encode())
        return self._packed(self._value())

    def _value(self) -> Any:
        if "application/json" in self.shown:
            return self.shown["application/json"]
        text = str(self.shown.get("text/plain", self.printed.removesuffix("\n")))
        with suppress(ValueError, SyntaxError, RecursionError, MemoryError):
            return ast.literal_eval(text) if self.language == "python" else json.loads(text)
        if self.language == "python" and self.shown:
            raise BadResult(f"The value that this kernel shows as {text[:100]!r} is not JSON: return plain values.")
        return text

    def _packed(self, value: Any) -> Result:
        order = self.order
        return pack(value, order.formats, nan=order.nan, most_bytes=order.most_bytes)


class _OwnCall(_Call):
    """One order in one kernel of Python that may have this package; see :mod:`.kernel_call`."""

    __slots__ = ("_begun", "_outcome")
    _begun: bool
    _outcome: Result | Exception | None

    async def run(self) -> Result | None:
        """Return what the order returned; None where the kernel does not have the package."""
        self._begun, self._outcome = False, None
        async for kind, content in self.kernel.execute(code_for(self.order), store_history=False):
            if kind == "display_data" and MEDIA_TYPE in content["data"]:
                self._hear(**content["data"][MEDIA_TYPE])
            elif self._begun and kind != "error":
                self.take(kind, content)
        if isinstance(self._outcome, Exception):
            raise self._outcome
        if self._begun and self._outcome is None:
            raise CallDied("The kernel of this notebook ended the call before it had returned anything.")
        return self._outcome

    def _hear(self, kind: str, payload: str) -> None:
        if kind == BEGUN:
            self._begun = True
        elif kind == Kind.EVENT:
            self.on_event(json.loads(payload))
        elif kind == Kind.FAILURE:
            self._outcome = failure(json.loads(payload))
        elif kind == Kind.RESULT:
            self._outcome = Result.from_bytes(base64.b64decode(payload))
