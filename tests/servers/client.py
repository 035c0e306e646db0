"""Clients that send what they are told to the byte, and lose nothing of what comes back."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any

from websockets import Origin
from websockets.sync.client import ClientConnection, connect

from .ways import Served

SECONDS = 20.0
_KEY = "dGhlIHNhbXBsZSBub25jZQ=="
HANDSHAKE = (
    ("Upgrade", "websocket"),
    ("Connection", "Upgrade"),
    ("Sec-WebSocket-Key", _KEY),
    ("Sec-WebSocket-Version", "13"),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, read to its end.

    Attributes:
        status: code.
        reason: phrase.
        fields: header fields in their order.
        body: without the framing.
    """

    status: int
    reason: str
    fields: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        """Return the values of all fields of a name."""
        return [value for key, value in self.fields if key.lower() == name.lower()]

    def one(self, name: str) -> str:
        """Return the value of the only field of a name, or nothing."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} came {len(values)} times: {values}"
        return values[0] if values else ""


class Client:
    """One connection to a site.

    Args:
        connection: to the web server.
        served: the site.
    """

    def __init__(self, connection: socket.socket, served: Served) -> None:
        self.socket = connection
        self._served = served

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def ask(
        self,
        method: str,
        path: str,
        fields: Iterable[tuple[str, str]] = (),
        body: bytes | None = None,
        *,
        user: str = "",
        version: str = "1.1",
    ) -> None:
        """Send a request.

        Args:
            method: HTTP method.
            path: raw path and query; one without a slash at its start is taken below the user server's base URL.
            fields: more header fields.
            body: with its length; None for none.
            user: who is signed in; empty for the owner of the user server, ``-`` for nobody.
            version: of HTTP.
        """
        target = path if path.startswith(("/", "http:")) else self._served.base + path
        own = {"Host": f"127.0.0.1:{self._served.port}", **self._served.headers}
        if user:
            own["Cookie"] = f"user={user}"
        if user == "-":
            del own["Cookie"]
        given = [*own.items(), *fields]
        if body is not None:
            given.append(("Content-Length", str(len(body))))
        lines = [f"{method} {target} HTTP/{version}", *(f"{name}: {value}" for name, value in given)]
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b""))

    def begin(self, method: str = "GET") -> HTTPResponse:
        """Read the head of an answer; its body can be read from what this returns."""
        response = HTTPResponse(self.socket, method=method)
        response.begin()
        return response

    def answer(self, method: str = "GET") -> Answer:
        """Read an answer to its end.

        Raises:
            http.client.HTTPException: it broke off.
            OSError: the connection did.
        """
        response = self.begin(method)
        body = response.read()
        return Answer(response.status, response.reason, response.getheaders(), body)

    def rest(self) -> bytes:
        """Return all that comes until the other end hangs up, in order or not."""
        received = bytearray()
        try:
            while data := self.socket.recv(1 << 16):
                received += data
        except ConnectionError:
            pass
        return bytes(received)


@contextmanager
def connected(served: Served, *, receive_buffer: int = 0) -> Iterator[Client]:
    """Open a connection to a site.

    Args:
        served: the site.
        receive_buffer: bytes that the kernel may hold for us; 0 for as many as it likes.
    """
    with socket.socket() as connection:
        connection.settimeout(SECONDS)
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.connect(("127.0.0.1", served.port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield Client(connection, served)


def ask(
    served: Served,
    method: str,
    path: str,
    fields: Iterable[tuple[str, str]] = (),
    body: bytes | None = None,
    *,
    user: str = "",
) -> Answer:
    """Ask on a connection of its own, see :meth:`Client.ask`."""
    with connected(served) as client:
        client.ask(method, path, fields, body, user=user)
        return client.answer(method)


@contextmanager
def websocket(served: Served, path: str, *, user: str = "", **options: Any) -> Iterator[ClientConnection]:
    """Open a websocket below the base URL, without compression unless it is asked for.

    Args:
        served: the site.
        path: and query.
        user: who is signed in; empty for the owner of the user server. The path is below their base URL.
        options: for the client of the package ``websockets``.
    """
    base = f"{served.mount}/notebook/{user}/" if user else served.base
    fields = served.headers_of(user or served.user)
    usual: dict[str, Any] = {"compression": None, "max_size": None, "ping_interval": None, "proxy": None}
    with connect(
        f"ws://127.0.0.1:{served.port}{base}{path}",
        additional_headers={"Cookie": fields["Cookie"]},
        origin=Origin(fields["Origin"]),
        open_timeout=SECONDS,
        close_timeout=SECONDS,
        legacy=True,
        **usual | options,
    ) as connection:
        yield connection
