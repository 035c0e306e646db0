"""Clients of the JSON-RPC API of a user server, as bare as can be."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import websocket
from jsonschema import Draft202012Validator

from pyramid_notebook.proxy.connection import dial
from pyramid_notebook.proxy.upstream import exchange
from pyramid_notebook.record import SECRET_HEADER, TOKEN_HEADER
from pyramid_notebook.rpc.methods import METHODS
from tests.server.daemons import Daemon

_PATIENCE = 60.0
_NUMBERS = itertools.count(1)


def request(method: str, request_id: int | None = 1, **params: Any) -> dict[str, Any]:
    """Return a request."""
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}


@dataclass(frozen=True)
class Posted:
    """What came back of a POST: status, and the body's JSON or None."""

    status: int
    message: Any


def send(server: Daemon, body: bytes, **fields: str) -> Posted:
    """Post a body, as the door passes it on for a program with a token."""
    named = {
        "Host": "localhost",
        SECRET_HEADER: server.record.secret,
        TOKEN_HEADER: "a token",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Connection": "close",  # a refusal may end it before the next request
        **{name.replace("_", "-"): value for name, value in fields.items()},
    }
    target = f"{server.record.base_url}rpc"
    answer = exchange(server.record, "POST", target, headers=list(named.items()), body=[body], timeout=_PATIENCE)
    text = b"".join(iter(answer.read, b""))
    return Posted(answer.status, json.loads(text) if text else None)


def post(server: Daemon, method: str, **params: Any) -> Any:
    """Post a request, and return its result; an error fails the test."""
    answer = send(server, json.dumps(request(method, **params)).encode()).message
    assert "error" not in answer, answer
    Draft202012Validator(dict(METHODS[method].result)).validate(answer["result"])
    return answer["result"]


def error_of(server: Daemon, method: str, **params: Any) -> dict[str, Any]:
    """Post a request that fails, and return the error."""
    answer = send(server, json.dumps(request(method, **params)).encode()).message
    assert "result" not in answer, answer
    return dict(answer["error"])


@dataclass
class Socket:
    """A websocket to the API.

    Attributes:
        connection: of websocket-client.
        events: notifications that have come and nobody has taken yet, in their order.
    """

    connection: websocket.WebSocket
    events: list[dict[str, Any]] = field(default_factory=list)
    answers: dict[Any, dict[str, Any]] = field(default_factory=dict)

    def call(self, method: str, **params: Any) -> Any:
        """Send a request, and return its result; an error fails the test."""
        answer = self.answer(self.ask(method, **params))
        assert "error" not in answer, answer
        Draft202012Validator(dict(METHODS[method].result)).validate(answer["result"])
        return answer["result"]

    def ask(self, method: str, **params: Any) -> int:
        """Send a request, and return its id."""
        number = next(_NUMBERS)
        self.connection.send(json.dumps(request(method, number, **params)))
        return number

    def answer(self, number: int | None) -> dict[str, Any]:
        """Return the answer to a request."""
        while number not in self.answers:
            self._take()
        return self.answers.pop(number)

    def event(self) -> dict[str, Any]:
        """Return the next event, with its name as ``event``."""
        while not self.events:
            self._take()
        return self.events.pop(0)

    def until(self, name: str, **params: Any) -> list[dict[str, Any]]:
        """Return the events up to the next one with a name and such parameters."""
        found = []
        while True:
            event = self.event()
            found.append(event)
            if event["event"] == name and params.items() <= event.items():
                return found

    def run(self, session: str, code: str, **params: Any) -> list[dict[str, Any]]:
        """Run code, and return the events of that."""
        execution = self.call("execute", session=session, code=code, **params)["execution"]
        events = self.until("end", execution=execution)
        return [event for event in events if event.get("execution") == execution]

    def close(self) -> None:
        """Hang up."""
        self.connection.shutdown()

    def _take(self) -> None:
        message = json.loads(self._frame())
        for one in message if isinstance(message, list) else [message]:
            if "method" in one:
                self.events.append({"event": one["method"], **one["params"]})
            else:
                self.answers[one["id"]] = one

    def _frame(self) -> bytes:
        """Return the next frame of text; pings, which come for ever, do not make it wait for ever."""
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            kind, frame = self.connection.recv_data_frame(control_frame=True)
            if kind == websocket.ABNF.OPCODE_TEXT:
                return bytes(frame.data)
            assert kind != websocket.ABNF.OPCODE_CLOSE, "the server has closed the websocket"
        raise TimeoutError("Nothing has come.")


@contextmanager
def connected(server: Daemon, **fields: str) -> Iterator[Socket]:
    """Open a websocket, as the door passes it on for a program with a token."""
    connection = websocket.WebSocket()
    connection.settimeout(_PATIENCE)
    connection.connect(
        f"ws://localhost{server.record.base_url}rpc",
        socket=dial(server.record, _PATIENCE),
        header={SECRET_HEADER: server.record.secret, TOKEN_HEADER: "a token", **fields},
        suppress_origin="Origin" not in fields,
    )
    with closing(Socket(connection)) as socket:
        yield socket
