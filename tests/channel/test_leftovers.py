"""Of a kernel that was killed nothing is left in the folder for sockets."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Iterator

import pytest

from tests.running import wait_until
from tests.server.daemons import Kernel

from .user_server import Way, way_to_a_kernel

OPEN = "import os\nfrom pyramid_notebook.channel import open_channel\nopen_channel(show=False)\nprint(os.getpid())"


@pytest.fixture(scope="module")
def way() -> Iterator[Way]:
    with way_to_a_kernel() as way:
        yield way


def killed(way: Way) -> None:
    """Open a channel, and kill the kernel."""
    with way.server.websocket(f"api/kernels/{way.kernel}/channels") as connection:
        process = int(Kernel(connection).run(OPEN).splitlines()[-1])
    assert stat.S_ISSOCK(way.path.lstat().st_mode)
    os.kill(process, signal.SIGKILL)


def test_the_socket_of_a_kernel_that_was_killed_goes_and_that_of_the_next_stays(way: Way) -> None:
    for _ in range(2):  # the second time, what started by itself is killed
        killed(way)
        wait_until(lambda: not way.path.exists(), "the user server takes the socket away")


def test_the_socket_of_a_kernel_that_was_killed_goes_with_its_shutdown(way: Way) -> None:
    killed(way)
    way.server.request("DELETE", f"api/kernels/{way.kernel}")
    assert not way.path.exists()
    assert way.server.request("GET", "api/kernels") == []
