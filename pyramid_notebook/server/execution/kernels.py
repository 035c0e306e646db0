"""Our connection to a kernel: one for all runs, as long as the kernel lives (Jupyter messaging)."""

from __future__ import annotations

import asyncio
import uuid
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

import zmq
import zmq.asyncio

from .messages import unpacked
from .outputs import surviving

_AT_ONCE = 0.005  # seconds of messages before others get a turn
_QUEUED = 10_000  # messages that wait here before the kernel begins to drop some
_PATIENCE = 1.0  # seconds until what should have come is asked for
_REMEMBERED = 32  # requests that are done and may still print, by threads for example
_LONGEST_PAUSE = 5.0


class Listener(Protocol):
    """Takes what a kernel sends because of one request."""

    def on_reply(self, content: dict[str, Any]) -> None:
        """Take the answer."""

    def on_iopub(self, kind: str, content: dict[str, Any]) -> None:
        """Take what the kernel tells everybody."""


class KernelGone(Exception):
    """The connection was closed because the kernel ended or was started again."""


class _Probe:
    """Knows when the kernel has done what was asked of it before."""

    def __init__(self) -> None:
        self.idle = asyncio.Event()

    def on_reply(self, content: dict[str, Any]) -> None:
        """Leave it: the kernel tells everybody afterwards that it is idle."""

    def on_iopub(self, kind: str, content: dict[str, Any]) -> None:
        if kind == "status" and content.get("execution_state") == "idle":
            self.idle.set()


def new_context() -> zmq.asyncio.Context:
    """Return what the sockets of all connections are made of."""
    context = zmq.asyncio.Context()
    context.setsockopt(zmq.RCVHWM, _QUEUED)
    return context


class KernelConnection:
    """A connection to one kernel.

    Args:
        kernel: of jupyter_server, running.
        context: see :func:`new_context`.
        display_changed: told of each changed display, by whomever, with its id and the message's content.
    """

    def __init__(
        self,
        kernel: Any,
        context: zmq.asyncio.Context,
        display_changed: Callable[[str, dict[str, Any]], None],
    ) -> None:
        self.kernel = kernel
        self.closed = False
        self.turn = asyncio.Lock()  # runs go one after the other
        self._display_changed = display_changed
        self._listeners: OrderedDict[str, Listener] = OrderedDict()
        self._heard = asyncio.Event()
        self._asked = False
        self._ports = list(kernel.ports)
        session = kernel.session.clone()
        session.session = uuid.uuid4().hex  # two clients of the same would get each other's answers
        self._session = session
        self._client = kernel.client(session=session, context=context)
        self._client.start_channels(stdin=False, hb=False)
        self._tasks = [
            asyncio.create_task(self._read(self._client.iopub_channel, self._on_iopub)),
            asyncio.create_task(self._read(self._client.shell_channel, self._on_reply)),
        ]

    @property
    def stale(self) -> bool:
        """Whether the kernel listens elsewhere by now."""
        return self.closed or list(self.kernel.ports) != self._ports

    def close(self) -> None:
        """Let go; who waits for an answer must be told by others."""
        if self.closed:
            return
        self.closed = True
        for task in self._tasks:
            task.cancel()
        self._client.stop_channels()

    async def connect(self) -> None:
        """Wait until nothing that the kernel tells everybody can be missed; a busy kernel does not hold this up.

        Raises:
            KernelGone: it listens elsewhere, or not at all.
        """
        pause = 0.1
        while not self._heard.is_set():
            if self.stale:
                raise KernelGone
            # the answer comes by the control channel also while a cell runs, or later by the shell
            self._send(self._client.control_channel, "kernel_info_request", {})
            if not self._asked:
                self._asked = True
                self._send(self._client.shell_channel, "kernel_info_request", {})
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._heard.wait()
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def execute(self, code: str, cell_id: str, turn: Any) -> dict[str, Any]:
        """Run code, and return the content of the answer when all output is there.

        Args:
            code: in the kernel's language.
            cell_id: of its cell, which kernels may use to tell where an error is.
            turn: the listener, with ``replied`` and ``idle``.
        """
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": False,  # what others have asked for meanwhile is not ours to stop
        }
        self._send(self._client.shell_channel, "execute_request", content, turn, {"cellId": cell_id})
        reply: dict[str, Any] = await turn.replied
        while not turn.idle.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_PATIENCE):
                    await turn.idle.wait()
            if not turn.idle.is_set() and await self._is_past():
                break
        return reply

    async def _is_past(self) -> bool:
        """Whether the kernel has said everything; under a flood of messages it may have dropped its last word."""
        probe = _Probe()
        request = self._send(self._client.shell_channel, "kernel_info_request", {}, probe)
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await probe.idle.wait()
        self._listeners.pop(request, None)
        return probe.idle.is_set()

    def _send(
        self,
        channel: Any,
        kind: str,
        content: dict[str, Any],
        listener: Listener | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> str:
        message = self._session.msg(kind, content, metadata=metadata)
        request = str(message["header"]["msg_id"])
        if listener is not None:
            self._listeners[request] = listener
            while len(self._listeners) > _REMEMBERED:
                self._listeners.popitem(last=False)
        # jupyter_client's own way would take the news of an answer from this socket, and nobody would read it (ZMQ_FD)
        channel.socket.send_multipart(self._session.serialize(message))
        return request

    async def _read(self, channel: Any, take: Callable[[dict[str, Any], bytes], None]) -> None:
        loop = asyncio.get_running_loop()
        resumed = loop.time()
        while True:
            frames = await channel.socket.recv_multipart()  # does not wait where there is one already
            with surviving("A message of a kernel"):
                _, parts = self._session.feed_identities(frames)
                take(self._session.deserialize(parts, content=False), parts[4])
            if loop.time() - resumed > _AT_ONCE:
                await asyncio.sleep(0)
                resumed = loop.time()

    def _on_reply(self, message: dict[str, Any], packed: bytes) -> None:
        listener = self._listeners.get(message["parent_header"].get("msg_id", ""))
        if listener is not None:
            listener.on_reply(unpacked(packed))

    def _on_iopub(self, message: dict[str, Any], packed: bytes) -> None:
        self._heard.set()
        kind = message["msg_type"]
        listener = self._listeners.get(message["parent_header"].get("msg_id", ""))
        if listener is None and kind != "update_display_data":
            return
        content = unpacked(packed)
        if listener is not None:
            listener.on_iopub(kind, content)
        else:
            self._display_changed(str(content.get("transient", {}).get("display_id")), content)
