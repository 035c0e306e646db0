"""Drives real daemons: the command line, the server behind it, its kernels and its shared documents."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import websocket
from jupyter_ydoc import YNotebook
from pycrdt import Doc, YMessageType, create_sync_message, create_update_message, handle_sync_message

import pyramid_notebook.server
from pyramid_notebook import pidfile, processes
from pyramid_notebook.context import NotebookContext
from pyramid_notebook.files import private_folder, write_private
from pyramid_notebook.layout import UserFolder
from pyramid_notebook.proxy.connection import dial
from pyramid_notebook.proxy.upstream import ask, exchange
from pyramid_notebook.record import SECRET_HEADER, ServerOptions, ServerRecord

from ..running import wait_until

SCRIPT = Path(pyramid_notebook.server.__file__).with_name("notebook_daemon.py")
BASE = "/notebook/alice/"
_PATIENCE = 30.0


class Daemon:
    """One daemon in a folder of its own; the folder need not exist."""

    def __init__(self, path: Path, *, port: int = 0, kill_timeout: int = 0, extra: tuple[str, ...] = ()) -> None:
        self.folder = UserFolder(path)
        self.pid_file = self.folder.pid_file
        self.arguments = [str(self.pid_file), str(path), str(port), str(kill_timeout), *extra]

    def configure(self, **options: Any) -> None:
        """Write what the manager would write for the daemon."""
        for folder in (self.folder.path, self.folder.runtime):
            private_folder(folder)
        write_private(self.folder.options_file, ServerOptions(user="alice", base_url=BASE, **options).to_json())

    def command(self, action: str) -> list[str]:
        return [sys.executable, "-P", str(SCRIPT), action, *self.arguments]

    def run(self, action: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(action), capture_output=True, text=True, timeout=60, check=False)

    def start(self) -> ServerRecord:
        done = self.run("start")
        assert done.returncode == 0, done.stderr
        return self.record

    @property
    def record(self) -> ServerRecord:
        record = pidfile.running(self.pid_file)
        assert record, self.log
        return record

    @property
    def log(self) -> str:
        return self.folder.stderr_log.read_text(errors="replace") if self.folder.stderr_log.exists() else ""

    @property
    def members(self) -> list[psutil.Process]:
        return processes.members(self.record)

    def is_running(self) -> bool:
        return pidfile.running(self.pid_file) is not None

    def clean_up(self) -> None:
        with suppress(FileNotFoundError):
            pidfile.stop(self.pid_file, timeout=5)

    def status(self) -> Any:
        return ask(self.record, "GET", f"{self.record.base_url}-/status", timeout=_PATIENCE)[1]

    def request(self, method: str, path: str, content: Any = None) -> Any:
        """Ask as a page of the user would, through the door; return the answer's JSON."""
        body = b"" if content is None else json.dumps(content).encode()
        headers = [
            ("Host", "localhost"), (SECRET_HEADER, self.record.secret), ("Content-Length", str(len(body))),
            ("Cookie", "_xsrf=one"), ("X-XSRFToken", "one"),
        ]  # fmt: skip
        target = self.record.base_url + path
        answer = exchange(self.record, method, target, headers=headers, body=[body], timeout=_PATIENCE)
        text = b"".join(iter(answer.read, b""))
        assert answer.status < 400, text
        return json.loads(text) if text else None

    def open_context(self, **values: Any) -> str:
        """Install a notebook context and return the path of its notebook."""
        context = NotebookContext.from_mapping(values).to_dict()
        status, answer = ask(self.record, "POST", f"{self.record.base_url}-/context", json=context, timeout=_PATIENCE)
        assert status == 200, answer
        return str(answer["path"])

    def cells(self, path: str) -> list[dict[str, Any]]:
        """Return the cells of a notebook's file."""
        return list(json.loads((self.folder.work / path).read_text())["cells"])

    @contextmanager
    def websocket(self, path: str, **options: Any) -> Iterator[websocket.WebSocket]:
        connection = websocket.WebSocket()
        connection.settimeout(_PATIENCE)
        connection.connect(
            f"ws://localhost{self.record.base_url}{path}",
            socket=dial(self.record, _PATIENCE),
            header={SECRET_HEADER: self.record.secret},
            suppress_origin=True,
            **options,
        )
        try:
            yield connection
        finally:
            connection.close(timeout=1)

    def kernel_of(self, path: str) -> str:
        """Return the id of the kernel of a notebook."""
        sessions = self.request("GET", "api/sessions")
        return str(next(session["kernel"]["id"] for session in sessions if session["path"] == path))

    @contextmanager
    def kernel(self, path: str) -> Iterator[Kernel]:
        with self.websocket(f"api/kernels/{self.kernel_of(path)}/channels") as connection:
            yield Kernel(connection)

    @contextmanager
    def document(self, path: str) -> Iterator[Document]:
        """Open a notebook as a page does, as a shared document."""
        session = self.request("PUT", f"api/collaboration/session/{path}", {"format": "json", "type": "notebook"})
        room = f"json:notebook:{session['fileId']}?sessionId={session['sessionId']}"
        with self.websocket(f"api/collaboration/room/{room}") as connection:
            yield Document(connection)


