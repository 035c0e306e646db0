"""Notebooks that are functions, and programs that call them at a real user server."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from pyramid_notebook.record import SECRET_HEADER, TOKEN_HEADER, ServerRecord
from tests.server.daemons import Daemon

PATIENCE = 60.0


def code(source: str, *tags: str) -> dict[str, Any]:
    metadata = {"tags": list(tags)} if tags else {}
    return {"cell_type": "code", "metadata": metadata, "source": source, "outputs": [], "execution_count": None}


def markdown(source: str, *tags: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {"tags": list(tags)}, "source": source}


def notebook(
    *cells: dict[str, Any], kernel: str = "python3", language: str = "python", **options: Any
) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "kernelspec": {"name": kernel, "display_name": kernel, "language": language},
        "language_info": {"name": language},
    }
    if options:
        metadata["pyramid_notebook"] = options
    numbered = [{"id": f"cell-{number}", **cell} for number, cell in enumerate(cells)]
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": numbered}


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Any
    body: bytes

    @property
    def type(self) -> str:
        return str(self.headers["Content-Type"])

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def reason(self) -> str:
        """Of problem details."""
        assert self.type == "application/problem+json", (self.status, self.type, self.body)
        return str(self.json["type"].rpartition(":")[2])


class Connection(HTTPConnection):
    """A connection to the socket of a user server."""

    def __init__(self, record: ServerRecord) -> None:
        super().__init__("localhost", timeout=PATIENCE)
        self._path = record.socket

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(self._path)


class Caller:
    """Calls notebooks of a user server as the door passes it on.

    Args:
        daemon: the user server.
        token: name of the token that it comes with; empty for the session of the owner.
    """

    def __init__(self, daemon: Daemon, token: str = "run") -> None:
        self.daemon, self.token = daemon, token

    def write(self, path: str, *cells: dict[str, Any], **options: Any) -> str:
        """Put a notebook into the user's folder; returns its path."""
        return self.write_notebook(path, notebook(*cells, **options))

    def write_notebook(self, path: str, content: dict[str, Any]) -> str:
        """Put a notebook with this content there."""
        place = Path(self.daemon.folder.work, path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(content))
        return path

    @contextmanager
    def asking(self, method: str, address: str, body: bytes | None = None, **fields: str) -> Iterator[HTTPResponse]:
        """Send a request, and yield the answer with its body to be read."""
        record = self.daemon.record
        headers = {SECRET_HEADER: record.secret, **({TOKEN_HEADER: self.token} if self.token else {})}
        if not self.token:
            headers |= {"Cookie": "_xsrf=one", "X-XSRFToken": "one"}
        headers |= {name.replace("_", "-"): value for name, value in fields.items()}
        with closing(Connection(record)) as connection:
            with suppress(BrokenPipeError):  # refused, and closed, before the body has left
                connection.request(method, f"{record.base_url}{address}", body, headers)
            yield connection.getresponse()

    def ask(self, method: str, address: str, body: bytes | None = None, **fields: str) -> Answer:
        with self.asking(method, address, body, **fields) as response:
            answer = Answer(response.status, response.headers, response.read())
        assert "failed; its log" not in answer.body.decode("latin-1"), self.daemon.log[-4000:]
        return answer

    def get(self, path: str, pairs: Any = (), **fields: str) -> Answer:
        """Call a notebook with a query."""
        query = urlencode(pairs)
        return self.ask("GET", f"restified/{quote(path)}{'?' if query else ''}{query}", **fields)

    def post(self, path: str, values: Any, **fields: str) -> Answer:
        """Call a notebook with JSON."""
        fields = {"Content_Type": "application/json", **fields}
        body = values if isinstance(values, bytes) else json.dumps(values).encode()
        return self.ask("POST", f"restified/{quote(path)}", body, **fields)

    def value(self, path: str, **values: Any) -> Any:
        """Return what a notebook returns."""
        answer = self.post(path, values)
        assert answer.status == 200, answer.body
        return answer.json
