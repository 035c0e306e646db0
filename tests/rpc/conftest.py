"""One user server, with the kernel of a site's notebook."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.server.daemons import Daemon, daemon_in

from .clients import Socket, connected, post


@dataclass(frozen=True)
class Opened:
    """A session, and a client of it.

    Attributes:
        server: the user server.
        about: what ``session.open`` answered.
        socket: follows it.
    """

    server: Daemon
    about: dict[str, Any]
    socket: Socket

    @property
    def id(self) -> str:
        return str(self.about["session"])

    def run(self, code: str, **params: Any) -> list[dict[str, Any]]:
        """Run code, and return its events."""
        return self.socket.run(self.id, code, **params)


@pytest.fixture(scope="package")
def server() -> Iterator[Daemon]:
    """A user server; each test may have what it opens there."""
    temporary = tempfile.TemporaryDirectory(prefix="pnb-test-", ignore_cleanup_errors=True)
    with temporary as folder, daemon_in(Path(folder, "alice")) as daemon:
        daemon.start()
        daemon.open_context()
        yield daemon


@pytest.fixture(scope="module")
def kernel(server: Daemon) -> str:
    """The kernel of a worksheet, for all tests of a module that leave it running."""
    return str(post(server, "session.open")["kernel"])


@pytest.fixture
def session(server: Daemon, kernel: str) -> Iterator[Opened]:
    """A session that a websocket follows, idle at first."""
    with connected(server) as socket:
        yield Opened(server, socket.call("session.open", kernel=kernel, name="terminal"), socket)