class Kernel:
    """A kernel, seen from a page (Jupyter messaging)."""

    def __init__(self, connection: websocket.WebSocket) -> None:
        self._connection = connection

    def begin(self, code: str) -> str:
        """Ask for code to be run, and return the id of the request."""
        request = uuid.uuid4().hex
        header = {"msg_id": request, "msg_type": "execute_request", "session": "1", "username": "", "version": "5.3"}
        content = {"code": code, "silent": False, "store_history": True, "allow_stdin": False}
        empty: dict[str, Any] = {"parent_header": {}, "metadata": {}, "buffers": []}
        self._connection.send(json.dumps({"header": header, "content": content, "channel": "shell", **empty}))
        return request

    def finish(self, request: str) -> str:
        """Wait for the end of a request, and return all the text that came of it."""
        output: list[str] = []
        while True:
            message = json.loads(self._connection.recv())
            if message["parent_header"].get("msg_id") != request:
                continue
            content = message["content"]
            if message["msg_type"] == "status" and content["execution_state"] == "idle":
                return "".join(output)
            if message["channel"] == "iopub":
                data = content.get("data", {}).get("text/plain", "")
                output += [content.get("text", ""), data, *content.get("traceback", ())]

    def run(self, code: str) -> str:
        return self.finish(self.begin(code))


class Document:
    """A shared notebook, seen from a page (y-protocols, sync)."""

    def __init__(self, connection: websocket.WebSocket) -> None:
        self._connection = connection
        self._doc: Doc[Any] = Doc()
        self._notebook = YNotebook(self._doc)
        self._connection.send_binary(create_sync_message(self._doc))
        self.wait_for(lambda content: content["cells"], "the document is there")

    def wait_for(self, condition: Any, what: str) -> Any:
        """Take in what others do until the content is as it should be, and return the content."""

        def come() -> Any:
            content = self._notebook.get()
            if condition(content):
                return content
            message = self._connection.recv()
            if isinstance(message, bytes) and message[:1] == bytes([YMessageType.SYNC]):
                reply = handle_sync_message(message[1:], self._doc)
                if reply:
                    self._connection.send_binary(reply)
            return None

        return wait_until(come, what)

    def type(self, source: str) -> None:
        """Put a text into the last cell, as somebody who types would."""
        before = self._doc.get_state()
        text = self._notebook.ycells[-1]["source"]
        text.insert(len(text), source)
        self._connection.send_binary(create_update_message(self._doc.get_update(before)))

    def show_run(self, cell: int, count: int, output: dict[str, Any] | None = None) -> None:
        """Do what a page does when the kernel has run a cell."""
        before = self._doc.get_state()
        with self._doc.transaction():
            ycell = self._notebook.ycells[cell]
            if output is not None:
                ycell["outputs"].append(output)
            ycell["execution_count"] = float(count)
        self._connection.send_binary(create_update_message(self._doc.get_update(before)))


@contextmanager
def daemon_in(path: Path, **arguments: Any) -> Iterator[Daemon]:
    """A configured daemon that is not started, and of which nothing is left afterwards."""
    daemon = Daemon(path, **arguments)
    daemon.configure()
    try:
        yield daemon
    finally:
        daemon.clean_up()
