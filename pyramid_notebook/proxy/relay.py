"""Moves bytes between the two sockets of each websocket: one thread with one event loop per process."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol, cast
from weakref import WeakSet

from .connection import acknowledge_at_once

#: Bytes that may wait for a slow reader before the other side is no longer read.
HIGH_WATER = 256 * 1024
#: Seconds that one side may take to read the last bytes and to close, after the other one has said all.
LINGER = 30.0
#: Seconds of silence, between two questions, and their number; and milliseconds until data must have arrived.
_KEEP_ALIVE = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 60_000}


class Connected(Protocol):
    """A client's connection that an event loop of the web server has."""

    loop: asyncio.AbstractEventLoop

    def attach(self, protocol: asyncio.Protocol) -> asyncio.Transport:
        """Let a protocol have what comes from the client from now on, and return the transport; in the loop."""

    def ended(self) -> None:
        """The connection is closed; called in the loop."""


class Relay:
    """Splices the sockets of clients with those of user servers, in a thread that starts with the first pair.

    All methods may be called from any thread. A forked process starts anew, without pairs.
    """

    def __init__(self) -> None:
        self._start_anew()
        _relays.add(self)

    def _start_anew(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pairs: set[_Pair] = set()

    def splice(
        self,
        client: socket.socket | Connected,
        upstream: socket.socket,
        *,
        first: bytes,
        early: bytes = b"",
        owner: str,
        finished: Callable[[], None] | None = None,
    ) -> Callable[[], None]:
        """Own two connected sockets from now on, and pass on what comes out of each until both are closed.

        Args:
            client: connection to the browser; where the web server's own loop has it, that loop has the pair.
            upstream: connection to the user server.
            first: bytes that the client gets before anything else.
            early: bytes that the user server gets before anything else.
            owner: whose pair it is, for :meth:`close` and :meth:`count`.
            finished: called when both are closed.

        Returns:
            What ends the pair at once; it may be called from any thread, also when both are closed already.
        """
        for connection in (client, upstream):
            if isinstance(connection, socket.socket):
                connection.setblocking(False)
                _keep_alive(connection)

        def forget(ended: _Pair) -> None:
            self._finished(ended)
            if finished:
                finished()

        with self._lock:
            loop = self._running_loop() if isinstance(client, socket.socket) else client.loop
            pair = _Pair(owner, _Side(client, first), _Side(upstream, early), forget, loop)
            self._pairs.add(pair)
        asyncio.run_coroutine_threadsafe(pair.attach(), loop)

        def end() -> None:
            loop.call_soon_threadsafe(pair.abort)

        return end

    def close(self, owner: str) -> int:
        """End all sockets of an owner and return how many pairs that were."""
        with self._lock:
            pairs = [pair for pair in self._pairs if pair.owner == owner]
        ending = [asyncio.run_coroutine_threadsafe(pair.abort_and_wait(), pair.loop) for pair in pairs]
        for pair in ending:
            pair.result()
        return len(pairs)

    def count(self, owner: str | None = None) -> int:
        """Return how many pairs are open, of one owner or of all."""
        with self._lock:
            return sum(owner in {None, pair.owner} for pair in self._pairs)

    def _finished(self, pair: _Pair) -> None:
        with self._lock:
            self._pairs.discard(pair)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = _new_loop()
            threading.Thread(target=self._loop.run_forever, name="notebook-relay", daemon=True).start()
        return self._loop

    def _forget_parent(self) -> None:
        """Start anew in a forked process; the copies of the parent's sockets must not keep its connections open."""
        _left_behind.append((self._loop, self._pairs))
        for pair in self._pairs:
            for side in pair.sides:
                with suppress(OSError):
                    if isinstance(side.connection, socket.socket):
                        os.close(side.connection.detach())
        self._start_anew()


class _Pair:
    """Two sockets that are spliced."""

    def __init__(
        self,
        owner: str,
        client: _Side,
        upstream: _Side,
        finished: Callable[[_Pair], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.owner = owner
        self.loop = loop
        self.sides = (client, upstream)
        self.done = asyncio.Event()
        self.aborted = False
        self._finished = finished
        self._linger: asyncio.TimerHandle | None = None
        client.peer, upstream.peer = upstream, client
        client.pair = upstream.pair = self

    async def attach(self) -> None:
        """Give both connections to the loop, or close them where the pair was aborted before that."""
        for side in self.sides:
            if not self.aborted or not isinstance(side.connection, socket.socket):
                try:
                    await side.attach(self.loop)
                    continue
                except (OSError, ValueError):
                    self.abort()
            if isinstance(side.connection, socket.socket):
                side.connection.close()
            side.connection_lost(None)

    def side_lost(self, side: _Side) -> None:
        """One side is closed: let the other have what is still on its way."""
        if side.peer.lost:
            if self._linger is not None:
                self._linger.cancel()
            self.done.set()
            self._finished(self)
        elif side.peer.transport is not None:
            side.peer.transport.close()
            self.linger()

    def linger(self) -> None:
        """Give both sides some time to end, but not for ever."""
        if self._linger is None:
            self._linger = asyncio.get_running_loop().call_later(LINGER, self.abort)

    def abort(self) -> None:
        self.aborted = True
        for side in self.sides:
            if side.transport is not None:
                side.transport.abort()

    async def abort_and_wait(self) -> None:
        self.abort()
        await self.done.wait()


class _Side(asyncio.Protocol):
    """One of two connections; what comes out of it goes into its peer."""

    peer: _Side
    pair: _Pair

    def __init__(self, connection: socket.socket | Connected, waiting: bytes) -> None:
        self.connection = connection
        self._socket = connection if isinstance(connection, socket.socket) else None
        self.transport: asyncio.Transport | None = None
        self.lost = False
        self._waiting = bytearray(waiting)
        self._ended = False

    async def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let the loop have the connection."""
        if isinstance(self.connection, socket.socket):
            await loop.connect_accepted_socket(lambda: self, self.connection)
        else:
            transport = self.connection.attach(self)
            _keep_alive(transport.get_extra_info("socket"))
            self.connection_made(transport)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        if self.pair.aborted or self.peer.lost:
            self.transport.abort()
            return
        self.transport.set_write_buffer_limits(high=HIGH_WATER)
        if self._waiting:
            self.transport.write(bytes(self._waiting))
            self._waiting.clear()
        if self._ended:
            self.end()

    def data_received(self, data: bytes) -> None:
        if self._socket is not None:
            acknowledge_at_once(self._socket)
        self.peer.send(data)

    def send(self, data: bytes) -> None:
        if self.transport is None:
            self._waiting += data
        else:
            self.transport.write(data)

    def end(self) -> None:
        """Pass on that the peer has nothing more to say; this side may still speak."""
        self._ended = True
        if self.transport is not None and not self.transport.is_closing():
            with suppress(OSError, RuntimeError):
                self.transport.write_eof()

    def eof_received(self) -> bool:
        self.peer.end()
        self.pair.linger()
        return not self._ended

    def pause_writing(self) -> None:
        if self.peer.transport is not None:
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.peer.transport is not None and not self.peer.transport.is_closing():
            self.peer.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.lost:
            self.lost = True
            if not isinstance(self.connection, socket.socket):
                self.connection.ended()
            self.pair.side_lost(self)


def _keep_alive(connection: Any) -> None:
    """Have the system look within a minute whether the other end is there (tcp(7)); its usual time is two hours."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if connection.family == socket.AF_UNIX:
        return
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for name, value in _KEEP_ALIVE.items():
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return cast("asyncio.AbstractEventLoop", uvloop.new_event_loop())


_relays: WeakSet[Relay] = WeakSet()
#: Loops of a parent process: their destructors must not run in the child.
_left_behind: list[object] = []


def _after_fork() -> None:
    for relay in _relays:
        relay._forget_parent()


os.register_at_fork(after_in_child=_after_fork)
