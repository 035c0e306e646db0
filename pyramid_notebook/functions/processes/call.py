"""What a process does that was forked for a call, or for a snapshot."""

from __future__ import annotations

import gc
import json
import os
import select
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from setproctitle import setproctitle

from ..cells import run
from ..cells.shell import FunctionShell
from ..program import Cell, Role
from ..protocol import HEAD, Event, Kind, Order, Result
from ..values import pack
from . import sandbox
from .capture import DONE, Capture, Line, Stream
from .failures import told
from .forks import Birth, Forks, Task, received
from .hazards import hazard, open_descriptors
from .sources import loaded_sources

#: A failure of which only the engine makes an error of its own.
REFUSED = "refused"
#: What ``ps`` shows of a process that waits for a call.
SPARE_TITLE = "notebook function (spare)"
_WARM_UP = Order(
    cells=(
        Cell(0, "a: int = 1\nb = [a, 'x']", Role.PARAMETERS),
        Cell(1, "import math\ndef f(x):\n    return {'x': x}\nfor i in range(3):\n    c = f(i)", Role.CODE),
    ),
    values={"a": 2},
    names=(("a",),),
    folder="/",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What a process has that forks others.

    Attributes:
        shell: in which cells run.
        streams: its ``sys.stdout`` and ``sys.stderr``.
        address_space: bytes of it that the loaded libraries take.
        files: descriptors of the snapshot that its calls inherit.
    """

    shell: FunctionShell
    streams: Mapping[str, Stream]
    address_space: int
    files: tuple[int, ...] = ()

    def child(self, birth: Birth) -> None:
        """Wait for a task, do it, and end this process."""
        sandbox.separate(birth.parent)
        sandbox.redirect(birth.files.values())
        sandbox.close_descriptors([birth.door.fileno(), *birth.files.values(), *self.files])
        sandbox.own_files(self.files)
        if not _is_waiting(birth.door):
            setproctitle(SPARE_TITLE)
            if birth.has_time:
                with suppress(Exception):  # without it the call is slower
                    self._warm_up()
        task = received(birth.door)
        birth.door.close()
        if task is None:
            os._exit(DONE)
        line = Line(task.line, task.bell)
        try:
            order = Order.from_bytes(_read_order(task.line))
            line.outputs_left = order.most_bytes
            capture = Capture(line, self.streams, birth.files, outputs=order.outputs)
            self._enter(order)
            if task.control is None:
                self._call(order, task, line, capture)
            else:
                self._snapshot(order, task, line, capture, own={0, 1, 2, *birth.files.values()})
        except BaseException as error:
            sandbox.relieve()
            line.send(Kind.FAILURE, json.dumps(told(error)).encode())
        os._exit(DONE if line.is_ours else 0)

    def _warm_up(self) -> None:
        """Write to what every call writes to: the first one to do so copies it, which is most of what a call costs."""
        shell = self.shell
        with shell.aside():
            value = Order.from_bytes(_WARM_UP.to_bytes())
            run(value, shell, _format)
        pack({"a": [1, "b"]}, ("json",), nan="error", most_bytes=1000)

    def _enter(self, order: Order) -> None:
        setproctitle(f"notebook function {order.title}")
        gc.enable()
        os.chdir(order.folder)
        sandbox.limit(order.memory, self.address_space)
        sandbox.reseed()
        self.shell.relieve = sandbox.relieve

    def _call(self, order: Order, task: Task, line: Line, capture: Capture) -> None:

        def emit(event: Event) -> None:
            if order.outputs:  # what was printed before it comes before it
                capture.settle()
            line.emit(event)

        value = run(order, self.shell, emit, start=int(task.message.get("skip", 0)), settle=capture.settle)
        # with outputs, the executed notebook is the result
        options: Any = {"nan": order.nan, "most_bytes": order.most_bytes}
        result = Result() if order.outputs else pack(value, order.formats, **options)
        capture.settle()
        sandbox.flush_files()
        line.send(Kind.RESULT, result.to_bytes())

    def _snapshot(self, order: Order, task: Task, line: Line, capture: Capture, *, own: set[int]) -> None:
        assert task.control is not None  # noqa: S101 - for the type checker
        own |= {task.line.fileno(), task.bell, task.control.fileno()}
        run(order, self.shell, line.emit, end=int(task.message["skip"]), settle=capture.settle)
        reason = hazard(own=_with_loop(own), strict=True)
        if reason:
            refusal = {"reason": REFUSED, "text": f"The cells before the tag snapshot ran anew: they {reason}."}
            line.send(Kind.FAILURE, json.dumps(refusal).encode())
            return
        sandbox.forget_loops()
        sandbox.flush_files()
        files = tuple(descriptor for descriptor, _target in open_descriptors() if descriptor not in own)
        base = Base(shell=self.shell, streams=self.streams, address_space=self.address_space, files=files)
        gc.collect()
        gc.freeze()  # a collection would write to, and so copy, what the forks share
        gc.disable()
        line.send(Kind.RESULT, Result(body=json.dumps(loaded_sources()).encode()).to_bytes())
        Forks(task.control, base.child).serve()


def _is_waiting(door: socket.socket) -> bool:
    poll = select.poll()  # select(2) knows no descriptor above 1023
    poll.register(door, select.POLLIN)
    return bool(poll.poll(0))


def _format(event: Event) -> None:
    json.dumps(event)


def _with_loop(own: set[int]) -> set[int]:
    """Add the descriptors of IPython's own event loop, which will be closed."""
    loop = getattr(sys.modules.get("IPython.core.async_helpers"), "_asyncio_event_loop", None)
    if loop is None or loop.is_closed():
        return own
    sockets = (getattr(loop, "_ssock", None), getattr(loop, "_csock", None))
    selector = getattr(loop, "_selector", None)
    return own | {found.fileno() for found in (*sockets, selector) if found is not None}


def _read_order(line: socket.socket) -> bytes:
    head = _read(line, HEAD.size)
    return _read(line, HEAD.unpack(head)[0])


def _read(line: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        block = line.recv(min(size - len(data), 1 << 20))
        if not block:
            os._exit(DONE)  # whoever asked has gone
        data += block
    return bytes(data)
