"""One execution: what a frontend has asked the kernel to run, and what comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .frontends import Frontend
from .writing import CellWriting


@dataclass(slots=True)
class Running:
    """An execution, by whomever.

    Attributes:
        id: of it.
        who: runs it, as events tell.
        begun, failed, over: what has been told of it.
        status: ``running``, and then that of its end.
        count: execution count, once it is known.
    """

    id: str
    who: Mapping[str, Any]
    begun: bool = False
    failed: bool = False
    over: bool = False
    status: str = "running"
    count: int | None = None


@dataclass(slots=True)
class OwnRunning(Running):
    """One that was asked for here; the listener of its request.

    Attributes:
        code: what runs.
        frontend: that asked; None once nobody may answer an input any more.
        seq: number of the newest event before it.
        cell: that its outputs go into.
        result: what the request for it returns at the end.
        input_header: of the kernel's request for a line, while that waits.
    """

    code: str = ""
    frontend: Frontend | None = None
    seq: int = 0
    cell: CellWriting | None = None
    result: dict[str, Any] = field(default_factory=dict)
    reply: dict[str, Any] | None = None
    input_header: dict[str, Any] | None = None
    changed: Callable[[OwnRunning], None] = lambda running: None
    asked: Callable[[OwnRunning, dict[str, Any]], None] = lambda running, content: None
    replied: asyncio.Future[dict[str, Any]] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def on_reply(self, content: dict[str, Any]) -> None:
        """Take the answer to the request (Jupyter messaging, "Execution results")."""
        self.reply = content
        if not self.replied.done():
            self.replied.set_result(content)
        self.changed(self)

    def on_iopub(self, kind: str, content: dict[str, Any]) -> None:
        """Take what the kernel tells everybody; the session has told the frontends already."""
        if kind == "status":
            if content.get("execution_state") == "idle":
                self.idle.set()
                self.changed(self)
        elif self.cell is not None:
            self.cell.take(kind, content)

    def on_input(self, header: dict[str, Any], content: dict[str, Any]) -> None:
        """Take what the kernel asks for."""
        self.input_header = header
        self.asked(self, content)


class Hidden:
    """The listener of code that nobody shall hear of."""

    def __init__(self) -> None:
        self.replied: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.idle = asyncio.Event()

    def on_reply(self, content: dict[str, Any]) -> None:
        """Take the answer to the request."""
        if not self.replied.done():
            self.replied.set_result(content)

    def on_iopub(self, kind: str, content: dict[str, Any]) -> None:
        """Note the end."""
        if kind == "status" and content.get("execution_state") == "idle":
            self.idle.set()
