"""A user server with a kernel whose end of the channel the tests are."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pyramid_notebook.channel.places import socket_of
from tests.server.daemons import Daemon, Kernel, daemon_in

from .listening import Listening, Speak, listening


@dataclass(frozen=True)
class Way:
    """The way to a kernel.

    Attributes:
        server: the user server, whose Jupyter trusts pages of all origins.
        kernel: id of its kernel.
    """

    server: Daemon
    kernel: str

    @property
    def path(self) -> Path:
        """Of the kernel's socket."""
        return socket_of(self.kernel, Path(self.server.record.scratch))

    @property
    def socket(self) -> str:
        """Address of the websocket."""
        return f"channel/{self.kernel}/socket"

    @property
    def stream(self) -> str:
        """Address of a stream."""
        return f"channel/{self.kernel}/streams/ticket-1"

    def listening(self, speak: Speak) -> AbstractContextManager[Listening]:
        """Let something listen where the kernel would."""
        return listening(self.path, speak)


@contextmanager
def way_to_a_kernel() -> Iterator[Way]:
    """Run a user server, and start a kernel."""
    temporary = tempfile.TemporaryDirectory(prefix="pnb-test-", ignore_cleanup_errors=True)
    with temporary as folder, daemon_in(Path(folder, "alice")) as server:
        server.configure(context={"allow_origin": "*"})
        server.start()
        kernel = server.request("POST", "api/kernels", {"name": "python3"})["id"]
        with server.websocket(f"api/kernels/{kernel}/channels") as connection:
            Kernel(connection).run("1")  # from then on the user server opens no more connections to it by itself
        yield Way(server, kernel)
