"""What code in a kernel writes to ``sys.stdout`` and ``sys.stderr``, on its way to everybody."""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import suppress
from functools import partial
from itertools import groupby
from typing import Any

import zmq
from ipykernel.iostream import IOPubThread, OutStream
from zmq.eventloop.zmqstream import ZMQStream

_BURST_SECONDS = 0.005  # Python lets another thread go on after so long
_PATIENCE = 1.0  # seconds to wait for what is in the queue; whoever has interrupted the thread's work waits in vain
_IS_KNOWN = hasattr(OutStream, "_rotate_buffers")  # older ones of ipykernel keep otherwise what was written


class _Pieces:
    """What one stream has flushed, in the queue of what is sent; more comes to it as long as it is the last there.

    Args:
        stream: whose it is.
        texts: each with the header of the request because of which it was written.
    """

    def __init__(self, stream: BurstStream, texts: list[tuple[dict[str, Any], str]]) -> None:
        self.stream = stream
        self.texts = texts


class OutputThread(IOPubThread):
    """ipykernel's thread that sends what everybody shall hear, with two changes.

    What a stream flushes has its place in the queue from then on, so that nobody has to wait until it is sent. And what
    forked processes print comes over a unix socket beside those of the kernel; ipykernel's own way is a loopback port,
    to which every UNIX user can connect.

    Attributes:
        turn: of the thread that puts something into the queue; nothing else is done meanwhile.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.turn = threading.RLock()
        self._last: _Pieces | None = None
        super().__init__(*arguments, **options)  # type: ignore[no-untyped-call]

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs; in a process that was forked it does not, and nobody there may wait for a turn."""
        return self.thread.is_alive()

    @property
    def has_turn(self) -> bool:
        """Whether the turn is that of the thread that asks, which then must not wait for this one."""
        return bool(self.turn._is_owned())  # type: ignore[attr-defined]

    def put(self, stream: BurstStream, texts: list[tuple[dict[str, Any], str]]) -> None:
        """Send texts of a stream after what was sent before; to be called with the turn."""
        if self._last is not None and self._last.stream is stream:
            self._last.texts += texts
        else:
            self._last = _Pieces(stream, texts)
            self.schedule(partial(self._send, self._last))  # type: ignore[no-untyped-call]

    def send_multipart(self, *arguments: Any, **options: Any) -> None:
        """Send a message after what was sent before."""
        if not self.is_alive:
            super().send_multipart(*arguments, **options)  # type: ignore[no-untyped-call]
            return
        with self.turn:
            self._last = None
            super().send_multipart(*arguments, **options)  # type: ignore[no-untyped-call]

    def _send(self, pieces: _Pieces) -> None:
        with self.turn:
            if self._last is pieces:
                self._last = None
        try:
            pieces.stream.send(_Now(self), pieces.texts)
        except Exception as error:  # whatever else is sent shall be sent all the same
            print(f"Output could not be sent: {error!r}", file=sys.__stderr__)

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


class _Now:
    """Where a session sends what the thread shall send at once.

    Args:
        output: the thread, which runs this.
    """

    def __init__(self, output: OutputThread) -> None:
        self.send_multipart = output._really_send


class BurstStream(OutStream):
    """ipykernel's stream, which lets a program that flushes after each line go on.

    Each flush waits for another thread to send what was written, which takes some hundred microseconds. Here the first
    one does; those that follow at once only give it to that thread.
    """

    _flushed = 0.0  # when the last flush was over, by a clock that nobody sets

    @property
    def _is_ours(self) -> bool:
        return _IS_KNOWN and self.pub_thread is not None and self.pub_thread.is_alive

    def flush(self) -> None:
        """Have sent what was written so far."""
        output: OutputThread | None = self.pub_thread
        # a process that was forked has no such thread, and one that ends cannot leave anything to it
        if not self._is_ours or output is None or output.thread is threading.current_thread():
            super().flush()  # type: ignore[no-untyped-call]
            return
        self._flush()
        # a handler of a signal, or of an object that is forgotten, may flush while its thread has the turn
        if time.monotonic() - self._flushed >= _BURST_SECONDS and not output.has_turn:
            sent = threading.Event()
            output.schedule(sent.set)  # type: ignore[no-untyped-call]
            sent.wait(_PATIENCE)
        self._flushed = time.monotonic()

    def _flush(self) -> None:
        output: OutputThread | None = self.pub_thread
        if not self._is_ours or output is None:
            super()._flush()  # type: ignore[no-untyped-call]
            return
        self._flush_pending = self._subprocess_flush_pending = False
        if (echo := self.echo) is not None:
            with suppress(OSError):
                echo.flush()
        buffers: dict[Any, Any] = {}
        with output.turn:
            try:
                buffers = self._rotate_buffers()  # type: ignore[no-untyped-call]
            finally:  # whatever a signal raises, it is not lost
                texts = [(dict(parent), buffer.getvalue()) for parent, buffer in buffers.items()]
                if texts:
                    output.put(self, texts)

    def send(self, where: Any, texts: list[tuple[dict[str, Any], str]]) -> None:
        """Send texts, those of one request as one message (Jupyter messaging, "Streams").

        Args:
            where: to what the session sends.
            texts: each with the header of its request.
        """
        for parent, group in groupby(texts, lambda text: text[0]):
            if text := "".join(piece for _, piece in group):
                self.session.pid = os.getpid()  # ipykernel lets a process that was forked go on, too
                message: Any = self.session.msg("stream", {"name": self.name, "text": text}, parent=parent)
                for hook in self._hooks:
                    message = hook(message)
                    if message is None:
                        break
                else:
                    self._send(where, message)

    def _send(self, where: Any, message: Any) -> None:
        try:
            self.session.send(where, message, ident=self.topic)
        except UnicodeEncodeError:  # half a character, which is shown as Python writes it
            content = message["content"]
            content["text"] = content["text"].encode("utf-8", "backslashreplace").decode()
            self.session.send(where, message, ident=self.topic)
