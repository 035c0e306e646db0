"""What stands for a user server while the site tests itself: it sends back what comes over one websocket (RFC 6455)."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    RejectConnection,
    Request,
    TextMessage,
)
from wsproto.utilities import ProtocolError

from ..files import make_scratch, remove_scratch
from ..record import ServerRecord

#: Seconds until somebody connects, and without a byte after that.
_DIAL_SECONDS, _SILENCE_SECONDS = 10.0, 15.0
#: Bytes that one websocket may send.
_MOST = 64 * 1024 * 1024
_BLOCK = 64 * 1024


def open_echo(user: str, base_url: str) -> ServerRecord:
    """Listen for one connection, in a thread of its own that ends with it.

    Args:
        user: who tests.
        base_url: URL path of what is answered, with a slash at both ends.

    Returns:
        How to reach it, in the form in which the door knows user servers.
    """
    folder = make_scratch()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(folder / "s"))
        listener.listen(1)
        listener.settimeout(_DIAL_SECONDS)
        threading.Thread(target=_serve, args=(listener, folder), name="notebook-echo", daemon=True).start()
    except BaseException:
        listener.close()
        remove_scratch(folder)
        raise
    return ServerRecord(
        pid=os.getpid(),
        identity="self-test",
        launch_id="0" * 32,
        user=user,
        base_url=base_url,
        socket=str(folder / "s"),
    )


def _serve(listener: socket.socket, folder: Path) -> None:
    try:
        with listener:
            connection, _ = listener.accept()
    except OSError:
        return
    finally:
        remove_scratch(folder)
    with connection:
        connection.settimeout(_SILENCE_SECONDS)
        try:
            speak(connection)
        except (OSError, ProtocolError):
            return  # who tests has gone, or sends what is no websocket


def speak(connection: socket.socket) -> None:
    """Agree to a websocket and send back what comes, until it is closed.

    Raises:
        ProtocolError: what comes is none.
        OSError: the connection broke off, or was silent for too long.
    """
    protocol, received = WSConnection(ConnectionType.SERVER), 0
    while protocol.state is not ConnectionState.CLOSED and received < _MOST:
        data = connection.recv(_BLOCK)
        if not data:
            return
        received += len(data)
        protocol.receive_data(data)
        for event in protocol.events():
            connection.sendall(_answer(protocol, event))


def _answer(protocol: WSConnection, event: Event) -> bytes:
    if isinstance(event, Request):
        return protocol.send(AcceptConnection())
    if isinstance(event, (TextMessage, BytesMessage)):
        return protocol.send(event)
    if isinstance(event, Ping):
        return protocol.send(event.response())
    if isinstance(event, CloseConnection) and protocol.state is ConnectionState.REMOTE_CLOSING:
        return protocol.send(event.response())
    return protocol.send(RejectConnection()) if protocol.state is ConnectionState.CONNECTING else b""
