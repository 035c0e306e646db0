"""Clients that cost as little as possible: ``wrk`` for HTTP, and websockets on plain blocking sockets."""

from __future__ import annotations

import json
import selectors
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

import psutil

MESSAGE_BYTES = 64
BULK_BYTES = 1 << 20
_SECONDS = 20.0
_IN_FLIGHT = 2
_BLOCK = 1 << 18

_HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{fields}\r\n"
)

#: What wrk found, as JSON; its own table has no 95th percentile.
_REPORT = """
function done(summary, latency, requests)
  local e = summary.errors
  local f = '{"requests": %d, "microseconds": %d, "p50": %d, "p95": %d, "failed": %d}\\n'
  io.write(string.format(f, summary.requests, summary.duration, latency:percentile(50), latency:percentile(95),
    e.connect + e.read + e.write + e.status + e.timeout))
end
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where requests are sent.

    Attributes:
        port: of 127.0.0.1.
        fields: header fields that are needed there.
        pids: of the processes that serve, see :func:`lasting`.
    """

    port: int
    fields: Mapping[str, str]
    pids: tuple[int, ...]

    def cpu_seconds(self) -> float:
        """Return how long its processes have computed so far."""
        return sum(sum(psutil.Process(pid).cpu_times()[:2]) for pid in self.pids)

    def memory(self) -> int:
        """Return the bytes that its processes have resident."""
        return sum(psutil.Process(pid).memory_info().rss for pid in self.pids)


@dataclass(frozen=True, slots=True)
class Load:
    """What came of some seconds of requests.

    Attributes:
        per_second: requests answered.
        p50: milliseconds that half of them took at most.
        p95: milliseconds that 95 % of them took at most.
        cpu: milliseconds for which the place computed for each of them.
        failed: how many failed, or got a status of 400 and more.
    """

    per_second: float
    p50: float
    p95: float
    cpu: float
    failed: int


def lasting(pids: Iterable[int]) -> tuple[int, ...]:
    """Leave out what ends by itself while its server goes on: nginx's cache loader does, a minute after the start.

    Any other process that is gone is a fault, and :class:`Place` says so.
    """
    return tuple(pid for pid in pids if psutil.Process(pid).cmdline()[:1] != ["nginx: cache loader process"])


def load(place: Place, path: str, *, connections: int, seconds: float) -> Load:
    """Ask for a path on so many connections at once, each as fast as it is answered."""
    fields = [part for name, value in place.fields.items() for part in ("-H", f"{name}: {value}")]
    computed = place.cpu_seconds()
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_REPORT)
        script.flush()
        options = ["-t1", f"-c{connections}", "-d1m", "--timeout=10s", "-s", script.name]
        command = ["wrk", *options, *fields, f"http://127.0.0.1:{place.port}{path}"]
        found = json.loads(_interrupted(command, seconds).splitlines()[-1])
    rate = found["requests"] / found["microseconds"] * 1e6
    cpu = (place.cpu_seconds() - computed) / max(1, found["requests"]) * 1000
    return Load(rate, found["p50"] / 1000, found["p95"] / 1000, cpu, found["failed"])


def _interrupted(command: list[str], seconds: float) -> str:
    """Run wrk for so long: its own option takes whole seconds only."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        process.send_signal(signal.SIGINT)
        return process.communicate(timeout=_SECONDS)[0]


class EchoClient:
    """A websocket whose other end echoes; its masks are zeros (RFC 6455 section 5.3), see :mod:`.proxy_upstream`.

    Args:
        place: where to connect.
        path: URL path.

    Raises:
        AssertionError: the handshake was refused.
    """

    def __init__(self, place: Place, path: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", place.port), timeout=_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        fields = "".join(f"{name}: {value}\r\n" for name, value in place.fields.items())
        self._socket.sendall(_HANDSHAKE.format(path=path, port=place.port, fields=fields).encode())
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            block = self._socket.recv(4096)
            assert block, answer
            answer += block
        assert answer.startswith(b"HTTP/1.1 101 "), answer

    def round_trips(self, number: int) -> list[float]:
        """Return the seconds that each message of 64 bytes took to come back, one after the other."""
        frame = b"\x82" + bytes([0x80 | MESSAGE_BYTES]) + bytes(4 + MESSAGE_BYTES)
        expected = 2 + MESSAGE_BYTES
        taken = []
        for _ in range(number):
            begun = time.perf_counter()
            self._socket.sendall(frame)
            got = 0
            while got < expected:
                got += len(self._socket.recv(4096)) or _gone()
            taken.append(time.perf_counter() - begun)
        return taken

    def bulk(self, number: int) -> float:
        """Return how many MB/s come back of so many messages of 1 MB; two are under way at any time."""
        frame = memoryview(b"\x82\xff" + BULK_BYTES.to_bytes(8, "big") + bytes(4 + BULK_BYTES))
        answer_bytes = 10 + BULK_BYTES
        room = bytearray(_BLOCK)
        sent = got = 0
        begun = time.perf_counter()
        self._socket.setblocking(False)
        with selectors.DefaultSelector() as selector:
            wanted = selectors.EVENT_READ | selectors.EVENT_WRITE
            selector.register(self._socket, wanted)
            while got < number * answer_bytes:
                may_send = sent < min(number, got // answer_bytes + _IN_FLIGHT) * len(frame)
                events = selectors.EVENT_READ | (selectors.EVENT_WRITE if may_send else 0)
                if events != wanted:
                    selector.modify(self._socket, wanted := events)
                ready = selector.select(_SECONDS)[0][1]
                if ready & selectors.EVENT_READ:
                    got += self._socket.recv_into(room) or _gone()
                if ready & wanted & selectors.EVENT_WRITE:
                    sent += self._socket.send(frame[sent % len(frame) :])
        self._socket.settimeout(_SECONDS)
        return number * BULK_BYTES / (time.perf_counter() - begun) / 1e6

    def close(self) -> None:
        """Leave, with a close frame."""
        self._socket.sendall(b"\x88\x82" + bytes(4) + (1000).to_bytes(2, "big"))
        while self._socket.recv(4096):
            pass
        self._socket.close()


def _gone() -> NoReturn:
    raise AssertionError("the other end is gone")
