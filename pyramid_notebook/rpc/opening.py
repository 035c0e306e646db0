"""Sessions are found, opened and forgotten; notebooks for them are made."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any

from jupyter_client.kernelspec import NATIVE_KERNEL_NAME
from jupyter_core.utils import ensure_async
from jupyter_server.serverapp import ServerApp
from tornado.web import HTTPError

from ..errors import BadArguments, KernelDead, NoSession, NoSuchThing, TooMany
from ..server.documents import make_notebook
from ..server.execution import Execution
from ..server.execution.kernels import KernelConnection
from ..server.execution.sessions import state_of
from ..server.live import LiveNotebooks
from .running import Hidden
from .sessions import Session
from .writing import Worksheet

#: Sessions that a user may have.
MOST_SESSIONS = 50
_COUNT_SECONDS = 1.0
_MOST_KEYS = 1000
_SUFFIX = ".ipynb"


class Sessions:
    """All sessions of one server.

    Args:
        app: the running server.
        notebooks: the live ones.
        execution: has the connections to kernels.
        user: name of the user whose server this is.
    """

    def __init__(self, app: ServerApp, notebooks: LiveNotebooks, execution: Execution, user: str) -> None:
        self._app = app
        self._notebooks = notebooks
        self._specs: Any = app.kernel_spec_manager
        self._execution = execution
        self._user = user
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._opened: OrderedDict[tuple[Any, ...], Session] = OrderedDict()
        self._opening = asyncio.Lock()
        execution.connections.add_watcher(self)

    def __iter__(self) -> Iterator[Session]:
        return iter(list(self._sessions.values()))

    def of(self, session_id: str) -> Session:
        """Return a session.

        Raises:
            NoSession: there is none.
        """
        session = self._sessions.get(session_id)
        if session is None:
            raise NoSession
        return session

    async def open(self, asked: Mapping[str, Any]) -> Session:
        """Return the session that is meant, with a connection to its kernel.

        Args:
            asked: parameters of ``session.open``.

        Raises:
            NoSuchThing: there is no such kernel or notebook.
            TooMany: there is no room for one more session.
            KernelDead: the kernel does not start.
        """
        if "kernel" in asked and ("notebook" in asked or asked.get("new")):
            message = "Name a kernel, or a notebook, or neither."
            raise BadArguments(message, errors=[{"path": "kernel", "message": message}])
        wish = (asked.get("key"), *(asked.get(name) for name in ("kernel", "notebook", "new", "kernel_name")))
        async with self._opening:
            session = self._opened.get(wish) if asked.get("key") else None
            if session is None or session.is_gone or session.id not in self._sessions:
                session = await self._found(asked)
                self._opened[wish] = session
                while len(self._opened) > _MOST_KEYS:
                    self._opened.popitem(last=False)
        await self._greet(session)
        return session

    def forget(self, session: Session) -> None:
        """Forget a session; its kernel goes on."""
        self._sessions.pop(session.id, None)
        session.close()

    def kernel_interrupted(self, kernel_id: str) -> None:
        """Leave it: the kernel tells what it has stopped."""

    def kernel_ended(self, kernel_id: str, status: str, message: str) -> None:
        """Tell the session of a kernel that its memory is gone."""
        for session in self:
            if session.kernel_id == kernel_id:
                session.kernel_ended(status, message)

    def display_changed(self, kernel_id: str, display_id: str, content: dict[str, Any]) -> None:
        """Leave it: the session has heard of it."""

    async def _found(self, asked: Mapping[str, Any]) -> Session:
        if "kernel" in asked:
            return await self._of_kernel(asked["kernel"], await self._path_of(asked["kernel"]))
        kernel_name = await self._kernel_name(asked.get("kernel_name") or "")
        if "notebook" in asked:
            path = await self._notebook(asked["notebook"].strip("/"), kernel_name, may_make=asked.get("new", False))
        else:
            path = await self._new_worksheet(kernel_name)
        return await self._of_kernel(await self._execution.kernel_for(path, kernel_name), path)

    async def _of_kernel(self, kernel_id: str, path: str) -> Session:
        if kernel_id not in self._app.kernel_manager:
            raise NoSuchThing("There is no such kernel.", reason="no-such-kernel")
        for session in self:
            if session.kernel_id == kernel_id and not session.is_gone:
                return session
        self._make_room()
        sheet = Worksheet(self._notebooks, self._execution, kernel_id, path) if path else None
        kernel_name = state_of(self._app, kernel_id).name
        session = Session(self._execution, kernel_id, kernel_name, self._user, sheet)
        self._sessions[session.id] = session
        if sheet is not None:
            sheet.begin()
        return session

    def _make_room(self) -> None:
        for session in self:
            if len(self._sessions) < MOST_SESSIONS:
                return
            if session.is_gone and not session.followers:
                self.forget(session)
        if len(self._sessions) >= MOST_SESSIONS:
            raise TooMany(f"There are {MOST_SESSIONS} sessions already. Close some: session.list, session.close.")

    async def _greet(self, session: Session) -> None:
        connection = await session.connection()
        if not session.info:
            session.info = await self._info(session, connection)
            session.count = session.count or await self._count(session, connection)

    async def _info(self, session: Session, connection: Any) -> Mapping[str, Any]:
        # a kernel that is busy answers by the control channel; not every kernel answers there
        asked = [asyncio.ensure_future(connection.ask("kernel_info_request", {}, control=way)) for way in (True, False)]
        try:
            async with asyncio.timeout(60):
                done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            raise KernelDead("The kernel does not answer.") from None
        finally:
            for task in asked:
                task.cancel()
        info: Mapping[str, Any] = next(iter(done)).result()
        return info

    async def _count(self, session: Session, connection: KernelConnection) -> int:
        """Return how often the kernel has run code; 0 where it is too busy to tell."""
        options = {"silent": True, "store_history": False}
        try:
            async with asyncio.timeout(_COUNT_SECONDS):
                await session.until_idle()
                reply = await connection.execute("", "", Hidden(), options)
        except TimeoutError:
            return session.count
        return int(reply.get("execution_count") or 0)

    async def _path_of(self, kernel_id: str) -> str:
        for session in await self._app.session_manager.list_sessions():
            if session["type"] == "notebook" and session["kernel"] and session["kernel"]["id"] == kernel_id:
                return str(session["path"])
        return ""

    async def _kernel_name(self, wanted: str) -> str:
        known: Mapping[str, Any] = await ensure_async(self._specs.find_kernel_specs())
        if wanted and wanted not in known:
            raise NoSuchThing(f"There is no kernel named {wanted[:50]!r}. There are {', '.join(sorted(known))}.")
        # the site's own has come with the page from which its notebook was opened, if any was
        usual = (wanted, str(self._app.kernel_manager.default_kernel_name), NATIVE_KERNEL_NAME, *sorted(known))
        return next((name for name in usual if name in known), usual[1])

    async def _notebook(self, path: str, kernel_name: str, *, may_make: bool) -> str:
        parts = PurePosixPath(path).parts
        if not path.endswith(_SUFFIX) or ".." in parts or "\\" in path or "\0" in path:
            message = "The path of a notebook ends with .ipynb, and does not lead out of the user's folder."
            raise BadArguments(message, errors=[{"path": "notebook", "message": message}])
        path = str(PurePosixPath(path))
        if not await self._exists(path):
            if not may_make:
                raise NoSuchThing(f"There is no notebook {path[:200]!r}. To make it, say that it is new.")
            await self._make(path, kernel_name)
        return path

    async def _exists(self, path: str) -> bool:
        try:
            return bool(await ensure_async(self._app.contents_manager.file_exists(path)))
        except HTTPError:
            return False

    async def _new_worksheet(self, kernel_name: str) -> str:
        number = 1
        day = datetime.now(UTC).astimezone().date().isoformat()
        while await self._exists(path := f"console-{day}-{number}{_SUFFIX}"):
            number += 1
        await self._make(path, kernel_name)
        return path

    async def _make(self, path: str, kernel_name: str) -> None:
        specs = await ensure_async(self._specs.get_all_specs())
        spec = specs.get(kernel_name, {}).get("spec", {})
        kernel = {
            "name": kernel_name,
            "display_name": spec.get("display_name", kernel_name),
            "language": spec.get("language", ""),
        }
        content = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}, "cells": []}
        try:
            await make_notebook(self._app, path, content)
        except HTTPError as error:
            raise NoSuchThing(f"The notebook {path[:200]!r} cannot be made: {error.log_message}.") from None
        await ensure_async(self._app.contents_manager.trust_notebook(path))
