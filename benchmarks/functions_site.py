"""The demo site with a user whose notebooks are called, for the benchmarks of functions."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import quote

from pyramid_notebook.files import private_folder
from pyramid_notebook.layout import UserFolder
from pyramid_notebook.proxy.connection import dial
from pyramid_notebook.record import SECRET_HEADER, TOKEN_HEADER, ServerRecord
from pyramid_notebook.scopes import Grant, Scope
from pyramid_notebook.settings import Settings
from pyramid_notebook.tokens.database import open_store
from tests.functions.callers import notebook
from tests.running import Site, demo_site

USER = "admin"
_SECONDS = 60.0


class Direct(HTTPConnection):
    """A connection past the door."""

    def __init__(self, record: ServerRecord) -> None:
        super().__init__("localhost", timeout=_SECONDS)
        self._record = record

    def connect(self) -> None:
        self.sock = dial(self._record, _SECONDS)


class Line:
    """A connection that is kept, and calls notebooks with POST.

    Args:
        connection: to the site, or past it.
        base: URL path of the user server.
        fields: that say who calls.
    """

    def __init__(self, connection: HTTPConnection, base: str, fields: dict[str, str]) -> None:
        self._connection = connection
        self._base = base
        self._fields = {**fields, "Content-Type": "application/json"}

    def send(self, path: str, values: Any) -> None:
        """Send a call, and do not wait for its answer."""
        if self._connection.sock is None:
            self._connection.connect()
            opened: socket.socket = self._connection.sock  # type: ignore[assignment]
            if opened.family != socket.AF_UNIX:
                opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        body = json.dumps(values).encode()
        self._connection.request("POST", f"{self._base}restified/{quote(path)}", body, self._fields)

    def ask(self, path: str, **values: Any) -> tuple[HTTPResponse, Any]:
        """Call a notebook; returns the answer, and the JSON in it."""
        self.send(path, values)
        return self.receive()

    def receive(self) -> tuple[HTTPResponse, Any]:
        """Return the answer to what was sent, and the JSON in it."""
        answer = self._connection.getresponse()
        return answer, json.loads(answer.read())

    def call(self, path: str, **values: Any) -> Any:
        """Return what a notebook returns."""
        answer, told = self.ask(path, **values)
        assert answer.status == 200, told
        return told

    def close(self) -> None:
        """Go away, also while an answer is under way."""
        self._connection.close()


@dataclass(frozen=True, slots=True)
class FunctionSite:
    """A site with one user, who has a token.

    Attributes:
        site: that runs.
        token: of the user, for calls.
    """

    site: Site
    token: str

    @property
    def folder(self) -> UserFolder:
        """The user's folder."""
        return UserFolder(self.site.folder / "notebooks" / USER)

    @property
    def record(self) -> ServerRecord:
        """The user server, which must run."""
        record = self.site.manager.find(USER)
        assert record
        return record

    def write(self, path: str, *cells: dict[str, Any], **options: Any) -> None:
        """Put a notebook into the user's folder."""
        for folder in (self.folder.path, self.folder.work):
            private_folder(folder)
        (self.folder.work / path).write_text(json.dumps(notebook(*cells, **options)))

    def line(self) -> Line:
        """Return a new connection through the door."""
        connection = HTTPConnection("127.0.0.1", self.site.port, timeout=_SECONDS)
        return Line(connection, f"/notebook/{USER}/", {"Authorization": f"Bearer {self.token}"})

    def direct(self) -> Line:
        """Return a new connection past the door, with what the door would add."""
        record = self.record
        return Line(Direct(record), record.base_url, {SECRET_HEADER: record.secret, TOKEN_HEADER: "1"})


@contextmanager
def function_site(**settings: str) -> Iterator[FunctionSite]:
    """Run a demo site with a user who has a token for calls.

    Args:
        settings: more ``pyramid_notebook.*`` settings.
    """
    with demo_site(settings, static=False) as site:
        with closing(open_store(Settings(notebook_folder=str(site.folder / "notebooks")))) as store:
            _, token = store.create(USER, "benchmark", [Grant(Scope.RUN)], 3600)
        yield FunctionSite(site, token)
