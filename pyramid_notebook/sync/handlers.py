"""Addresses of editor sync in the user server: ``sync`` and what lies below it; see ``docs/reference/sync.md``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.serverapp import ServerApp
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError, authenticated, stream_request_body

from ..errors import BadRequest, NoMatch, NotebookError, SyncError
from ..server.bodies import BoundedBody
from ..server.execution import Execution
from ..server.focus import prepare_focus
from ..server.live import LiveNotebooks
from ..server.saving import Saving
from .ancestors import Ancestors
from .exchange import Exchange
from .pairing import Pairing
from .requests import SyncRequest
from .running import Running, Started

#: Bytes that a request's body may have.
MOST_BYTES = 8_000_000
_KEEP_ALIVE_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class EditorSync:
    """What the handlers ask."""

    exchange: Exchange
    pairing: Pairing
    running: Running
    execution: Execution

    @classmethod
    def of(cls, app: ServerApp, saving: Saving, folder: Path) -> EditorSync:
        """Return what answers editors in one server.

        Args:
            app: the server, about to run.
            saving: what saves its open documents.
            folder: where versions of notebooks are kept.
        """
        prepare_focus(app)
        execution = Execution(app)
        exchange = Exchange(app, LiveNotebooks(app, execution.note_run), saving, Ancestors(folder))
        return cls(exchange, Pairing(app, exchange), Running(exchange, execution), execution)

    async def close(self) -> None:
        """End all runs."""
        await self.execution.close()


class SyncHandler(APIHandler):
    """A request of an editor; every answer is JSON, an error's has ``reason`` and ``message``."""

    def initialize(self, sync: EditorSync) -> None:
        """Take what the request is answered with."""
        self.sync = sync

    async def answer(self, work: Callable[[], Awaitable[dict[str, Any] | None]]) -> None:
        """Send what some work returns, or how it failed; what returns None has answered by itself."""
        try:
            values = await work()
        except NotebookError as error:
            values = {"reason": error.reason, "message": str(error)}
            if isinstance(error, NoMatch):
                values["candidates"] = list(error.candidates)
            if isinstance(error, SyncError) and error.pushed is not None:
                values["sync"] = error.pushed
            self._fail(error.status, values)
        except HTTPError as error:
            message = str(error.log_message or error.reason).replace(f"{self.sync.exchange.finder.folder}/", "")
            self._fail(error.status_code, {"reason": "jupyter", "message": message})
        except Exception:
            self.log.exception("A request of an editor failed")
            self._fail(500, {"reason": "error", "message": "The notebook server failed; its log says how."})
        else:
            if values is not None:
                self._send(values)

    def _fail(self, status: int, values: dict[str, Any]) -> None:
        self.set_status(status)
        self._send(values)

    def _send(self, values: dict[str, Any]) -> None:
        self.set_header("Content-Type", "application/json")
        self.set_header("Cache-Control", "no-store")
        self.finish(json.dumps(values))


@stream_request_body
class PostHandler(SyncHandler):
    """A request with a body, which is read up to :data:`MOST_BYTES`, and beyond that thrown away as it comes."""

    async def prepare(self) -> None:  # type: ignore[override]
        """Find out who asks, before the body is read."""
        self.body = BoundedBody(MOST_BYTES)
        await super().prepare()

    def data_received(self, chunk: bytes) -> None:
        """Keep a part of the body."""
        self.body.add(chunk)

    def asked(self) -> SyncRequest:
        """Return what the body asks for.

        Raises:
            TooLarge, BadRequest: it cannot be used.
        """
        return SyncRequest.from_json(self.body.take())


class PushHandler(PostHandler):
    """``POST sync``: a file's cells go into its notebook."""

    @authenticated
    @authorized("write", "contents")  # type: ignore[untyped-decorator]
    async def post(self) -> None:
        """Answer with what has changed, what could not be decided, and the new ``rev``."""
        await self.answer(self._push)

    async def _push(self) -> dict[str, Any]:
        return (await self.sync.exchange.push(self.asked())).answer


class ChangeHandler(PostHandler):
    """``POST sync/pull|pair|clear|focus``: what else reads, changes or shows a notebook's contents."""

    @authenticated
    @authorized("write", "contents")  # type: ignore[untyped-decorator]
    async def post(self, verb: str) -> None:
        """Do it, and answer with what was done."""
        sync = self.sync
        verbs = {
            "pull": sync.exchange.pull,
            "pair": sync.pairing.pair,
            "clear": sync.running.clear,
            "focus": sync.running.focus,
        }
        await self.answer(lambda: verbs[verb](self.asked()))


