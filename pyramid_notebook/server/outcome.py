"""Shows in the notebook that a startup script failed.

After each start or restart of a kernel with a startup script it is asked how the script went. A traceback goes into
a cell of ours below the greeting of the notebook that the kernel belongs to; after a good start that cell goes away.
"""

from __future__ import annotations

import ast
import asyncio
import json
import time
import uuid
from typing import Any

from jupyter_core.utils import ensure_async
from jupyter_server.serverapp import ServerApp

from .contexts import GREETING_TAG, STARTUP_TAG, code_cell, tagged
from .documents import change_notebook
from .execution.kernels import client_of, new_context
from .execution.reading import Message, Reader, unsigned

KERNEL_EVENTS = "https://events.jupyter.org/jupyter_server/kernel_actions/v1"
#: Asked of a kernel in ``user_expressions`` (Jupyter messaging, "Execute"); see :mod:`.kernel` for the answer.
OUTCOME_EXPRESSION = "get_ipython().startup.outcome"
_READY_SECONDS = 3600.0  # a startup script may load a lot
_ATTEMPT_SECONDS = 2  # a restart while the kernel loads can leave a connection without an answer


class OutcomeReporter:
    """Watches the kernels of one server."""

    def __init__(self, app: ServerApp) -> None:
        self.app = app
        self._turns: dict[str, object] = {}
        self._context = new_context()
        app.web_app.settings["event_logger"].add_listener(schema_id=KERNEL_EVENTS, listener=self._on_kernel_event)

    async def _on_kernel_event(self, logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        if data.get("action") in ("start", "restart") and data.get("status") == "success":
            try:
                await self.report(data["kernel_id"])
            except Exception:
                self.app.log.exception("The outcome of a startup script is not known")

    async def report(self, kernel_id: str) -> None:
        """Ask one kernel and write the answer into its notebook."""
        kernel: Any = self.app.kernel_manager.get_kernel(kernel_id)
        if not kernel.kernel_name.startswith("site-"):
            return
        turn = self._turns[kernel_id] = object()
        outcome = None
        try:
            outcome = await self._outcome(kernel_id, kernel, turn)
        except TimeoutError:
            if self._turns[kernel_id] is turn:
                raise
        if self._turns[kernel_id] is not turn:
            return  # it was restarted meanwhile, and that is reported as well
        if kernel.execution_state == "starting":
            kernel.execution_state = "idle"  # it has told so before the server listened
        for session in await self.app.session_manager.list_sessions():
            path = session["path"]
            if session["kernel"]["id"] == kernel_id and await ensure_async(self.app.contents_manager.file_exists(path)):
                await change_notebook(self.app, path, lambda content: _with_outcome(content, outcome))

    async def _outcome(self, kernel_id: str, kernel: Any, turn: object) -> dict[str, Any] | None:
        deadline = time.monotonic() + _READY_SECONDS
        while True:
            try:
                return await self._ask(kernel)
            except TimeoutError:  # still loading, or restarted under our connection
                gone = kernel_id not in self.app.kernel_manager
                if gone or self._turns[kernel_id] is not turn or time.monotonic() > deadline:
                    raise
            await asyncio.sleep(0.2)

    async def _ask(self, kernel: Any) -> dict[str, Any] | None:
        session = kernel.session.clone()
        session.session = uuid.uuid4().hex  # two clients of the same would get each other's answers
        replied: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

        def take(message: Message) -> None:
            if message.kind == "execute_reply" and not replied.done():
                replied.set_result(message.content)

        socket = client_of(kernel, session, self._context).connect_shell(identity=session.bsession)
        shell = Reader(socket, unsigned(session, take))
        try:
            request = {"code": "", "silent": True, "user_expressions": {"outcome": OUTCOME_EXPRESSION}}
            shell.send(session.serialize(session.msg("execute_request", request)))
            async with asyncio.timeout(_ATTEMPT_SECONDS):
                reply = await replied
        finally:
            shell.close()
        value = (reply.get("user_expressions") or {}).get("outcome")
        if value is None:  # the kernel was interrupted, or ends
            raise TimeoutError
        return json.loads(ast.literal_eval(value["data"]["text/plain"])) if value["status"] == "ok" else None


def _with_outcome(content: dict[str, Any], outcome: dict[str, Any] | None) -> dict[str, Any] | None:
    cell = tagged(content, STARTUP_TAG)
    if outcome is None:
        if cell is None:
            return None
        content["cells"].remove(cell)
        return content
    if cell is None:
        greeting = tagged(content, GREETING_TAG)
        place = content["cells"].index(greeting) + 1 if greeting else 0
        cell = code_cell("%startup", tags=(STARTUP_TAG,))
        content["cells"].insert(place, cell)
    cell["outputs"] = [{"output_type": "error", **outcome}]
    return content
