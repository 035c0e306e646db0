"""What code in a kernel writes to ``sys.stdout`` and ``sys.stderr``, on its way to everybody."""

from __future__ import annotations

import os
import threading
import time
from functools import partial
from typing import Any

import zmq
from ipykernel.iostream import IOPubThread, OutStream
from zmq.eventloop.zmqstream import ZMQStream

_BURST_SECONDS = 0.005  # Python lets another thread go on after so long


class OutputThread(IOPubThread):
    """ipykernel's thread that sends what everybody shall hear, with two changes.

    A stream may ask for what it holds to be sent, and go on: that is sent before all that others send from then on. And
    what forked processes print comes over a unix socket beside those of the kernel; ipykernel's own way is a loopback
    port, to which every UNIX user can connect.

    Attributes:
        turn: of the thread that sends something, or takes it out of a stream.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.turn = threading.RLock()
        self._asking: list[BurstStream] = []
        super().__init__(*arguments, **options)  # type: ignore[no-untyped-call]

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs; in a process that was forked it does not, and others cannot hold the turn."""
        return self.thread.is_alive()

    def flush_soon(self, stream: BurstStream) -> None:
        """Send what a stream holds before long, and before whatever is sent later."""
        with self.turn:
            if stream not in self._asking:
                self._flush_asking()
                self._asking.append(stream)
                self.schedule(partial(self._flush, stream))  # type: ignore[no-untyped-call]

    def send_multipart(self, *arguments: Any, **options: Any) -> None:
        """Send a message after those that were sent before, by any thread."""
        if not self.is_alive:
            super().send_multipart(*arguments, **options)  # type: ignore[no-untyped-call]
            return
        with self.turn:
            self._flush_asking()
            super().send_multipart(*arguments, **options)  # type: ignore[no-untyped-call]

    def _flush_asking(self) -> None:
        while self._asking:
            self._asking.pop(0)._flush()

    def _flush(self, stream: BurstStream) -> None:
        with self.turn:
            if stream in self._asking:
                self._asking.remove(stream)
                stream._flush()

    def _setup_pipe_in(self) -> None:
        kernel = self.socket.getsockopt_string(zmq.LAST_ENDPOINT)
        if not kernel.startswith("ipc://"):
            super()._setup_pipe_in()  # type: ignore[no-untyped-call]
            return
        self._pipe_uuid = os.urandom(16)
        self._pipe_address = f"{kernel}-out"
        pipe = self.socket.context.socket(zmq.PULL)
        pipe.linger = 0
        pipe.bind(self._pipe_address)
        self._pipe_in = ZMQStream(pipe, self.io_loop)
        self._pipe_in.on_recv(self._handle_pipe_msg)

    def _setup_pipe_out(self) -> Any:
        if not hasattr(self, "_pipe_address"):
            return super()._setup_pipe_out()  # type: ignore[no-untyped-call]
        context: zmq.Context[Any] = zmq.Context()  # that of the parent does not survive a fork
        pipe = context.socket(zmq.PUSH)
        pipe.linger = 3000  # milliseconds that the end of a process waits for its output to be taken
        pipe.connect(self._pipe_address)
        return context, pipe


class BurstStream(OutStream):
    """ipykernel's stream, which lets a program that flushes after each line go on.

    Each flush waits for another thread to send what was written, which takes some hundred microseconds. Here the first
    one does; those that follow at once only ask for it.
    """

    _flushed = 0.0  # when the last flush was over, by a clock that nobody sets

    def flush(self) -> None:
        """Have sent what was written so far."""
        output: OutputThread | None = self.pub_thread
        is_burst = time.monotonic() - self._flushed < _BURST_SECONDS
        # a process that was forked has no such thread, and one that ends cannot leave anything to it
        if is_burst and output is not None and output.is_alive and output.thread is not threading.current_thread():
            output.flush_soon(self)
        else:
            super().flush()  # type: ignore[no-untyped-call]
        self._flushed = time.monotonic()

    def _flush(self) -> None:
        output: OutputThread | None = self.pub_thread
        if output is None or not output.is_alive:
            super()._flush()  # type: ignore[no-untyped-call]
            return
        with output.turn:
            super()._flush()  # type: ignore[no-untyped-call]
