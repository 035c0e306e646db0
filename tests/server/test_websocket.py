"""The websocket between a page and a kernel, when the page connects anew."""

from __future__ import annotations

import json
import struct
import uuid
from typing import Any

import psutil
import websocket
from jupyter_server.services.kernels.connection.base import deserialize_msg_from_ws_v1, serialize_msg_to_ws_v1

from .daemons import Daemon

V1 = "v1.kernel.websocket.jupyter.org"
#: More than a server needs for some messages, and much less than for a message that it takes for another.
MOST_BYTES = 300 << 20


def request(code: str) -> bytes:
    """Return an ``execute_request`` as pages send it (Jupyter's websocket protocol v1)."""
    header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "session": "page", "username": "",
              "version": "5.4"}  # fmt: skip
    message = {"header": header, "parent_header": {}, "metadata": {}, "content": {"code": code, "silent": False}}
    sent: bytes = serialize_msg_to_ws_v1(message, "shell", lambda part: json.dumps(part).encode())
    return sent


def printed(connection: websocket.WebSocket) -> str:
    """Return the next line that the kernel prints, in however many pieces it comes."""
    line = ""
    while not line.endswith("\n"):
        _channel, parts = deserialize_msg_from_ws_v1(connection.recv())
        header, _parent, _metadata, content = (json.loads(part) for part in parts[:4])
        if header["msg_type"] == "stream":
            line += content["text"]
    return line


def test_what_a_page_has_sent_before_it_connected_anew_is_read_in_the_protocol_that_was_agreed(server: Daemon) -> None:
    kernel = server.request("POST", "api/kernels", {"name": "python3"})["id"]
    options: dict[str, Any] = {"subprotocols": [V1]}
    path = f"api/kernels/{kernel}/channels?session_id=page"
    with server.websocket(path, **options) as first:
        first.send_binary(request("print('first')"))
        assert printed(first) == "first\n"
        with server.websocket(path, **options) as second:
            second.send_binary(request("print('second')"))
            assert printed(second) == "second\n"
            first.send_binary(request("print('late')"))
            assert printed(second) == "late\n"
    assert psutil.Process(server.record.pid).memory_info().rss < MOST_BYTES
    assert "Traceback" not in server.log


def test_that_count_would_be_a_hundred_million() -> None:
    assert struct.unpack("!i", request("1")[:4])[0] > 10**8
