"""Reads what a kernel sends, as fast as it comes (Jupyter messaging, "The wire protocol")."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from functools import cached_property
from hmac import compare_digest
from typing import Any

import zmq

from .messages import unpacked
from .surviving import surviving

_AT_ONCE = 0.005  # seconds of messages before others get a turn
_DELIMITER = b"<IDS|MSG>"


class Message:
    """One message of a kernel; its parts are read when somebody asks for them.

    Attributes:
        header: of the message.
        parent: header of the request because of which it was sent; empty for none.
        packed: the content, JSON.
    """

    def __init__(self, header: dict[str, Any], parent: dict[str, Any], packed: bytes) -> None:
        self.header = header
        self.parent = parent
        self.packed = packed

    @property
    def kind(self) -> str:
        """Type of the message."""
        return str(self.header["msg_type"])

    @property
    def request(self) -> str:
        """Id of the request because of which it was sent; empty for none."""
        return str(self.parent.get("msg_id", ""))

    @cached_property
    def content(self) -> Any:
        """The content, but for what a shared document cannot hold."""
        return unpacked(self.packed)


def parts_of(frames: list[bytes]) -> list[bytes]:
    """Return signature, header, parent header, metadata and content of a message.

    Args:
        frames: of the whole message; it may begin with a topic, and end with buffers.

    Raises:
        ValueError: it is none.
    """
    start = frames.index(_DELIMITER) + 1
    return frames[start : start + 5]


def unsigned(session: Any, take: Callable[[Message], None]) -> Callable[[list[bytes]], None]:
    """Return what makes messages of frames, and drops those that do not have the kernel's signature.

    Args:
        session: of jupyter_client, which knows the kernel's key.
        take: called with each message.
    """
    last: tuple[bytes, dict[str, Any]] = (b"{}", {})  # many messages of one request follow each other

    def taken(frames: list[bytes]) -> None:
        nonlocal last
        signature, header, parent, _, content = parts = parts_of(frames)
        if session.auth is not None and not compare_digest(signature, session.sign(parts[1:])):
            raise ValueError("A message does not have the kernel's signature.")
        if parent != last[0]:
            last = (parent, json.loads(parent))
        take(Message(json.loads(header), last[1], content))

    return taken


class Reader:
    """One socket of a connection to a kernel: reads it in the event loop, and writes to it.

    Args:
        socket: connected.
        take: called with the frames of each message, in order.
    """

    def __init__(self, socket: zmq.Socket[bytes], take: Callable[[list[bytes]], None]) -> None:
        self.socket = socket
        self._take = take
        self._loop = asyncio.get_running_loop()
        self._again: asyncio.Handle | None = None
        self._descriptor = int(socket.getsockopt(zmq.FD))
        self._loop.add_reader(self._descriptor, self.read)
        self._soon()

    def send(self, frames: list[bytes]) -> None:
        """Send a message; it never waits."""
        self.socket.send_multipart(frames, zmq.NOBLOCK)
        self._soon()  # sending may have taken the news that something came, and there is no other (zmq_getsockopt, FD)

    def close(self) -> None:
        """Close the socket."""
        if self.socket.closed:
            return
        self._loop.remove_reader(self._descriptor)
        if self._again is not None:
            self._again.cancel()
        self.socket.close(linger=0)

    def read(self) -> None:
        """Take what is there, as long as others can wait."""
        until = self._loop.time() + _AT_ONCE
        while not self.socket.closed:
            try:
                frames = self.socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            with surviving("A message of a kernel"):
                self._take(frames)
            if self._loop.time() > until:
                self._soon()
                return

    def _soon(self) -> None:
        if self._again is None:
            self._again = self._loop.call_soon(self._read_on)

    def _read_on(self) -> None:
        self._again = None
        self.read()
