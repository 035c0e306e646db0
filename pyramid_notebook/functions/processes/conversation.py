"""The engine's end of the stream socket of one call."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from ...errors import CallDied, CallError, CallTimeout, ResultTooLarge
from ..protocol import HEAD, Event, Kind, Result
from .failures import failure

_BLOCK = 256 * 1024
_QUIET_SECONDS = 0.05
#: Bytes of a frame beyond those that the body of a result may have.
_MOST_BEYOND = 4 << 20


class Refused(Exception):
    """The cells before the tag ``snapshot`` cannot be forked; the text says why."""


class Conversation:
    """Sends an order, and takes events until something is final.

    Args:
        order: a frame.
        most_bytes: bytes that the body of a result may have.
        on_event: is told what happens.

    Attributes:
        others: the descriptors of the other end: its socket and its bell, see :mod:`..protocol`.
        outcome: a result, or an exception; None when the other end was closed before there was one.
        has_begun: whether anything came.
    """

    def __init__(self, order: bytes, *, most_bytes: int, on_event: Callable[[Event], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self.outcome: asyncio.Future[Result | None] = self._loop.create_future()
        self.has_begun = False
        self._line, other = socket.socketpair()
        self._line.setblocking(False)
        self._bell, other_bell = os.pipe2(os.O_CLOEXEC)
        self.others = [other.detach(), other_bell]
        # a selector that does not know a socket makes a text of it, which takes two system calls
        self._descriptor = self._line.fileno()
        self._waiting: asyncio.TimerHandle | None = None
        self._rest = memoryview(order)
        self._most_bytes = most_bytes + _MOST_BEYOND
        self._on_event = on_event
        self._buffer = bytearray()
        self._send()

    def listen(self) -> None:
        """Begin to take what comes, and to send what the socket had no room for; another process has the other end."""
        self._close_others()
        self._loop.add_reader(self._bell, self._hear)
        self._waiting = self._loop.call_later(_QUIET_SECONDS, self._hear)
        if self._rest:
            self._loop.add_writer(self._descriptor, self._send)

    def close(self) -> None:
        """Hear nothing more; whoever is at the other end is killed."""
        if self._line.fileno() < 0:
            return
        self._stop_waiting()
        self._loop.remove_reader(self._descriptor)
        self._loop.remove_writer(self._descriptor)
        self._line.close()
        os.close(self._bell)
        self._close_others()
        if self.outcome.done() and not self.outcome.cancelled():
            self.outcome.exception()  # it may be that nobody asks any more
        else:
            self.outcome.cancel()

    def tell(self, event: Event) -> None:
        """Tell what the process could not tell itself any more."""
        self._on_event(event)

    def fail(self, error: BaseException) -> None:
        """End with an error, unless there is an outcome already."""
        if not self.outcome.done():
            self.outcome.set_exception(error)

    def _hear(self) -> None:
        """Take what has come, and from now on whatever comes."""
        self._stop_waiting()
        self._receive()
        if not self.outcome.done():
            self._loop.add_reader(self._descriptor, self._receive)

    def _close_others(self) -> None:
        for descriptor in self.others:
            os.close(descriptor)
        self.others.clear()

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
            self._loop.remove_reader(self._bell)

    def _send(self) -> None:
        while self._rest:
            try:
                self._rest = self._rest[self._line.send(self._rest) :]
            except BlockingIOError:
                return
            except OSError:  # the process has gone; how it ended is what counts
                self._rest = memoryview(b"")
        self._loop.remove_writer(self._descriptor)

    def _receive(self) -> None:
        try:
            block = self._line.recv(_BLOCK)
        except BlockingIOError:
            return
        except OSError:
            block = b""
        if not block:
            self._loop.remove_reader(self._descriptor)
            if not self.outcome.done():
                self.outcome.set_result(None)
            return
        self.has_begun = True
        self._buffer += block
        try:
            while not self.outcome.done() and self._take():
                pass
        except Exception as error:  # also of the callback
            self.fail(error)
        if self.outcome.done():
            self._loop.remove_reader(self._descriptor)

    def _take(self) -> bool:
        if len(self._buffer) < HEAD.size:
            return False
        size, kind = HEAD.unpack_from(self._buffer)
        if size > self._most_bytes:
            raise ResultTooLarge(f"The notebook sent {size} bytes at once; {self._most_bytes} are the most.")
        if len(self._buffer) < HEAD.size + size:
            return False
        payload = bytes(memoryview(self._buffer)[HEAD.size : HEAD.size + size])
        del self._buffer[: HEAD.size + size]
        if kind == Kind.EVENT.encode():
            self._on_event(json.loads(payload))
        elif kind == Kind.RESULT.encode():
            self.outcome.set_result(Result.from_bytes(payload))
        elif kind == Kind.FAILURE.encode():
            self.outcome.set_exception(_failure(json.loads(payload)))
        else:
            raise CallDied("The process of this call sent something that is no answer.")
        return True


def _failure(told: Mapping[str, Any]) -> Exception:
    return Refused(told.get("text", "")) if told.get("reason") == "refused" else failure(told)


def died(told: Mapping[str, Any] | None, seconds: float) -> CallError:
    """Return the error of a process that ended without an answer.

    Args:
        told: what the process said that had forked it, see :mod:`.forks`; None where it said nothing.
        seconds: that the call might take.
    """
    if told is None:
        return CallDied("The process of this call ended before it had returned anything.")
    if told.get("late"):
        return CallTimeout(f"The call took longer than {seconds:g} seconds, and was ended.")
    if "error" in told:
        return CallDied(f"No process could be made for this call: {told['error']}.")
    number, code = int(told.get("signal", 0)), int(told.get("code", 0))
    if number == 9:
        return CallDied("The process of this call was killed (signal 9); the machine may have run out of memory.")
    if number:
        return CallDied(f"The process of this call crashed: {_signal_name(number)}.")
    return CallDied(f"The process of this call ended by itself with code {code}, before it had returned anything.")


def _signal_name(number: int) -> str:
    import signal

    with suppress(ValueError):
        return f"{signal.Signals(number).name} (signal {number}, {signal.strsignal(number)})"
    return f"signal {number}"
