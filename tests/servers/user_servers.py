"""Starts user servers for the tests, tells them what to do, and asks them what they saw."""

from __future__ import annotations

import base64
import grp
import http.client
import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from pyramid_notebook import processes
from pyramid_notebook.names import slug
from pyramid_notebook.record import ServerRecord

from ..proxy.nginx_server import GROUP

SECRET = "secret-of-a-launch-9b1c5e7d"
#: One step of a script, see :mod:`.upstream`.
Step = tuple[Any, ...]
_SECONDS = 20.0


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


@dataclass(frozen=True, slots=True)
class UserServer:
    """A user server in a process of its own, see :mod:`.upstream`.

    Attributes:
        record: as the door finds it.
        process: of the server.
    """

    record: ServerRecord
    process: subprocess.Popen[bytes]

    def script(self, *steps: Step, below: str = "") -> str:
        """Say how to answer a request; returns the path for it, below the base URL and perhaps a folder."""
        name = f"{below}script/{next(_numbers)}"
        self._control("PUT", name, json.dumps([[_plain(part) for part in step] for step in steps]).encode())
        return name

    def answer(self, head: str, body: bytes = b"") -> str:
        """Say how to answer a request, byte for byte; line ends of the head are turned into those of HTTP."""
        raw = head.strip().replace("\n", "\r\n").encode("latin-1")
        return self.script(("body",), ("send", raw + b"\r\n\r\n" + body))

    def go_on(self, path: str) -> None:
        """Let a script go on that holds."""
        self._control("POST", path)

    def seen(self, path: str) -> list[dict[str, Any]]:
        """Return what came for a path below the base URL: for each request its head, and what became of it."""
        found: list[dict[str, Any]] = self._control("GET", path)
        return found

    def facts(self) -> dict[str, int]:
        """Return how many requests came, and how many connections and descriptors are open."""
        found: dict[str, int] = self._control("GET", "")
        return found

    def until(self, path: str, condition: Callable[[dict[str, Any]], Any], what: str) -> dict[str, Any]:
        """Wait until a condition holds for the last request for a path, and return what is known of it."""
        found: dict[str, Any] = until(lambda: next(filter(condition, self.seen(path)[-1:]), None), what)
        return found

    def until_it_has(self, path: str, length: int) -> None:
        """Wait until so many bytes have come of the body of the last request for a path."""
        self.until(path, lambda known: known["length"] == length, f"{length} bytes of the body")

    def kill(self) -> None:
        """End its process at once."""
        self.process.kill()
        self.process.wait()

    def _control(self, method: str, path: str, body: bytes | None = None) -> Any:
        with closing(_UnixConnection(f"{self.record.socket}.control")) as connection:
            connection.request(method, f"/{path}", body)
            answer = connection.getresponse()
            text = answer.read()
        assert answer.status == 200, text
        return json.loads(text)


def _plain(part: bytes | str | int) -> str | int:
    return base64.b64encode(part).decode() if isinstance(part, bytes) else part


_numbers = count(1)


@contextmanager
def user_server(user: str = "alice", *, mount: str = "") -> Iterator[UserServer]:
    """Run a user server; it listens when this returns.

    Args:
        user: whose it is.
        mount: URL path of its site.
    """
    base = f"{mount}/notebook/{slug(user)}/"
    with tempfile.TemporaryDirectory(prefix="pnb-test-") as folder:
        path = str(Path(folder, "s"))
        command = [sys.executable, "-P", str(Path(__file__).with_name("upstream.py")), path, base]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            try:
                assert process.stdout.readline() == b"listens\n"
                open_to_group(Path(folder), Path(path))
                yield UserServer(_record(user, base, path, process.pid), process)
            finally:
                process.kill()


def open_to_group(folder: Path, path: Path) -> None:
    """Let nginx's workers reach the socket, as a real daemon does with the setting ``socket_group``."""
    number = grp.getgrnam(GROUP).gr_gid
    for place, mode in ((folder, 0o710), (path, 0o660)):
        os.chown(place, -1, number)
        place.chmod(mode)


def _record(user: str, base: str, path: str, pid: int) -> ServerRecord:
    return ServerRecord(
        pid=pid,
        identity=str(processes.identity(pid)),
        launch_id=secrets.token_hex(16),
        user=user,
        base_url=base,
        socket=path,
        secret=SECRET,
        started=time.time(),
        socket_group=GROUP,
    )


def until(condition: Callable[[], Any], what: str, *, seconds: float = _SECONDS) -> Any:
    """Wait for a condition, and return its value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {seconds:g} s for: {what}"
        time.sleep(0.005)
    return value
