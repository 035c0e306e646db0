"""Tiny real user servers, each a thread with a loop of its own, on a unix socket or a loopback port."""

import asyncio
import gzip
import hashlib
import json
import queue
import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.iostream import StreamClosedError
from tornado.netutil import bind_sockets, bind_unix_socket
from tornado.web import Application, RequestHandler, StaticFileHandler, stream_request_body
from tornado.websocket import WebSocketHandler

from pyramid_notebook.proxy.passages import Passage, Passages
from pyramid_notebook.record import SECRET_HEADER, ServerRecord

BASE = "/notebook/alice/"
SECRET = "a-secret-of-one-launch"


def record_at(*, path: str = "", port: int = 0, pid: int = 1) -> ServerRecord:
    return ServerRecord(
        pid=pid,
        identity="1",
        launch_id="0123456789abcdef" * 2,
        user="alice",
        base_url=BASE,
        socket=path,
        port=port,
        secret=SECRET,
        started=0.0,
        kill_timeout=0,
        max_lifetime=0,
    )


class Echo(RequestHandler):
    SUPPORTED_METHODS = (*RequestHandler.SUPPORTED_METHODS, "PROPFIND")

    async def answer(self, *_args):
        self.set_header("Set-Cookie", "session=stolen; Path=/")
        self.add_header("Set-Cookie", f"_xsrf=theirs; Path={BASE}")
        self.set_header(SECRET_HEADER, SECRET)
        self.set_header("Service-Worker-Allowed", "/")
        request = self.request
        self.write(
            {
                "method": request.method,
                "uri": request.uri,
                "headers": list(request.headers.get_all()),
                "body": hashlib.sha256(request.body).hexdigest(),
                "length": len(request.body),
            }
        )

    get = post = put = patch = delete = options = propfind = answer

    def head(self, *_args):
        self.set_header("Content-Length", "12345")

    def check_xsrf_cookie(self):
        pass


class Status(RequestHandler):
    def get(self, code):
        self.set_status(int(code), "As it came")
        if code.startswith("3"):
            self.set_header("Location", f"{BASE}elsewhere?x=%2F")


class Compressed(RequestHandler):
    def get(self):
        self.set_header("Content-Encoding", "gzip")
        self.write(gzip.compress(b"hello " * 1000, mtime=0))


class Blocks(RequestHandler):
    async def get(self, length):
        self.set_header("Content-Length", length)
        block, left = b"0123456789abcdef" * 16384, int(length)
        with suppress(StreamClosedError):
            while left:
                self.write(block[: min(left, len(block))])
                left -= min(left, len(block))
                await self.flush()


class Stepwise(RequestHandler):
    """Writes each block when the test says so; tells the test when its client has gone."""

    async def get(self):
        upstream = self.application.settings["upstream"]
        loop = asyncio.get_running_loop()
        with suppress(StreamClosedError):
            while (block := await loop.run_in_executor(None, upstream.blocks.get)) is not None:
                self.write(block)
                await self.flush()

    def on_connection_close(self):
        self.application.settings["upstream"].left.set()


class Broken(RequestHandler):
    async def get(self, kind):
        if kind == "length":
            self.set_header("Content-Length", "1000")
        self.write(b"only the beginning")
        await self.flush()
        self.request.connection.stream.close()


@stream_request_body
class Sink(RequestHandler):
    def prepare(self):
        self.request.connection.set_max_body_size(4 << 30)
        self.length = 0

    def data_received(self, chunk):
        self.length += len(chunk)

    def put(self):
        self.write({"length": self.length})


class Silent(RequestHandler):
    async def get(self):
        await asyncio.get_running_loop().run_in_executor(None, self.application.settings["upstream"].blocks.get)


class Socket(WebSocketHandler):
    def select_subprotocol(self, subprotocols):
        return subprotocols[-1] if subprotocols else None

    def get_compression_options(self):
        return {}

    def check_origin(self, origin):
        return True

    def open(self):
        upstream = self.application.settings["upstream"]
        upstream.opened.append(dict(self.request.headers.get_all()))
        if self.get_argument("greet", ""):
            self.write_message("hello at once")

    def on_message(self, message):
        self.write_message(message, binary=isinstance(message, bytes))


class NoSocket(RequestHandler):
    def get(self):
        self.application.settings["upstream"].opened.append("refused")
        self.set_status(403, "Not you")
        self.write("the reason is in the body")


class TornadoUpstream:
    """A user server that answers what the tests ask for."""

    def __init__(self, folder: Path, *, tcp: bool = False) -> None:
        self.blocks: queue.Queue[bytes | None] = queue.Queue()
        self.left = threading.Event()
        self.opened: list = []
        self.path = "" if tcp else str(folder / "s")
        self._ready = threading.Event()
        self._tcp = tcp
        self._folder = folder
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._ready.wait(10)
        self.record = record_at(path=self.path, port=self.port, pid=id(self) % 100000)

    async def _serve(self):
        application = Application(
            [
                (BASE + r"echo(.*)", Echo),
                (BASE + r"status/(\d+)", Status),
                (BASE + r"compressed", Compressed),
                (BASE + r"blocks/(\d+)", Blocks),
                (BASE + r"stepwise", Stepwise),
                (BASE + r"broken/(length|chunked)", Broken),
                (BASE + r"sink", Sink),
                (BASE + r"silent", Silent),
                (BASE + r"files/(.*)", StaticFileHandler, {"path": str(self._folder)}),
                (BASE + r"socket", Socket),
                (BASE + r"no-socket", NoSocket),
            ],
            upstream=self,
        )
        server = HTTPServer(application)
        sockets = bind_sockets(0, "127.0.0.1") if self._tcp else [bind_unix_socket(self.path)]
        self.port = sockets[0].getsockname()[1] if self._tcp else 0
        server.add_sockets(sockets)
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        self._ready.set()
        await self._stopped.wait()
        server.stop()
        await server.close_all_connections()

    def close(self):
        for _ in range(20):
            self.blocks.put(None)
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(10)


class ScriptedUpstream:
    """Accepts connections and lets a function of the test speak on each, for faults that a real server won't give."""

    def __init__(self, folder: Path, speak) -> None:
        self.path = str(folder / "scripted")
        self.requests: list[bytes] = []
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen(16)
        self._speak = speak
        self._number = 0
        self.record = record_at(path=self.path, pid=id(self) % 100000)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with suppress(OSError):
            while True:
                connection, _address = self._listener.accept()
                self._number += 1
                threading.Thread(target=self._one, args=(connection, self._number), daemon=True).start()

    def _one(self, connection, number):
        with connection, suppress(OSError):
            self._speak(self, connection, number)

    def read_head(self, connection):
        head = b""
        while b"\r\n\r\n" not in head:
            data = connection.recv(65536)
            if not data:
                raise ConnectionError
            head += data
        self.requests.append(head)
        return head

    def close(self):
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


def settings_text(record: ServerRecord, **options) -> str:
    return json.dumps({"record": json.loads(record.to_json()), **options})


def passage_of(request: Any) -> Passage:
    """Return the passage of a request that no web server got, so that nobody can be asked about it."""
    request.invoke_subrequest = None
    return Passage(Passages(lambda _user: 0.0), request, "alice", "")
