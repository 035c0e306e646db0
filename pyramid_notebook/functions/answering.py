"""What all answers of notebook functions share: who may ask, how faults are said, and which notebook is meant."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from tornado.iostream import StreamClosedError
from tornado.web import HTTPError, authenticated

from ..errors import BadRequest, CallError, NotebookError, NotYet, TooManyCalls
from ..record import TOKEN_HEADER
from .problems import CONTENT_TYPE, problem
from .protocol import Result
from .service import Functions

#: Statuses of answers that have no body (RFC 9110, sections 15.3.5 and 15.3.6).
_WITHOUT_BODY = (204, 205)


class FunctionHandler(APIHandler):
    """A request about functions; errors are problem details (RFC 9457)."""

    methods = "GET, OPTIONS"

    def initialize(self, functions: Functions) -> None:
        """Take what the request is answered with."""
        self.functions = functions

    @property
    def by(self) -> str:
        """Name of the token that the request came with; empty for the owner's own session."""
        return str(self.request.headers.get(TOKEN_HEADER, ""))

    def log_exception(self, *about: Any) -> None:
        """Log nothing of a client that is gone."""
        if not isinstance(about[1], StreamClosedError):
            super().log_exception(*about)

    @authenticated
    async def options(self, *path: str) -> None:  # type: ignore[override]
        """Tell the methods."""
        self.set_header("Allow", self.methods)
        self.set_status(204)
        self.finish()

    async def answer(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do some work that answers, and if it cannot, say why."""
        try:
            await work()
        except StreamClosedError:  # nobody is there any more
            return
        except NotebookError as error:
            self.fail(error)
            error.__traceback__ = None  # a run may keep it
        except HTTPError as error:
            raised = BadRequest(str(error.log_message or error.reason))
            raised.status = error.status_code
            self.fail(raised)
        except Exception:
            self.log.exception("A call of a notebook failed")
            self.fail(CallError("The notebook server failed; its log says how."))

    def write_error(self, status_code: int, **about: Any) -> None:
        """Answer with what Jupyter or Tornado has refused, such as a method."""
        error = about.get("exc_info", (None, None, None))[1]
        text = (error.log_message or error.reason) if isinstance(error, HTTPError) else ""
        refused = NotebookError(str(text or HTTPStatus(status_code).phrase))
        refused.status, refused.reason = status_code, "refused"
        self.fail(refused)

    def fail(self, error: NotebookError) -> None:
        """Answer with an error."""
        self.clear()
        self.set_status(error.status)
        if error.status == 405:
            self.set_header("Allow", self.methods)
        if isinstance(error, (TooManyCalls, NotYet)):
            self.set_header("Retry-After", str(error.retry_after))
        self.send_json(problem(error, is_owner=not self.by), CONTENT_TYPE)

    def finish(self, chunk: Any = None, **options: Any) -> Any:
        """Send the answer with the content type that was set; Jupyter's own is always JSON."""
        kind = self._headers.get("Content-Type", "application/json")
        return super().finish(chunk, set_content_type=kind, **options)

    def send_json(self, values: Any, content_type: str = "application/json") -> None:
        """Answer with JSON."""
        self.set_header("Content-Type", content_type)
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.finish(json.dumps(values))

    def send(self, result: Result) -> None:
        """Answer with what a notebook returned."""
        self.set_status(result.status)
        self.set_header("Content-Type", result.content_type)
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "no-store")
        for name, value in result.fields:
            self.set_header(name, value)
        is_known = result.status == 200 and self.request.method == "GET" and self.check_etag_header()
        if is_known:  # the notebook has given its answer a tag, and the client has that answer
            self.set_status(304)
        is_empty = is_known or self.request.method == "HEAD" or result.status in _WITHOUT_BODY
        self.finish(None if is_empty else result.body)

    def address(self, path: str, *more: str) -> str:
        """Return the address of a function, or of something below it."""
        parts = [self.settings["base_url"], "restified", quote(path), *(("-", *more) if more else ())]
        return url_path_join(*parts)
