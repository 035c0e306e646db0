"""The kernels of a user's own server, for programs."""

from __future__ import annotations

import os
import threading
import uuid
from collections import deque
from typing import TYPE_CHECKING, Any

from ..errors import NotebookError, SettingsError
from ..site_client import at_origin
from ..sync.client.sites import Site
from .events import Event
from .posting import Poster
from .session import Session
from .sites import find, site_of

if TYPE_CHECKING:
    from .connection import Connection, Reopened

#: Seconds without a connection after which it is given up.
PATIENCE_SECONDS = 600.0
#: Events that may come before whoever opens their session has read the answer.
_MOST_UNCLAIMED = 10_000


class NotebookClient:
    """Kernels of a site, over one connection that is dialled again when it breaks off.

    Args:
        url: of the site, or of the user's notebooks there; empty for what ``PYRAMID_NOTEBOOK_URL`` says, or for the
            only site that this user is signed in to.
        token: with the scope ``console``; then ``url`` has to be that of the user's notebooks. Else the one that
            ``PYRAMID_NOTEBOOK_TOKEN`` holds, or that ``pyramid-notebook login`` has stored.
        name: what others are told of this program, 64 characters at most.
        patience: seconds without a connection after which it is given up.

    Raises:
        SiteError: it is no address, no site is certain, or the user is not signed in to it.
        SettingsError: a package is missing.
    """

    def __init__(
        self, url: str = "", *, token: str = "", name: str = "program", patience: float = PATIENCE_SECONDS
    ) -> None:
        _check_packages()
        self.site: Site = site_of(url, token) if token else find(url, os.environ)
        self._name = name
        self._patience = patience
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}
        self._unclaimed: deque[Event] = deque(maxlen=_MOST_UNCLAIMED)
        self._opening = 0
        self._poster = Poster(self.site)
        self._connection = self._new_connection()

    def __enter__(self) -> NotebookClient:
        return self

    def __exit__(self, *about: object) -> None:
        self.close()

    def open(
        self,
        *,
        notebook: str = "",
        kernel: str = "",
        new: bool = False,
        kernel_name: str = "",
        after: int | None = None,
    ) -> Session:
        """Attach to a kernel, or start one.

        Args:
            notebook: attach to the kernel of this notebook, and start it if need be.
            kernel: attach to the kernel with this id. Neither: a new notebook, and its kernel.
            new: whether the notebook may be a new one.
            kernel_name: which kernel to start.
            after: number of the last event that is known already; those that came later are told first.

        Raises:
            RpcRefused: there is no such notebook or kernel.
            Refusal: the site does not let it pass.
            SiteUnreachable: there is no answer.
        """
        wishes = {"notebook": notebook, "kernel": kernel, "new": new, "kernel_name": kernel_name}
        params: dict[str, Any] = {name: value for name, value in wishes.items() if value}
        params |= {"name": self._name, "key": uuid.uuid4().hex}
        if after is not None:
            params["after"] = after
        with self._lock:
            self._opening += 1
        try:
            opened = self._connection.call("session.open", params)
            return self._claim(opened if isinstance(opened, dict) else {}, params)
        finally:
            with self._lock:
                self._opening -= 1
                if not self._opening:
                    self._unclaimed.clear()

    def sessions(self) -> list[dict[str, Any]]:
        """Return what sessions there are: ``session``, ``kernel``, ``notebook``, ``state`` and more.

        Raises:
            NotebookError: see :meth:`call`.
        """
        found = self.call("session.list")
        return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []

    def call(self, method: str, **params: Any) -> Any:
        """Call any method by itself, over HTTP POST.

        Args:
            method: its name, see the reference of ``rpc``.
            params: its parameters.

        Raises:
            RpcRefused: the server answers with an error.
            Refusal: the site does not let it pass.
            SiteUnreachable: there is no answer.
        """
        return self._poster.call(method, params)

    def document(self) -> dict[str, Any]:
        """Return the OpenRPC document, which describes all methods; raises as :meth:`call`."""
        return self._poster.document()

    def close(self) -> None:
        """Leave all sessions; their kernels go on."""
        for session in list(self._sessions.values()):
            session.close()
        self._connection.close()
        self._poster.close()

    def break_off(self) -> None:
        """Drop the connection as if the network had failed; it is dialled again at once."""
        self._connection.break_off()

    def reopenings(self) -> dict[str, dict[str, Any]]:
        """Return, by session, with which parameters it has to be opened on a new connection."""
        with self._lock:
            return {identity: session.reopening for identity, session in self._sessions.items()}

    def reopened(self, session: str, answer: Reopened) -> None:
        """Hear what came of that."""
        with self._lock:
            known = self._sessions.pop(session, None)
        if known is None:
            return
        known.reopened(answer)
        with self._lock:
            if not answer.error:
                self._sessions[known.id] = known

    def take(self, event: Event) -> None:
        """Hear an event."""
        with self._lock:
            session = self._sessions.get(event.session)
            if session is None:
                if self._opening:
                    self._unclaimed.append(event)
                return
        session.take(event)

    def connection_changed(self, *, is_open: bool) -> None:
        """Hear that the connection has broken off, or is there again."""
        for session in list(self._sessions.values()):
            session.connection_changed(is_open=is_open)

    def failed(self, error: NotebookError) -> None:
        """Hear that there will be no connection any more."""
        for session in list(self._sessions.values()):
            session.end(error)

    def _new_connection(self) -> Connection:
        from .connection import Connection

        return Connection(self.site, self, patience=self._patience)

    def _claim(self, opened: dict[str, Any], params: dict[str, Any]) -> Session:
        address = opened.get("address")
        url = at_origin(self.site.notebooks, address) if isinstance(address, str) and address else ""
        session = Session(self._connection, opened, params, url, self._forget)
        with self._lock:
            if session.id in self._sessions:  # the same kernel was opened twice
                return self._sessions[session.id]
            for event in self._unclaimed:
                if event.session == session.id:
                    session.take(event)
            self._sessions[session.id] = session
        return session

    def _forget(self, session: Session) -> None:
        with self._lock:
            self._sessions.pop(session.id, None)


def _check_packages() -> None:
    from importlib.util import find_spec

    missing = [name for name in ("requests", "ws4py") if find_spec(name) is None]
    if missing:
        raise SettingsError(
            f'{" and ".join(missing)} must be installed for this: pip install "pyramid_notebook[client]"'
        )
