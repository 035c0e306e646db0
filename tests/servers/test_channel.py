"""The channel of a real user server, through each web server."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyramid_notebook.channel.places import socket_of
from pyramid_notebook.files import private_folder, write_private
from pyramid_notebook.record import ServerOptions
from tests.channel.listening import Speak, echo, listening, taken
from tests.server.daemons import Daemon

from ..proxy.nginx_server import GROUP
from .client import HANDSHAKE, connected
from .memory import MEGABYTE
from .ways import Served

OWNER = "carol"
BASE = f"/notebook/{OWNER}/"


class CarolsDaemon(Daemon):
    def configure(self, **options: Any) -> None:
        for folder in (self.folder.path, self.folder.runtime):
            private_folder(folder)
        written = ServerOptions(user=OWNER, base_url=BASE, socket_group=GROUP, **options)
        write_private(self.folder.options_file, written.to_json())


@pytest.fixture(scope="session")
def carol() -> Iterator[tuple[Daemon, str]]:
    """A real user server, and the id of its kernel."""
    temporary = tempfile.TemporaryDirectory(prefix="pnb-test-", ignore_cleanup_errors=True)
    with temporary as folder:
        server = CarolsDaemon(Path(folder, OWNER))
        server.configure()
        try:
            server.start()
            yield server, server.request("POST", "api/kernels", {"name": "python3"})["id"]
        finally:
            server.clean_up()


@pytest.fixture
def kernel(served: Served, carol: tuple[Daemon, str]) -> tuple[str, Path]:
    """The address of the kernel's channel below the site, and where it listens."""
    server, kernel = carol
    served.put(server)
    return f"{BASE}channel/{kernel}", socket_of(kernel, Path(server.record.scratch))


def pouring(data: bytes) -> Speak:
    def pour(connection: socket.socket, _head: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        with taken(connection) as (page, _early):
            for start in range(0, len(data), MEGABYTE):
                page.sendall(b"%x\r\n%s\r\n" % (MEGABYTE, data[start : start + MEGABYTE]))
            page.sendall(b"0\r\n\r\n")

    return pour


def test_a_page_and_a_kernel_send_each_other_bytes_as_they_are(served: Served, kernel: tuple[str, Path]) -> None:
    address, path = kernel
    data = os.urandom(5 * MEGABYTE)
    with listening(path, echo) as heard, connected(served) as client:
        client.ask("GET", f"{address}/socket", HANDSHAKE, user=OWNER)
        answer = client.begin()
        assert answer.status == 101, answer.read()
        sending = threading.Thread(target=client.send, args=(data,))
        sending.start()
        got = bytearray()
        while len(got) < len(data) and (more := client.socket.recv(MEGABYTE)):
            got += more
        sending.join()
        assert got == data
    assert heard.fields() == {"Host": "kernel", **dict(HANDSHAKE)}


def test_a_page_gets_a_stream_of_a_kernel_whole(served: Served, kernel: tuple[str, Path]) -> None:
    address, path = kernel
    data = os.urandom(20 * MEGABYTE)
    with listening(path, pouring(data)) as heard, connected(served) as client:
        client.ask("GET", f"{address}/streams/ticket-1", [("Sec-Fetch-Site", "same-origin")], user=OWNER)
        answer = client.answer()
    assert (answer.status, answer.one("Content-Type")) == (200, "application/octet-stream")
    assert answer.body == data
    assert heard.fields() == {"Host": "kernel", "Connection": "close"}


def test_a_foreign_page_does_not_get_as_far_as_the_kernel(served: Served, kernel: tuple[str, Path]) -> None:
    address, path = kernel
    with listening(path, echo) as heard, connected(served) as client:
        # the site's own origin stands before it
        client.ask("GET", f"{address}/socket", [*HANDSHAKE, ("Origin", "https://evil.example")], user=OWNER)
        assert client.begin().status in (400, 403)
    assert heard.connections == 0
