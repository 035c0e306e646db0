"""Moves bytes between the two sockets of each websocket: one thread with one event loop per process."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import cast
from weakref import WeakSet

from .connection import acknowledge_at_once

#: Bytes that may wait for a slow reader before the other side is no longer read.
HIGH_WATER = 256 * 1024
#: Seconds that one side may take to read the last bytes and to close, after the other one has said all.
LINGER = 30.0


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
        client: socket.socket,
        upstream: socket.socket,
        *,
        first: bytes,
        early: bytes = b"",
        owner: str,
        finished: Callable[[], None] | None = None,
    ) -> Callable[[], None]:
        """Own two connected sockets from now on, and pass on what comes out of each until both are closed.

        Args:
            client: connection to the browser.
            upstream: connection to the user server.
            first: bytes that the client gets before anything else.
            early: bytes that the user server gets before anything else.
            owner: whose pair it is, for :meth:`close` and :meth:`count`.
            finished: called when both are closed.

        Returns:
            What ends the pair at once; it may be called from any thread, also when both are closed already.
        """
        for connection in (client, upstream):
            connection.setblocking(False)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if client.family != socket.AF_UNIX:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def forget(ended: _Pair) -> None:
            self._finished(ended)
            if finished:
                finished()

        pair = _Pair(owner, _Side(client, first), _Side(upstream, early), forget)
        with self._lock:
            loop = self._running_loop()
            self._pairs.add(pair)
        asyncio.run_coroutine_threadsafe(pair.attach(), loop)

        def end() -> None:
            loop.call_soon_threadsafe(pair.abort)

        return end

    def close(self, owner: str) -> int:
        """End all sockets of an owner and return how many pairs that were."""
        with self._lock:
            loop, pairs = self._loop, [pair for pair in self._pairs if pair.owner == owner]
        if loop is not None and pairs:
            asyncio.run_coroutine_threadsafe(_abort(pairs), loop).result()
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
                    os.close(side.connection.detach())
        self._start_anew()


class _Pair:
    """Two sockets that are spliced."""

    def __init__(
        self, owner: str, client: _Side, upstream: _Side, finished: Callable[[_Pair], None]
    ) -> None:
        self.owner = owner
        self.sides = (client, upstream)
        self.done = asyncio.Event()
        self.aborted = False
        self._finished = finished
        self._linger: asyncio.TimerHandle | None = None
        client.peer, upstream.peer = upstream, client
        client.pair = upstream.pair = self

    async def attach(self) -> None:
        """Give both sockets to the loop, or close them where the pair was aborted before that."""
        loop = asyncio.get_running_loop()
        for side in self.sides:
            if not self.aborted:
                try:
                    await loop.connect_accepted_socket(side.itself, side.connection)
                    continue
                except (OSError, ValueError):
                    self.abort()
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


class _Side(asyncio.Protocol):
    """One of two sockets; what comes out of it goes into its peer."""

    peer: _Side
    pair: _Pair

    def __init__(self, connection: socket.socket, waiting: bytes) -> None:
        self.connection = connection
        self.transport: asyncio.Transport | None = None
        self.lost = False
        self._waiting = bytearray(waiting)
        self._ended = False

    def itself(self) -> _Side:
        return self

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
        acknowledge_at_once(self.connection)
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
            self.pair.side_lost(self)


async def _abort(pairs: list[_Pair]) -> None:
    for pair in pairs:
        pair.abort()
    await asyncio.gather(*(pair.done.wait() for pair in pairs))


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
