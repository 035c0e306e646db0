"""The demo site with a user who has a token for kernels, and connections to its address ``rpc``."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import websocket

from pyramid_notebook.credentials import Credential, CredentialFile
from pyramid_notebook.proxy.connection import dial
from pyramid_notebook.record import SECRET_HEADER, TOKEN_HEADER, ServerRecord
from pyramid_notebook.scopes import Grant, Scope
from pyramid_notebook.settings import Settings
from pyramid_notebook.tokens.database import open_store
from tests.running import Site, demo_site

USER = "admin"
_SECONDS = 60.0
#: JSON is decoded in any case, and websocket-client's own check takes longer than all the rest of an answer.
_OPTIONS: dict[str, Any] = {"timeout": _SECONDS, "skip_utf8_validation": True}


class Line:
    """A websocket with one session, whose client does as little as can be.

    Args:
        connection: that is open.
    """

    def __init__(self, connection: websocket.WebSocket) -> None:
        self._connection = connection
        self._ids = itertools.count()
        self._waiting: list[dict[str, Any]] = []
        opened = self.call("session.open")  # a new notebook and its kernel, as the console begins
        self.session, self.kernel = opened["session"], opened["kernel"]

    def call(self, method: str, **params: Any) -> Any:
        """Return the result of a method."""
        number = self._send(method, params)
        while True:
            message = self._next()
            if message.get("id") == number:
                assert "result" in message, message
                return message["result"]

    def execute(self, code: str) -> tuple[float, str]:
        """Return how many seconds it takes until the end of an execution is told, and what it prints."""
        begun = time.perf_counter()
        number = self._send("execute", {"session": self.session, "code": code})
        execution, texts, ended = "", [], ""
        while not ended or ended != execution:
            message = self._next()
            if message.get("id") == number:
                assert "result" in message, message
                execution = message["result"]["execution"]
            elif message.get("method") == "stream":
                texts.append(message["params"]["text"])
            elif message.get("method") == "end":
                assert message["params"]["status"] == "ok", message
                ended = message["params"]["execution"]
        return time.perf_counter() - begun, "".join(texts)

    def complete(self, code: str) -> float:
        """Return how many seconds completions take, of which there must be some."""
        begun = time.perf_counter()
        found = self.call("complete", session=self.session, code=code, cursor=len(code))
        taken = time.perf_counter() - begun
        assert len(found["matches"]) > 100, found
        return taken

    def close(self) -> None:
        """End the kernel, and go away."""
        self.call("shutdown", session=self.session)
        self.leave()

    def leave(self) -> None:
        """Go away; the kernel runs on."""
        self._connection.close()

    def _send(self, method: str, params: dict[str, Any]) -> int:
        number = next(self._ids)
        self._connection.send(json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}))
        return number

    def _next(self) -> dict[str, Any]:
        if not self._waiting:
            told = json.loads(self._connection.recv())
            self._waiting = told if isinstance(told, list) else [told]
        return self._waiting.pop(0)


@dataclass(frozen=True, slots=True)
class ConsoleSite:
    """A site with one user, who has a token.

    Attributes:
        site: that runs.
        token: of the user, for kernels.
    """

    site: Site
    token: str

    @property
    def notebooks(self) -> str:
        """Address of the user's notebooks, with a slash at its end."""
        return f"{self.site.url}/notebook/{USER}/"

    def line(self) -> Line:
        """Return a new connection through the door."""
        address = f"{self.notebooks.replace('http', 'ws')}rpc"
        fields = {"Authorization": f"Bearer {self.token}"}
        return Line(websocket.create_connection(address, header=fields, **_OPTIONS))

    def direct(self) -> Line:
        """Return a new connection past the door, with what the door would add; the user server must run."""
        record: ServerRecord | None = self.site.manager.find(USER)
        assert record
        fields = {SECRET_HEADER: record.secret, TOKEN_HEADER: "1"}
        address = f"ws://localhost{record.base_url}rpc"
        opened = dial(record, _SECONDS)
        return Line(websocket.create_connection(address, header=fields, socket=opened, **_OPTIONS))

    def sign_in(self, home: Path) -> None:
        """Leave in a home folder what ``pyramid-notebook login`` leaves there."""
        path = home / ".config" / "pyramid-notebook" / "credentials.json"
        credential = Credential(f"{self.site.url}/notebook", self.token, USER, self.notebooks)
        CredentialFile(path).save(credential)


@contextmanager
def console_site() -> Iterator[ConsoleSite]:
    """Run a demo site with a user who has a token for kernels."""
    with demo_site() as site:
        with closing(open_store(Settings(notebook_folder=str(site.folder / "notebooks")))) as store:
            _, token = store.create(USER, "benchmark", [Grant(Scope.CONSOLE)], 3600)
        yield ConsoleSite(site, token)
