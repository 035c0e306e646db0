"""Answers requests of JSON-RPC: which method does what."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol
from urllib.parse import quote

from jupyter_core.utils import ensure_async
from jupyter_server.serverapp import ServerApp

from ..errors import KernelDead, KernelTrouble, NotebookError, RpcError, WaitedLongEnough
from ..server.execution import Execution
from ..server.live import LiveNotebooks
from . import kernels
from .frontends import Frontend, Frontends
from .jsonrpc import Fault, Incoming, Request, error_message, result_message, rpc_error
from .methods import method_of
from .opening import Sessions
from .openrpc import document
from .running import OwnRunning
from .sessions import Session

_LOG = logging.getLogger(__name__)
_OPTIONS = {
    "silent": False,
    "store_history": True,
    "user_expressions": {},
    "allow_stdin": False,
    "stop_on_error": True,
}
_ANSWERED_BYTES = 8_000_000  # of events in one answer


class Caller(Protocol):
    """Who asks, and by which way.

    Attributes:
        frontend: that asks; its name may become known later.
        waits: whether an execution is answered at its end, where the request says nothing.
    """

    frontend: Frontend
    waits: bool

    def follow(self, session: Session, after: int) -> None:
        """Begin to tell the events of a session after a number."""

    def leave(self, session: Session) -> None:
        """Tell them no longer."""


class Rpc:
    """The API of one server.

    Args:
        app: the running server.
        notebooks: the live ones.
        execution: has the connections to kernels.
        user: name of the user.
        ui: which pages there are, ``notebook`` or ``lab``.
        touch: notes that somebody has done something.
    """

    def __init__(
        self,
        app: ServerApp,
        notebooks: LiveNotebooks,
        execution: Execution,
        *,
        user: str,
        ui: str,
        touch: Callable[[], None],
    ) -> None:
        self.frontends = Frontends(user)
        self.sessions = Sessions(app, notebooks, execution, user)
        self._app = app
        self._execution = execution
        self._ui = ui
        self._touch = touch
        self._methods: Mapping[str, Callable[[Mapping[str, Any], Caller], Awaitable[Any]]] = {
            "session.open": self._open,
            "session.list": self._list,
            "session.close": self._close,
            "session.events": self._events,
            "execute": self._execute,
            "complete": self._of_session(kernels.complete),
            "inspect": self._of_session(kernels.inspect),
            "is_complete": self._of_session(kernels.is_complete),
            "history": self._of_session(kernels.history),
            "variables": self._of_session(kernels.variables),
            "doctest": self._of_session(kernels.doctest),
            "interrupt": self._interrupt,
            "restart": self._restart,
            "shutdown": self._shutdown,
            "input.reply": self._reply,
            "rpc.discover": self._discover,
        }

    async def answer(self, incoming: Incoming, caller: Caller) -> Any:
        """Do what was asked for, and return the response, a list of some, or None where nobody waits for any."""
        tasks = [asyncio.ensure_future(self._answer(item, caller)) for item in incoming.items]
        try:
            answers = [answer for answer in await asyncio.gather(*tasks) if answer is not None]
        except asyncio.CancelledError:
            for task in tasks:
                task.cancel()
            raise
        if incoming.is_batch:
            return answers or None
        return answers[0] if answers else None

    async def _answer(self, item: Request | Fault, caller: Caller) -> dict[str, Any] | None:
        if isinstance(item, Fault):
            return error_message(item.id, item.error)
        try:
            method = method_of(item.method)
            result = await self._methods[method.name](method.checked(item.params), caller)
        except NotebookError as error:
            answer = error_message(item.id, rpc_error(error))
        except Exception:
            _LOG.exception("A request of JSON-RPC failed")
            answer = error_message(item.id, RpcError())
        else:
            answer = result_message(item.id, result)
        return None if item.is_notification else answer

    async def _open(self, asked: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        if "key" in asked:
            caller.frontend = self.frontends.of(asked["key"], asked.get("name", ""))
        elif "name" in asked and caller.frontend is not self.frontends.anybody:
            caller.frontend.name = asked["name"]
        self._touch()
        session = await self.sessions.open(asked)
        told = self._told(session)
        caller.follow(session, asked.get("after", told["seq"]))
        language = session.info.get("language_info") or {}
        return {
            **told,
            "language": language,
            "banner": session.info.get("banner", ""),
            "count": session.count,
            "address": self._address(session.path) if session.path else None,
        }

    def _told(self, session: Session) -> dict[str, Any]:
        return {
            "session": session.id,
            "kernel": session.kernel_id,
            "notebook": session.path,
            "kernel_name": session.kernel_name,
            "state": session.state if session.state in ("idle", "busy", "starting", "dead") else "starting",
            "seq": session.log.newest,
            "oldest": session.log.oldest,
            "frontends": len(session.followers),
        }

    def _address(self, path: str) -> str:
        return f"{self._app.base_url}{'lab/tree' if self._ui == 'lab' else 'notebooks'}/{quote(path)}"

    async def _list(self, asked: Mapping[str, Any], caller: Caller) -> list[dict[str, Any]]:
        return [self._told(session) for session in self.sessions]

    async def _close(self, asked: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        session = self.sessions.of(asked["session"])
        caller.leave(session)
        if session.is_gone and not session.followers:
            self.sessions.forget(session)
        return {}

    async def _events(self, asked: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        session = self.sessions.of(asked["session"])
        after, most = asked.get("after", 0), asked.get("limit", 1000)
        news = asyncio.Event()
        session.followers.add(news.set)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(asked.get("wait", 0)):
                    while True:
                        news.clear()
                        status = session.status_of(asked["execution"]) if "execution" in asked else ""
                        read = session.log.since(
                            after, most=most, most_bytes=_ANSWERED_BYTES, execution=asked.get("execution")
                        )
                        if read.entries or read.lost:
                            break
                        await news.wait()
        finally:
            session.followers.discard(news.set)
        told = {"events": [entry.told for entry in read.entries], "seq": read.seq, **_lost(read.lost)}
        return told | ({"status": status} if status else {})

    async def _execute(self, asked: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        session = self.sessions.of(asked["session"])
        frontend = self.frontends.of(asked["key"]) if "key" in asked else caller.frontend
        self._touch()
        running = session.known(asked["id"], asked["code"]) if "id" in asked else None
        if running is None:
            options = {name: asked.get(name, default) for name, default in _OPTIONS.items()}
            running = OwnRunning(asked.get("id") or uuid.uuid4().hex, frontend.who, code=asked["code"])
            running.frontend = frontend
            await session.execute(running, asked["code"], options)
        if not asked.get("wait", caller.waits):
            return {"execution": running.id, "seq": running.seq}
        try:
            async with asyncio.timeout(asked.get("timeout")):
                await running.ended.wait()
        except TimeoutError:
            message = "The code still runs. session.events tells how it goes on."
            raise WaitedLongEnough(message, execution=running.id, seq=running.seq) from None
        oldest = session.log.oldest
        events = [entry.told for entry in session.log.of(running.id)]
        told = {**running.result, "seq": running.seq, "events": events}
        return told | _lost((running.seq + 1, oldest - 1) if oldest > running.seq + 1 else None)

    async def _interrupt(self, asked: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        session = self._alive(asked)
        await self._control(self._execution.control.interrupt(session.kernel_id))
        return {}

    async def _restart(self, asked: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        session = self._alive(asked)
        await self._control(self._execution.control.restart(session.kernel_id))
        return {}

    async def _shutdown(self, asked: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        session = self._alive(asked)
        for one in await self._app.session_manager.list_sessions():
            if one["kernel"] and one["kernel"]["id"] == session.kernel_id:
                await self._app.session_manager.delete_session(one["id"])
                return {}
        await ensure_async(self._app.kernel_manager.shutdown_kernel(session.kernel_id))
        return {}

    async def _reply(self, asked: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        frontend = self.frontends.of(asked["key"]) if "key" in asked else caller.frontend
        self._touch()
        self.sessions.of(asked["session"]).reply(asked["execution"], frontend, asked["value"])
        return {}

    async def _discover(self, asked: Mapping[str, Any], caller: Caller) -> dict[str, Any]:
        return document()

    def _of_session(self, work: Callable[[Session, Mapping[str, Any]], Awaitable[Any]]) -> Any:
        async def answer(asked: Mapping[str, Any], caller: Caller) -> Any:
            return await work(self.sessions.of(asked["session"]), asked)

        return answer

    def _alive(self, asked: Mapping[str, Any]) -> Session:
        session = self.sessions.of(asked["session"])
        if session.is_gone or session.kernel_id not in self._app.kernel_manager:
            raise KernelDead
        return session

    async def _control(self, work: Awaitable[None]) -> None:
        try:
            await work
        except KernelTrouble as error:
            raise KernelDead(str(error)) from error


def _lost(numbers: tuple[int, int] | None) -> dict[str, Any]:
    return {"lost": {"from": numbers[0], "to": numbers[1]}} if numbers else {}
