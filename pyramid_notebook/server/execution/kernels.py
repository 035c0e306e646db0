"""Our connection to a kernel: one for all runs, as long as the kernel lives (Jupyter messaging)."""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Any, Protocol

import zmq
from jupyter_client.client import KernelClient

from .messages import unpacked
from .reading import Message, Reader, unsigned

_QUEUED = 100_000  # messages that wait here before the kernel begins to drop some
_PATIENCE = 1.0  # seconds until what should have come is asked for
_REMEMBERED = 32  # requests that are done and may still print, by threads for example
_LONGEST_PAUSE = 5.0


class Listener(Protocol):
    """Takes what a kernel sends because of one request."""

    def on_reply(self, content: dict[str, Any]) -> None:
        """Take the answer."""

    def on_iopub(self, kind: str, content: dict[str, Any]) -> None:
        """Take what the kernel tells everybody."""


class Asked(Listener, Protocol):
    """A listener to whom the code of its request may turn for a line of input."""

    def on_input(self, header: dict[str, Any], content: dict[str, Any]) -> None:
        """Take what the kernel asks for, and the header that an answer names (Jupyter messaging, "stdin")."""


class Observer(Protocol):
    """Hears all that a kernel tells everybody, whoever has asked for it."""

    def on_kernel_message(self, message: Message, listener: Listener | None) -> None:
        """Take a message; the listener, if it is because of a request of ours, gets it next."""


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


class _Answer:
    """Waits for the answer to a request."""

    def __init__(self) -> None:
        self.replied: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    def on_reply(self, content: dict[str, Any]) -> None:
        if not self.replied.done():
            self.replied.set_result(content)

    def on_iopub(self, kind: str, content: dict[str, Any]) -> None:
        """Leave it."""


def new_context() -> zmq.Context[zmq.Socket[bytes]]:
    """Return what the sockets of all connections are made of."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    context.setsockopt(zmq.RCVHWM, _QUEUED)
    return context


def client_of(kernel: Any, session: Any, context: zmq.Context[zmq.Socket[bytes]]) -> KernelClient:
    """Return what connects to a kernel.

    Args:
        kernel: of jupyter_server, running.
        session: of jupyter_client, with the kernel's key.
        context: see :func:`new_context`.
    """
    return KernelClient(**kernel.get_connection_info(session=True) | {"session": session}, context=context)


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
        context: zmq.Context[zmq.Socket[bytes]],
        display_changed: Callable[[str, dict[str, Any]], None],
    ) -> None:
        self.kernel = kernel
        self.closed = False
        self.turn = asyncio.Lock()  # runs go one after the other
        self._display_changed = display_changed
        self.observers: list[Observer] = []
        self._listeners: dict[str, Listener] = {}
        self._past: deque[str] = deque()
        self._heard = asyncio.Event()
        self._asked = False
        self._ports = list(kernel.ports)
        session = kernel.session.clone()
        session.session = uuid.uuid4().hex  # two clients of the same would get each other's answers
        self._session = session
        client = client_of(kernel, session, context)
        identity = session.bsession
        self._iopub = Reader(client.connect_iopub(), unsigned(session, self._on_iopub))
        self._shell = Reader(client.connect_shell(identity=identity), unsigned(session, self._on_reply))
        self._control = Reader(client.connect_control(identity=identity), unsigned(session, self._on_reply))
        self._stdin = Reader(client.connect_stdin(identity=identity), unsigned(session, self._on_input))

    @property
    def stale(self) -> bool:
        """Whether the kernel listens elsewhere by now."""
        return self.closed or list(self.kernel.ports) != self._ports

    def close(self) -> None:
        """Let go; who waits for an answer must be told by others."""
        if self.closed:
            return
        self.closed = True
        for reader in (self._iopub, self._shell, self._control, self._stdin):
            reader.close()

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
            self._send(self._control, "kernel_info_request", {})
            if not self._asked:
                self._asked = True
                self._send(self._shell, "kernel_info_request", {})
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._heard.wait()
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def execute(
        self, code: str, cell_id: str, turn: Any, options: Mapping[str, Any] = MappingProxyType({})
    ) -> dict[str, Any]:
        """Run code, and return the content of the answer when all output is there.

        Args:
            code: in the kernel's language.
            cell_id: of its cell, which kernels may use to tell where an error is; empty for none.
            turn: the listener, with ``replied`` and ``idle``.
            options: what of the request's content is not as editors have it (Jupyter messaging, "Execute").
        """
        content = {
            "code": code,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": False,  # what others have asked for meanwhile is not ours to stop
            **options,
        }
        metadata = {"cellId": cell_id} if cell_id else None
        request = self._send(self._shell, "execute_request", content, turn, metadata)
        try:
            reply: dict[str, Any] = await turn.replied
            while not turn.idle.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(_PATIENCE):
                        await turn.idle.wait()
                if not turn.idle.is_set() and await self._is_past():
                    break
        finally:
            self._past.append(request)
            while len(self._past) > _REMEMBERED:
                self._listeners.pop(self._past.popleft(), None)
        return reply

    async def ask(self, kind: str, content: dict[str, Any], *, control: bool = False) -> dict[str, Any]:
        """Send a request that is no execution, and return the content of the answer.

        Args:
            kind: type of the message (Jupyter messaging).
            content: of the message.
            control: ask by the channel that a busy kernel reads as well.
        """
        answer = _Answer()
        request = self._send(self._control if control else self._shell, kind, content, answer)
        try:
            return await answer.replied
        finally:
            self._listeners.pop(request, None)

    def read_replies(self) -> None:
        """Take the answers that are there already."""
        self._shell.read()

    @property
    def name(self) -> str:
        """Of this connection, as the headers of its requests have it (``session``)."""
        return str(self._session.session)

    def answer_input(self, header: dict[str, Any], value: str) -> None:
        """Send the kernel a line that its code waits for.

        Args:
            header: of the request for it.
            value: the line, without its end.
        """
        message = self._session.msg("input_reply", {"value": value}, parent={"header": header})
        self._stdin.send(self._session.serialize(message))

    async def _is_past(self) -> bool:
        """Whether the kernel has said everything; under a flood of messages it may have dropped its last word."""
        probe = _Probe()
        request = self._send(self._shell, "kernel_info_request", {}, probe)
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await probe.idle.wait()
        self._listeners.pop(request, None)
        return probe.idle.is_set()

    def _send(
        self,
        channel: Reader,
        kind: str,
        content: dict[str, Any],
        listener: Listener | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> str:
        message = self._session.msg(kind, content, metadata=metadata)
        request = str(message["header"]["msg_id"])
        if listener is not None:
            self._listeners[request] = listener
        channel.send(self._session.serialize(message))
        return request

    def _on_reply(self, message: Message) -> None:
        listener = self._listeners.get(message.request)
        if listener is not None:
            listener.on_reply(unpacked(message.packed))

    def _on_input(self, message: Message) -> None:
        listener: Any = self._listeners.get(message.request)
        if message.kind == "input_request" and hasattr(listener, "on_input"):
            listener.on_input(message.header, unpacked(message.packed))

    def _on_iopub(self, message: Message) -> None:
        self._heard.set()
        listener = self._listeners.get(message.request)
        for observer in self.observers:
            observer.on_kernel_message(message, listener)
        if listener is not None:
            listener.on_iopub(message.kind, message.content)
        elif message.kind == "update_display_data":
            content = message.content
            self._display_changed(str(content.get("transient", {}).get("display_id")), content)
