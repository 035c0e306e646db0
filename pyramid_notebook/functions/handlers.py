"""Addresses of functions in the user server: ``restified`` and what lies below it; see ``docs/reference/functions.md``.

``restified/{notebook}`` is the function, ``restified/{notebook}/-/runs/{id}`` one call of it.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

from jupyter_server.auth.decorator import authorized
from tornado.web import authenticated, stream_request_body

from ..errors import BadRequest, NotYet
from ..server.bodies import BoundedBody
from .answering import FunctionHandler
from .library import Function
from .runs import Run
from .service import Asked, Functions
from .values import FORMATS, negotiate

#: Bytes that a request's body may have.
MOST_BYTES = 20_000_000
_MOST_FIELDS = 1000
_KEEP_ALIVE_SECONDS = 15.0
_METHODS = "GET, HEAD, POST, OPTIONS"
_WAIT = re.compile(r"(?:^|,)\s*wait\s*=\s*\"?(\d{1,6})\"?\s*(?:,|;|$)")
_ASYNC = re.compile(r"(?:^|,)\s*respond-async\s*(?:,|;|$)", re.IGNORECASE)
#: Parts of a query that are ours, unless the notebook has a parameter of that name.
_OURS = ("format", "nan")
_NAN = ("error", "null", "text")
#: What may be told: a call's own process sends events, too.
_EVENTS = {name: name for name in ("start", "cell", "stream", "note", "clear", "end")}
_CHARSETS = re.compile(r"utf-?(?:8|16|32)(?:-?[bl]e)?|us-ascii|ascii|iso-8859-\d{1,2}|latin-?1|windows-125\d|cp125\d")


@stream_request_body
class CallHandler(FunctionHandler):
    """``restified/{notebook}``: calls it."""

    methods = _METHODS

    async def prepare(self) -> None:  # type: ignore[override]
        """Find out who asks, before the body is read."""
        self.body = BoundedBody(MOST_BYTES)
        self._run: Run | None = None
        await super().prepare()

    def data_received(self, chunk: bytes) -> None:
        """Keep a part of the body."""
        self.body.add(chunk)

    def on_connection_close(self) -> None:
        """Cancel a call for whose result nobody waits any more."""
        if self._run is not None and self._run.task is not None:
            self._run.task.cancel()

    @authenticated
    @authorized("execute", "kernels")  # type: ignore[untyped-decorator]
    async def get(self, path: str) -> None:
        """Call it with the parameters of the query."""
        await self.answer(lambda: self._call(path))

    @authenticated
    @authorized("execute", "kernels")  # type: ignore[untyped-decorator]
    async def post(self, path: str) -> None:
        """Call it with the parameters of a JSON object."""
        await self.answer(lambda: self._call(path))

    @authenticated
    @authorized("execute", "kernels")  # type: ignore[untyped-decorator]
    async def head(self, path: str) -> None:
        """Check the parameters of the query, and run nothing."""
        await self.answer(lambda: self._check(path))

    @authenticated
    @authorized("execute", "kernels")  # type: ignore[untyped-decorator]
    async def options(self, path: str) -> None:  # type: ignore[override]
        """Tell the parameters as a JSON Schema."""
        await self.answer(lambda: self._describe(path))

    async def _describe(self, path: str) -> None:
        function = await self.functions.library.find(path)
        self.set_header("Allow", _METHODS)
        self.set_header("Accept-Post", "application/json")
        self.send_json(
            {
                "title": function.program.title or path,
                "description": function.program.description,
                "parameters": function.signature.json_schema(),
            }
        )

    async def _check(self, path: str) -> None:
        asked = self._asked(await self.functions.library.find(path))
        self.set_header("Content-Type", FORMATS[asked.formats[0]].content_type)
        self.finish()

    async def _call(self, path: str) -> None:
        asked = self._asked(await self.functions.library.find(path))
        known = self.functions.known(asked)
        if known is not None:
            self.set_header("Age", str(known[1]))
            self.send(known[0])
            return
        prefer = ",".join(self.request.headers.get_list("Prefer"))
        if _ASYNC.search(prefer):
            await self._later(asked, prefer)
            return
        if "X-Notebook-Webhook" in self.request.headers:
            raise BadRequest("X-Notebook-Webhook goes with Prefer: respond-async; without that you wait yourself.")
        self._run = self.functions.start(asked)
        await self._run.over()
        result = self._run.outcome()
        self._tell_time(self._run)
        self.send(result)

    async def _later(self, asked: Asked, prefer: str) -> None:
        webhook = self.request.headers.get("X-Notebook-Webhook", "")
        run = self.functions.start(asked, is_long=True, webhook=webhook)
        wait = _WAIT.search(prefer)
        if wait and await run.over(seconds=min(60, int(wait.group(1)))):
            self.send(run.outcome())
            return
        self.set_status(202)
        self.set_header("Location", self.address(run.path, "runs", run.id))
        self.set_header("Preference-Applied", "respond-async")
        self.send_json(run.to_dict(is_owner=not self.by))

    def _asked(self, function: Function) -> Asked:
        declared = {parameter.name for parameter in function.signature.parameters}
        try:
            pairs = parse_qsl(self.request.query, keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
        except (ValueError, UnicodeError):
            raise BadRequest("The query cannot be read: it is no UTF-8, or has too many fields.") from None
        ours = {name: value for name, value in pairs if name in _OURS and name not in declared}
        pairs = [pair for pair in pairs if pair[0] not in ours and pair[0] != "_xsrf"]
        if self.request.method == "POST":
            if pairs:
                raise BadRequest(f"POST takes parameters in its body, not in the query: {pairs[0][0][:100]!r}.")
            values = function.signature.bind(self._body())
        else:
            values = function.signature.bind_query(pairs)
        nan = ours.get("nan", "error")
        if nan not in _NAN:
            raise BadRequest(f"nan must be one of {', '.join(_NAN)}.")
        accept = ",".join(self.request.headers.get_list("Accept"))
        formats = negotiate(accept, ours.get("format", ""))
        return Asked(function=function, values=values, formats=formats, nan=nan, by=self.by)

    def _body(self) -> dict[str, Any]:
        body = self.body.take()
        kind, _, rest = self.request.headers.get("Content-Type", "").partition(";")
        if not body.strip():
            return {}
        if kind.strip().lower() != "application/json":
            error = BadRequest("POST takes a JSON object: send Content-Type: application/json.")
            error.status = 415
            raise error
        named = re.search(r"charset\s*=\s*\"?([A-Za-z0-9._-]{1,40})", rest)
        charset = named.group(1).lower() if named else "utf-8"
        if not _CHARSETS.fullmatch(charset):  # some of Python's codecs take a time that grows with the square
            raise BadRequest("The body is in a charset that is not taken: send UTF-8.")
        try:
            values = json.loads(body.decode(charset), parse_constant=_refuse)
        except (ValueError, LookupError, RecursionError):
            raise BadRequest("The body is not JSON, or not in the charset that it names.") from None
        if not isinstance(values, dict):
            raise BadRequest("The body must be a JSON object: the parameters by their names.")
        return values

    def _tell_time(self, run: Run) -> None:
        waited, ran = (run.started - run.created) * 1000, (run.ended - run.started) * 1000
        self.set_header("Server-Timing", f"queue;dur={waited:.1f}, call;dur={ran:.1f}")
        for note in () if self.by else run.notes[:1]:
            self.set_header("X-Notebook-Note", re.sub(r"[^\x20-\x7e]", "?", note)[:500])


def _refuse(name: str) -> None:
    raise ValueError(name)


class RunsHandler(FunctionHandler):
    """``restified/{notebook}/-/runs``: the calls of a notebook."""

    @authenticated
    @authorized("execute", "kernels")  # type: ignore[untyped-decorator]
    async def get(self, path: str) -> None:
        """List them, the newest first."""
        runs = self.functions.runs.of(path)
        self.send_json({"runs": [run.to_dict(is_owner=not self.by) for run in runs]})


class RunHandler(FunctionHandler):
    """``restified/{notebook}/-/runs/{id}``: one call."""

    methods = "GET, DELETE, OPTIONS"

    @authenticated
    @authorized("execute", "kernels")  # type: ignore[untyped-decorator]
    async def get(self, path: str, run_id: str) -> None:
        """Tell where it is."""
        await self.answer(lambda: self._status(path, run_id))

    @authenticated
    @authorized("execute", "kernels")  # type: ignore[untyped-decorator]
    async def delete(self, path: str, run_id: str) -> None:
        """Cancel it, or forget it where it has ended."""
        await self.answer(lambda: self._delete(path, run_id))

    async def _status(self, path: str, run_id: str) -> None:
        run = self.functions.runs.find(path, run_id)
        told = run.to_dict(is_owner=not self.by)
        if run.is_over:
            told["result"] = self.address(path, "runs", run.id, "result")
        self.send_json(told)

    async def _delete(self, path: str, run_id: str) -> None:
        run = self.functions.runs.find(path, run_id)
        if run.is_over or run.task is None:
            self.functions.runs.forget(run)
        else:
            run.task.cancel()
            await run.over()
        self.set_status(204)
        self.finish()


class ResultHandler(FunctionHandler):
    """``restified/{notebook}/-/runs/{id}/result``: what a call returned."""

    @authenticated
    @authorized("execute", "kernels")  # type: ignore[untyped-decorator]
    async def get(self, path: str, run_id: str) -> None:
        """Answer as the call itself would have."""
        await self.answer(lambda: self._result(path, run_id))

    async def _result(self, path: str, run_id: str) -> None:
        run = self.functions.runs.find(path, run_id)
        if not run.is_over:
            raise NotYet
        self.send(run.outcome())


class EventsHandler(FunctionHandler):
    """``restified/{notebook}/-/runs/{id}/events``: what happens in a call (HTML, server-sent events)."""

    @authenticated
    @authorized("execute", "kernels")  # type: ignore[untyped-decorator]
    async def get(self, path: str, run_id: str) -> None:
        """Stream all events, or those after ``Last-Event-ID``."""
        await self.answer(lambda: self._stream(path, run_id))

    async def _stream(self, path: str, run_id: str) -> None:
        run = self.functions.runs.find(path, run_id)
        after = self.request.headers.get("Last-Event-ID", "")
        self.set_header("Content-Type", "text/event-stream")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Accel-Buffering", "no")
        self.set_header("X-Content-Type-Options", "nosniff")
        events = run.events(int(after) if after.isdigit() and len(after) < 10 else 0)
        following = asyncio.ensure_future(anext(events, None))
        try:
            while True:
                done, _ = await asyncio.wait({following}, timeout=_KEEP_ALIVE_SECONDS)
                told = following.result() if done else None
                if done and told is None:
                    break
                self._write(told)
                await self.flush()
                if done:
                    following = asyncio.ensure_future(anext(events, None))
        finally:
            following.cancel()
        self.finish()

    def _write(self, told: Any) -> None:
        if told is None:
            self.write(": \n\n")
            return
        number, event = told
        if event["event"] in ("stream", "note") and self.by:  # what it wrote is its owner's
            return
        values = {name: value for name, value in event.items() if name != "event"}
        self.write(f"id: {number}\nevent: {_EVENTS.get(event['event'], 'other')}\ndata: {json.dumps(values)}\n\n")


def function_handlers(functions: Functions) -> Sequence[tuple[str, type[FunctionHandler], dict[str, Any]]]:
    """Return the handlers with their paths below the server's base address, as patterns."""
    arguments = {"functions": functions}
    notebook = r"restified/(.+?\.ipynb)"
    return [
        (rf"{notebook}/-/runs", RunsHandler, arguments),
        (rf"{notebook}/-/runs/([\w-]{{1,64}})", RunHandler, arguments),
        (rf"{notebook}/-/runs/([\w-]{{1,64}})/result", ResultHandler, arguments),
        (rf"{notebook}/-/runs/([\w-]{{1,64}})/events", EventsHandler, arguments),
        # the door takes what stands behind "/-/" for no part of the notebook's path
        (r"restified/((?!-/)(?:(?!\.ipynb/-/).)+)", CallHandler, arguments),
    ]
