"""A small site that answers as a test tells it to, also in ways in which no real one will."""

from __future__ import annotations

import json
import sys
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from pyramid_notebook import cli

Run = Callable[..., tuple[int, str, str]]
TOKEN = "pnb_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"
PREFIX = "/notebook/alice/"

SYNCED = {
    "notebook": "reports/x.ipynb",
    "rule": "tail",
    "rev": "1" * 32,
    "saved": True,
    "cells": [],
    "deleted": [],
    "conflicts": [],
    "pull": False,
}


@dataclass(frozen=True)
class Request:
    """One request that came."""

    method: str
    verb: str
    query: dict[str, str]
    headers: dict[str, str]
    body: dict[str, Any]


Reply = Callable[["Handler", Request], None]


@dataclass
class EditorSite:
    """The site."""

    port: int = 0
    requests: list[Request] = field(default_factory=list)
    connections: set[int] = field(default_factory=set)
    replies: dict[str, deque[Reply]] = field(default_factory=lambda: defaultdict(deque))
    came: threading.Condition = field(default_factory=threading.Condition)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{PREFIX}"

    def says(self, verb: str, *answers: dict[str, Any] | Reply) -> None:
        """The next answers to a verb; the last one stays."""
        self.replies[verb] = deque(answer if callable(answer) else says(answer) for answer in answers)

    def bodies(self, verb: str) -> list[dict[str, Any]]:
        """What was posted so far."""
        return [request.body for request in list(self.requests) if request.verb == verb]

    def wait_for(self, verb: str, number: int = 1, *, seconds: float = 30.0) -> list[Request]:
        """Wait for so many requests, and return them."""

        def found() -> list[Request]:
            return [request for request in self.requests if request.verb == verb]

        with self.came:
            assert self.came.wait_for(lambda: len(found()) >= number, seconds), (verb, self.requests)
            return found()


class Handler(BaseHTTPRequestHandler):
    """Answers one connection's requests."""

    protocol_version = "HTTP/1.1"
    site: EditorSite

    def handle_any(self) -> None:
        """Answer as the test has said."""
        parts = urlsplit(self.path)
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        verb = parts.path.removeprefix(PREFIX)
        request = Request(
            self.command, verb, dict(parse_qsl(parts.query)), dict(self.headers.items()), json.loads(data or b"{}")
        )
        with self.site.came:
            self.site.requests.append(request)
            self.site.connections.add(id(self))
            self.site.came.notify_all()
        replies = self.site.replies[verb]
        reply = replies.popleft() if len(replies) > 1 else replies[0] if replies else says({}, status=404)
        with suppress(ConnectionError):
            reply(self, request)

    do_GET = do_POST = do_DELETE = handle_any  # noqa: N815 - the names of http.server

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.wfile.write(data)
        self.wfile.flush()


def says(values: Any, *, status: int = 200, **headers: str) -> Reply:
    """Answer with JSON, or with bytes as they are."""
    body = values if isinstance(values, bytes) else json.dumps(values).encode()

    def reply(handler: Handler, request: Request) -> None:
        handler.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.send(body)

    return reply


def refuses(status: int, reason: str, message: str = "That cannot be done.", **more: Any) -> Reply:
    """Answer with an error of the user server."""
    return says({"reason": reason, "message": message, **more}, status=status)


def event(name: str, /, **values: Any) -> bytes:
    return f"event: {name}\ndata: {json.dumps(values)}\n\n".encode()


def streams(*parts: bytes, then: Callable[[], object] | None = None, is_cut: bool = False) -> Reply:
    """Answer with a stream of events, chunk by chunk; then wait for something; is_cut: the stream breaks off."""

    def reply(handler: Handler, request: Request) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream; charset=utf-8")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for part in parts:
            handler.send(b"%x\r\n%s\r\n" % (len(part), part))
        if then:
            then()
        if is_cut:
            handler.close_connection = True
        else:
            handler.send(b"0\r\n\r\n")

    return reply


def hangs_up(handler: Handler, request: Request) -> None:
    """Close the connection without an answer."""
    handler.close_connection = True


def breaks_off(handler: Handler, request: Request) -> None:
    """Close the connection within the answer."""
    handler.send(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"notebook": "')
    handler.close_connection = True


class Server(ThreadingHTTPServer):
    """Clients of these tests hang up whenever they like."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Tell of everything else."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def editor_site(port: int = 0) -> Iterator[EditorSite]:
    """Serve it."""
    site = EditorSite()
    handler = type("OfSite", (Handler,), {"site": site})
    server = Server(("127.0.0.1", port), handler)
    site.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def command_runner(capsys: pytest.CaptureFixture[str], *first: str) -> Run:
    """Return what runs a command in this process, and returns its exit code and what it printed: never the token."""

    def run(*arguments: str) -> tuple[int, str, str]:
        try:
            code = cli.main((*first, *arguments))
        except SystemExit as ended:
            code = int(ended.code or 0)
        output, errors = capsys.readouterr()
        assert TOKEN not in output + errors
        return code, output, errors

    return run
