"""Takes a client's connection from a web server that knows it by the number of its descriptor.

The connection is duplicated for us. Under its old number the web server gets a dead end: into that it writes its own
answer, and that is what it closes, so neither side is in the way of the other.
"""

from __future__ import annotations

import os
import socket
import struct
from contextlib import ExitStack, suppress
from fcntl import ioctl
from termios import FIONREAD

from pyramid.response import Response

from .adaptors import TakenClient


def take(descriptor: int, *, early: bytes = b"", swallows: bool = False) -> TakenClient:
    """Take a connection.

    Args:
        descriptor: number under which the web server has it.
        early: what the client sent after its request, if the web server has read that already.
        swallows: whether what the web server writes from now on vanishes, instead of failing with `EPIPE`.

    Raises:
        OSError: the process has no descriptor left; the connection is still the web server's.
    """
    with ExitStack() as until_taken:
        client = until_taken.enter_context(socket.socket(fileno=os.dup(descriptor)))
        with ExitStack() as until_placed:
            if swallows:
                dead_end = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
                until_placed.callback(os.close, dead_end)
            else:
                near, far = socket.socketpair()
                until_placed.enter_context(far)
                dead_end = until_placed.enter_context(near).fileno()
            os.dup2(dead_end, descriptor, inheritable=False)
        until_taken.pop_all()
    response = Response(status="101 Switching Protocols", headerlist=[], app_iter=[])
    return TakenClient(socket=client, early=early, response=response)


def break_off(connection: socket.socket) -> None:
    """Break a connection; a thread that waits for the other end to read does not wait any more."""
    with suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)  # that of TLS would go on in plain text


def waiting(descriptor: int) -> int:
    """Return how many bytes can be read from a connection without waiting; one where there are none."""
    number: int
    (number,) = struct.unpack("i", ioctl(descriptor, FIONREAD, bytes(4)))
    return max(1, number)
