"""One websocket: requests come, answers and the events of sessions go."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

from tornado.websocket import WebSocketClosedError

from ..errors import CallTooLarge, TooMany
from .frontends import Frontend
from .jsonrpc import MOST_BYTES, Fault, Incoming, notification, parse
from .service import Rpc
from .sessions import Session

_MOST_REQUESTS = 200  # that one client has under way
_BUNDLE = 500_000  # bytes of events in one frame, about


class Following:
    """What goes over one websocket.

    Args:
        rpc: answers requests.
        write: sends a frame; what it returns is done when the frame is on its way.
    """

    waits = False

    def __init__(self, rpc: Rpc, write: Callable[[str], Awaitable[None]]) -> None:
        self.frontend = Frontend(rpc.frontends.user, "program")
        self._rpc = rpc
        self._write = write
        self._read: dict[Session, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._soon: asyncio.Handle | None = None
        self._is_sending = self._is_closed = False

    def take(self, text: str | bytes) -> None:
        """Take a frame."""
        size = len(text) if isinstance(text, bytes) or text.isascii() else len(text.encode("utf-8", "surrogatepass"))
        if size > MOST_BYTES:
            error = CallTooLarge(f"A message has {MOST_BYTES} bytes at most; this one has {size}.")
            incoming = Incoming((Fault(error),))
        elif len(self._tasks) >= _MOST_REQUESTS:
            incoming = Incoming((Fault(TooMany(f"{_MOST_REQUESTS} requests are under way already.")),))
        else:
            incoming = parse(text)
        task = self._loop.create_task(self._answer(incoming))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def follow(self, session: Session, after: int) -> None:
        """Begin to tell the events of a session after a number."""
        self._read[session] = after
        session.followers.add(self._wake)
        self._wake()

    def leave(self, session: Session) -> None:
        """Tell them no longer."""
        self._read.pop(session, None)
        session.followers.discard(self._wake)

    def close(self) -> None:
        """End: the client is gone. What it has asked for goes on, but nobody waits for it."""
        self._is_closed = True
        for session in list(self._read):
            self.leave(session)
        for task in self._tasks:
            task.cancel()

    async def _answer(self, incoming: Incoming) -> None:
        answer = await self._rpc.answer(incoming, self)
        if answer is not None:
            await self._send(json.dumps(answer))

    async def _send(self, frame: str) -> None:
        if self._is_closed:
            return
        try:
            await self._write(frame)
        except WebSocketClosedError:
            self.close()

    def _wake(self) -> None:
        if self._soon is None and not self._is_sending:
            self._soon = self._loop.call_soon(self._begin)

    def _begin(self) -> None:
        self._soon = None
        self._is_sending = True
        task = self._loop.create_task(self._tell())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self) -> None:
        try:
            while frames := [frame for session in list(self._read) for frame in self._frames(session)]:
                await self._send(frames[0] if len(frames) == 1 else f"[{','.join(frames)}]")
        finally:
            self._is_sending = False

    def _frames(self, session: Session) -> list[str]:
        read = session.log.since(self._read[session], most_bytes=_BUNDLE)
        self._read[session] = read.seq
        frames = [entry.frame for entry in read.entries]
        if read.lost:
            lost = {"session": session.id, "from": read.lost[0], "to": read.lost[1]}
            frames.insert(0, json.dumps(notification("lost", lost)))
        return frames
