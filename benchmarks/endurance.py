"""What is left after a long time and many faults: nothing should be.

Run it with ``python -m benchmarks.endurance [--way uvicorn] [--sockets 1000] [--minutes 10] [--deaths 1000] [--json]``.
First so many websockets stay open and idle: it counts what each costs the web server's processes, and how many of them
still echo at the end. Then a user server dies so many times, with a websocket and an answer under way each time, and a
new one takes its place: it counts descriptors, tasks (as threads) and zombies of the web server before and after.
"""

from __future__ import annotations

import argparse
import json
import resource
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import psutil

from tests.servers.client import HANDSHAKE
from tests.servers.user_servers import UserServer, until, user_server
from tests.servers.ways import WAYS, Served, serving

ROOM: dict[str, Any] = {"user_requests": 100, "user_websockets": 5000}
_TEXT = b"hello"
_MASKED = b"\x81\x85\x00\x00\x00\x00" + _TEXT  # one frame (RFC 6455 section 5.2), with a mask of zeros
_ECHO = b"\x81\x05" + _TEXT
_WARM = 20


def open_socket(served: Served) -> socket.socket:
    """Return a connection whose websocket is open."""
    connection = socket.create_connection(("127.0.0.1", served.port), timeout=30)
    lines = [f"GET {served.base}socket HTTP/1.1", f"Host: 127.0.0.1:{served.port}"]
    lines += [f"{name}: {value}" for name, value in (*HANDSHAKE, *served.headers.items())]
    connection.sendall("\r\n".join([*lines, "", ""]).encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        assert byte, f"the handshake was refused: {head!r}"
        head += byte
    assert head.startswith(b"HTTP/1.1 101"), head
    return connection


def echoes(connection: socket.socket) -> bool:
    """Tell whether a websocket still answers."""
    try:
        connection.sendall(_MASKED)
        answer = b""
        while len(answer) < len(_ECHO):
            block = connection.recv(len(_ECHO) - len(answer))
            if not block:
                return False
            answer += block
    except OSError:
        return False
    return answer == _ECHO


def memory(served: Served) -> int:
    """Return the bytes that the web server's processes have for themselves."""
    return sum(psutil.Process(pid).memory_info().rss for pid in served.pids())


def idle(served: Served, number: int, minutes: float) -> dict[str, float]:
    """Keep websockets open, and return what each costs in KB, and how many are left."""
    with ExitStack() as held:
        for _ in range(_WARM):
            held.enter_context(closing(open_socket(served)))
        before = memory(served)
        connections = [held.enter_context(closing(open_socket(served))) for _ in range(number)]
        cost = (memory(served) - before) / number / 1024
        end = time.monotonic() + minutes * 60
        while (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 10))
            _progress(f"{number} idle websockets, {left:.0f} s left")
        return {"idle_socket_kb": round(cost, 1), "sockets": number, "alive": sum(map(echoes, connections))}


@contextmanager
def replaced(served: Served) -> Iterator[UserServer]:
    """Run another user server in the place of the one that the user has."""
    with user_server(served.user) as upstream:
        served.put(upstream)
        yield upstream


def deaths(served: Served, number: int) -> dict[str, Any]:
    """Let user servers die, and return what the web server has more than before."""
    for _ in range(3):
        _die(served)
    before = _facts(served)
    for count in range(number):
        _die(served)
        if count % 25 == 0:
            _progress(f"user server {count} of {number} has died")
    with replaced(served):
        until(lambda: _facts(served)["descriptors"] <= before["descriptors"] + 2, "descriptors are closed", seconds=60)
    after = _facts(served)
    zombies = sum(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE for pid in served.pids())
    return {
        "deaths": number,
        "descriptors": after["descriptors"] - before["descriptors"],
        "threads": after["threads"] - before["threads"],
        "pairs": after["pairs"],
        "zombies": zombies,
    }


def _die(served: Served) -> None:
    """Have a user server killed with a websocket and an answer under way."""
    with replaced(served) as upstream, closing(open_socket(served)) as connection:
        path = upstream.script(("send", b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nbegun"), ("hold",))
        with socket.create_connection(("127.0.0.1", served.port), timeout=30) as download:
            lines = [f"GET {served.base}{path} HTTP/1.1", f"Host: 127.0.0.1:{served.port}"]
            lines += [f"{name}: {value}" for name, value in served.headers.items()]
            download.sendall("\r\n".join([*lines, "", ""]).encode())
            assert download.recv(12) == b"HTTP/1.1 200"
            assert echoes(connection)
            upstream.kill()
            while download.recv(65536):
                pass
            assert connection.recv(1) == b"", "the websocket is still open"


def _facts(served: Served) -> dict[str, Any]:
    return served.facts()


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{text:70}")
        sys.stderr.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--way", choices=WAYS, default="uvicorn")
    parser.add_argument("--sockets", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--deaths", type=int, default=1000)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4 * options.sockets + 500)), hard))
    found: dict[str, Any] = {"way": options.way}
    with user_server() as upstream, serving(options.way, upstream, **ROOM) as served:
        if options.sockets:
            found |= idle(served, options.sockets, options.minutes)
        if options.deaths:
            found |= deaths(served, options.deaths)
    if options.json:
        print(json.dumps(found))
        return
    print("| what | value |\n|---|---:|")
    for name, value in found.items():
        print(f"| {name} | {value} |")


if __name__ == "__main__":
    main()
