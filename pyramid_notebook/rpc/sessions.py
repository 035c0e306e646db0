"""A session: one kernel, what happens in it, and who follows that."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from ..errors import BadArguments, KernelDead, KernelTrouble, NoExecution, NotTheAsker
from ..server.execution import Execution
from ..server.execution.kernels import KernelConnection, KernelGone, Listener
from ..server.execution.reading import Message
from ..server.execution.sessions import state_of
from .events import event_of, finite, size_of
from .frontends import Frontend
from .log import SessionLog
from .running import Hidden, OwnRunning, Running
from .writing import Worksheet

_REMEMBERED = 1000  # executions whose ids are known
_FOREIGN = 200  # executions of others that are followed
_ABORTED = {"restarted": "restarted", "died": "died"}


class Session:
    """One session, for the life of its kernel.

    Args:
        execution: has the connections to kernels.
        kernel_id: of the kernel.
        kernel_name: of its kernelspec.
        user: name of the user whose server this is.
        sheet: what code is appended to; None for nothing.
    """

    def __init__(
        self, execution: Execution, kernel_id: str, kernel_name: str, user: str, sheet: Worksheet | None
    ) -> None:
        self.id = secrets.token_urlsafe(16)
        self.kernel_id = kernel_id
        self.kernel_name = kernel_name
        self.sheet = sheet
        self.log = SessionLog(self.id, time.time, self._wake)
        self.state = "starting"
        self.count = 0
        self.info: Mapping[str, Any] = {}
        self.is_gone = False
        self.followers: set[Callable[[], None]] = set()
        self._execution = execution
        self._user = user
        self._connection: KernelConnection | None = None
        self._sending = asyncio.Lock()
        self._runs: OrderedDict[str, OwnRunning] = OrderedDict()
        self._foreign: OrderedDict[str, Running] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self._settling: asyncio.Task[None] | None = None

    @property
    def path(self) -> str | None:
        """Of its notebook."""
        return self.sheet.path if self.sheet else None

    @property
    def is_busy(self) -> bool:
        """Whether the kernel runs code just now."""
        return self.state == "busy"

    @property
    def language(self) -> str:
        """Name of the kernel's language."""
        return str((self.info.get("language_info") or {}).get("name", ""))

    async def connection(self) -> KernelConnection:
        """Return a connection to the kernel, all of whose messages come into the log.

        Raises:
            KernelDead: it has ended.
        """
        if self.is_gone:
            raise KernelDead
        current = self._connection
        if current is not None and not current.stale:
            return current
        try:
            connection = await self._execution.connections.connection(self.kernel_id)
        except (KernelGone, KernelTrouble) as error:
            raise KernelDead(f"The kernel cannot be used: {error}") from error
        if connection is not self._connection:
            self._connection = connection
            connection.observers.append(self)
            if self.state == "starting":
                self.state = state_of(self._execution.app, self.kernel_id).state
                if self.is_busy:
                    self._settling = self._begin(self._settle(connection))
        return connection

    async def execute(self, running: OwnRunning, code: str, options: Mapping[str, Any]) -> None:
        """Send code to the kernel, behind what was sent before; its end is told in the log.

        Args:
            running: with the id of the execution.
            code: what shall run.
            options: of the request (Jupyter messaging, "Execute").

        Raises:
            KernelDead: there is no kernel that could run it.
        """
        self._runs[running.id] = running
        while len(self._runs) > _REMEMBERED and next(iter(self._runs.values())).over:
            self._runs.popitem(last=False)
        running.seq = self.log.newest
        running.changed = self._look_for_end
        running.asked = self._on_input
        try:
            async with self._sending:
                connection = await self.connection()
                if self.sheet is not None and not options["silent"]:
                    running.cell = self.sheet.append(code)
                self._begin(self._follow(connection, running, code, options))
        except BaseException:
            self._runs.pop(running.id, None)
            raise

    def known(self, running_id: str, code: str) -> OwnRunning | None:
        """Return the execution with an id, if there was one.

        Raises:
            BadArguments: it runs other code.
        """
        running = self._runs.get(running_id)
        if running is not None and running.code != code:
            message = "This id was used for other code."
            raise BadArguments(message, errors=[{"path": "id", "message": message}])
        return running

    def status_of(self, running_id: str) -> str:
        """Return how an execution has ended, also where that is not in the log any more; ``running``, ``unknown``."""
        running = self._runs.get(running_id) or self._foreign.get(running_id)
        return running.status if running is not None else "unknown"

    def reply(self, running_id: str, frontend: Frontend, value: str) -> None:
        """Give code the line that it asks for.

        Raises:
            NoExecution: there is no such execution, or it asks for nothing.
            NotTheAsker: somebody else has asked for it.
        """
        running = self._runs.get(running_id)
        if running is None:
            raise NoExecution("There is no such execution.")
        if running.frontend is not frontend:
            raise NotTheAsker
        if running.input_header is None or self._connection is None:
            raise NoExecution("This execution does not ask for a line.")
        header, running.input_header = running.input_header, None
        self._connection.answer_input(header, value)
        self.log.add("input_done", running.id, running.who, 0)

    def on_kernel_message(self, message: Message, listener: Listener | None) -> None:
        """Take what the kernel tells everybody."""
        kind = message.kind
        running = self._running(message, listener)
        if isinstance(listener, Hidden):
            return
        if kind == "stream":
            content = message.content
            name = "stderr" if content.get("name") == "stderr" else "stdout"
            self.log.add_text(*_owner(running), name, str(content.get("text", "")))
        elif kind == "status":
            self._on_status(str(message.content.get("execution_state")), message, running)
        elif kind == "execute_input":
            if running is not None and not running.begun:
                self._begun(running, message.content)
        elif (event := event_of(kind, message.content)) is not None:
            if kind == "error" and running is not None:
                running.failed = True
            self.log.add(str(event.pop("event")), *_owner(running), size_of(event), **event)

    async def until_idle(self) -> None:
        """Wait until the kernel runs no code."""
        while self.state == "busy" and not self.is_gone:
            news = asyncio.Event()
            self.followers.add(news.set)
            try:
                await news.wait()
            finally:
                self.followers.discard(news.set)

    def close(self) -> None:
        """Hear of the kernel no longer."""
        if self._connection is not None and self in self._connection.observers:
            self._connection.observers.remove(self)
        self._settle_no_more()
        if self.sheet is not None:
            self.sheet.close()
        self.is_gone = True

    def kernel_ended(self, status: str, message: str) -> None:
        """Note that the kernel's memory is gone (``restarted`` or ``died``)."""
        self._connection = None
        self._settle_no_more()
        for running in [*self._runs.values(), *self._foreign.values()]:
            if running.begun or isinstance(running, OwnRunning):
                self._end(running, "aborted", reason=_ABORTED.get(status, "died"))
        self._foreign.clear()
        app = self._execution.app
        if self.kernel_id not in app.kernel_manager or message.startswith("The kernel was shut down"):
            self.is_gone = True
            self._set_state("dead")
            return
        self._set_state("restarting" if status == "restarted" else "dead")
        self._begin(self._reconnect())

    async def _reconnect(self) -> None:
        try:
            await self.connection()
        except KernelDead:
            self._set_state("dead")
            return
        self.count = 0
        self._runs_nothing()

    async def _settle(self, connection: KernelConnection) -> None:
        """Find out whether a kernel runs code that passes for busy, which it also does while it answers anything."""
        await connection.ask("kernel_info_request", {})  # it comes to that when it has done what came before
        if connection is self._connection:
            self._runs_nothing()

    def _settle_no_more(self) -> None:
        if self._settling is not None:
            self._settling.cancel()

    def _runs_nothing(self) -> None:
        """Note that all has ended whose begin was not told."""
        if not any(one.begun and not one.over for one in [*self._runs.values(), *self._foreign.values()]):
            self._set_state("idle")

    async def _follow(
        self, connection: KernelConnection, running: OwnRunning, code: str, options: Mapping[str, Any]
    ) -> None:
        await connection.execute(code, running.cell.id if running.cell else "", running, options)
        self._look_for_end(running, is_past=True)

    def _running(self, message: Message, listener: Listener | None) -> Running | None:
        if isinstance(listener, OwnRunning):
            return listener
        if message.parent.get("msg_type") != "execute_request":
            return None
        running = self._foreign.get(message.request)
        if running is None:
            is_ours = self._connection is not None and message.parent.get("session") == self._connection.name
            client = str(message.parent.get("session", ""))[:8]
            who = {"user": self._user, "name": "editor" if is_ours else "browser", "client": client}
            running = self._foreign[message.request] = Running(message.request, who)
            while len(self._foreign) > _FOREIGN:
                self._foreign.popitem(last=False)
        return running

    def _begun(self, running: Running, content: Mapping[str, Any]) -> None:
        running.begun = True
        self._set_state("busy", running)
        running.count = self.count = int(content.get("execution_count") or 0)
        code = str(content.get("code", ""))
        self.log.add("begin", running.id, running.who, len(code), code=code, count=running.count)

    def _on_status(self, state: str, message: Message, running: Running | None) -> None:
        if running is None and message.parent and state != "starting":
            return  # busy with a completion, say, which is nobody's business
        if running is None or running.begun or isinstance(running, OwnRunning):  # else it may be silent; see `_begun`
            self._set_state(state, running)
        if state != "idle" or running is None:
            return
        if isinstance(running, OwnRunning):
            if running.reply is None and self._connection is not None:
                self._connection.read_replies()  # it was sent before; so the end is told before what others run next
        elif running.begun:
            self._end(running, "error" if running.failed else "ok")

    def _set_state(self, state: str, running: Running | None = None) -> None:
        if state == self.state:
            return
        self.state = state
        self.log.add("status", *_owner(running if state in ("busy", "idle") else None), 0, state=state)

    def _look_for_end(self, running: OwnRunning, *, is_past: bool = False) -> None:
        reply = running.reply
        if reply is None or not (is_past or running.idle.is_set()) or running.over:
            return
        for payload in reply.get("payload") or ():
            if isinstance(payload, dict) and payload.get("source") == "page" and payload.get("data"):
                data = finite(dict(payload["data"]))
                self.log.add("display", running.id, running.who, size_of(payload), data=data, metadata={})
        status = str(reply.get("status"))
        count = reply.get("execution_count")
        running.count = count if isinstance(count, int) else running.count
        told = {"expressions": finite(reply["user_expressions"])} if reply.get("user_expressions") else {}
        self._end(running, status if status in ("ok", "error") else "aborted", **told)

    def _end(self, running: Running, status: str, **about: Any) -> None:
        if running.over:
            return
        running.over, running.status = True, status
        self.log.add("end", running.id, running.who, 0, status=status, count=running.count, **about)
        if isinstance(running, OwnRunning):
            running.input_header = None
            if running.cell is not None:
                running.cell.end(running.count, is_ok=status == "ok")
            running.result = {"execution": running.id, "status": status, "count": running.count, **about}
            running.ended.set()
            if not running.replied.done():
                running.replied.cancel()

    def _on_input(self, running: OwnRunning, content: dict[str, Any]) -> None:
        prompt, password = str(content.get("prompt", "")), bool(content.get("password"))
        self.log.add("input_request", running.id, running.who, len(prompt), prompt=prompt, password=password)

    def _begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()

    def _wake(self) -> None:
        for follower in list(self.followers):
            follower()


def _owner(running: Running | None) -> tuple[str | None, Mapping[str, Any] | None]:
    return (running.id, running.who) if running else (None, None)