class KernelHandler(PostHandler):
    """``POST sync/interrupt|restart``."""

    @authenticated
    @authorized("execute", "kernels")  # type: ignore[untyped-decorator]
    async def post(self, verb: str) -> None:
        """Do it, and answer with the kernel's state."""
        running = self.sync.running
        verbs = {"interrupt": running.interrupt, "restart": running.restart}
        await self.answer(lambda: verbs[verb](self.asked()))


class RunHandler(PostHandler):
    """``POST sync/run``: cells are run, and a client may watch."""

    @authenticated
    @authorized("write", "contents")  # type: ignore[untyped-decorator]
    @authorized("execute", "kernels")  # type: ignore[untyped-decorator]
    async def post(self) -> None:
        """Answer with events (``text/event-stream``, HTML living standard), or at the end, or at once."""
        await self.answer(self._run)

    async def _run(self) -> dict[str, Any] | None:
        request = self.asked()
        started = await self.sync.running.run(request)
        sync = started.pushed.answer if started.pushed else None
        if not request.wait:
            self.set_status(202)
            return {"run": started.run.id, "cells": [cell["id"] for cell in started.cells], "sync": sync}
        if "text/event-stream" in self.request.headers.get("Accept", ""):
            await self._stream(started, sync)
            return None
        result = await started.run.wait()
        return {
            "sync": sync,
            "run": started.run.id,
            "status": result.status,
            "message": result.message,
            "cells": [asdict(cell) for cell in result.cells],
        }

    async def _stream(self, started: Started, sync: dict[str, Any] | None) -> None:
        self.set_header("Content-Type", "text/event-stream")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Accel-Buffering", "no")
        try:
            if sync is not None:
                await self._event({"event": "sync", **sync})
            async for event in _with_silence(started.run.events()):
                if event is not None and event["event"] == "start":
                    event = event | {"cells": started.cells}  # noqa: PLW2901 - which knows the lines of the file
                await self._event(event)
        except StreamClosedError:  # nobody listens; the run goes on
            return
        self.finish()

    async def _event(self, event: dict[str, Any] | None) -> None:
        if event is None:
            self.write(": \n\n")
        else:
            values = {name: value for name, value in event.items() if name != "event"}
            self.write(f"event: {event['event']}\ndata: {json.dumps(values)}\n\n")
        await self.flush()


class StatusHandler(SyncHandler):
    """``GET sync/status``: how a notebook is. Reading is no activity, so that who polls keeps no server alive."""

    @authenticated
    @authorized("read", "contents")  # type: ignore[untyped-decorator]
    async def get(self) -> None:
        """Answer with cells, their states, the kernel's state and the ``rev`` of what is live."""
        await self.answer(self._status)

    async def _status(self) -> dict[str, Any]:
        values: dict[str, Any] = {name: self.get_query_argument(name) for name in self.request.query_arguments}
        if "mapping" in values:
            try:
                values["mapping"] = json.loads(values["mapping"])
            except (ValueError, RecursionError):
                raise BadRequest("'mapping' must be a JSON object.") from None
        return await self.sync.running.status(SyncRequest.from_values(values))


async def _with_silence(events: AsyncIterator[dict[str, Any]]) -> AsyncIterator[dict[str, Any] | None]:
    """Yield events, and None whenever there was none for a while, so that somebody who is gone is found out."""

    async def following() -> dict[str, Any] | None:
        return await anext(events, None)

    while True:
        waiting = asyncio.ensure_future(following())
        try:
            while not (await asyncio.wait({waiting}, timeout=_KEEP_ALIVE_SECONDS))[0]:
                yield None
        finally:
            waiting.cancel()
        event = waiting.result()
        if event is None:
            return
        yield event


def sync_handlers(sync: EditorSync) -> list[tuple[str, type[SyncHandler], dict[str, Any]]]:
    """Return the handlers with their paths below the server's base address, as patterns."""
    arguments = {"sync": sync}
    return [
        ("sync", PushHandler, arguments),
        ("sync/(pull|pair|clear|focus)", ChangeHandler, arguments),
        ("sync/(interrupt|restart)", KernelHandler, arguments),
        ("sync/run", RunHandler, arguments),
        ("sync/status", StatusHandler, arguments),
    ]
