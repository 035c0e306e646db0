"""A real Jupyter server in a thread of the test, with live notebooks and what runs their cells."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import threading
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import websocket
from jupyter_server.serverapp import ServerApp
from pycrdt import Doc
from traitlets.config import Config

from pyramid_notebook.server.execution import Execution, Run, RunResult
from pyramid_notebook.server.live import LiveNotebooks

from ...running import free_port, wait_until
from ..daemons import Kernel

_PATIENCE = 60
_TOKEN = "a-token-of-the-tests"
Value = TypeVar("Value")


class Server:
    """A user server as far as running cells goes; whatever touches it runs in its event loop."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._ready = threading.Event()
        self._numbers = itertools.count()
        self.kernel_id = ""

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(_PATIENCE / 3)

    def stop(self) -> None:
        self.call(self._end)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(_PATIENCE)
        ServerApp.clear_instance()

    def call(self, function: Callable[[], Awaitable[Value] | Value]) -> Value:
        """Call a function in the event loop, and wait for what it returns."""

        async def called() -> Any:
            result = function()
            return await result if isinstance(result, Awaitable) else result

        return asyncio.run_coroutine_threadsafe(called(), self.loop).result(_PATIENCE)

    def notebook(self, *sources: str, own_kernel: bool = False, kernel_name: str = "python3") -> Notebook:
        """Make a notebook with code cells; most tests can share one kernel."""
        path = f"notebook-{next(self._numbers)}.ipynb"
        cells = [
            {"cell_type": "code", "id": f"cell-{place}", "metadata": {}, "source": source}
            | {"execution_count": None, "outputs": []}
            for place, source in enumerate(sources)
        ]
        metadata = {"kernelspec": {"name": kernel_name, "display_name": "", "language": ""}}
        content = {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": cells}
        (self.folder / "work" / path).write_text(json.dumps(content))
        if not own_kernel:
            self.call(lambda: self._share_kernel(path))
        return Notebook(self, path)

    @contextmanager
    def kernel(self, kernel_id: str) -> Iterator[Kernel]:
        """Connect to a kernel as a page does."""
        connection = websocket.create_connection(
            f"ws://127.0.0.1:{self.app.port}/api/kernels/{kernel_id}/channels?session_id={uuid.uuid4().hex}",
            header={"Authorization": f"token {_TOKEN}"},
            timeout=_PATIENCE,
        )
        try:
            yield Kernel(connection)
        finally:
            connection.close(timeout=1)

    async def _share_kernel(self, path: str) -> None:
        sessions = self.app.session_manager
        kernel_id = self.kernel_id or None
        model = await sessions.create_session(
            path=path, name=path, type="notebook", kernel_name="python3", kernel_id=kernel_id
        )
        self.kernel_id = model["kernel"]["id"]

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self._begin())
        self._ready.set()
        self.loop.run_forever()

    async def _begin(self) -> None:
        config = Config()
        config.ServerApp.root_dir = str(self.folder / "work")
        config.ServerApp.port = free_port()
        config.ServerApp.port_retries = 0
        config.ServerApp.ip = "127.0.0.1"
        config.ServerApp.allow_root = True
        config.ServerApp.jpserver_extensions = {"jupyter_server_ydoc": True, "jupyter_server_fileid": True}
        config.IdentityProvider.token = _TOKEN
        config.KernelManager.transport = "ipc"
        for name in ("SQLiteYStore", "BaseFileIdManager", "ArbitraryFileIdManager", "LocalFileIdManager"):
            config[name].db_path = str(self.folder / f"{name}.db")
        config.YDocExtension.session_store_path = str(self.folder / "sessions.json")
        self.app = ServerApp.instance(config=config)
        with mock.patch.object(self.app, "init_signal"):  # for main threads only
            self.app.initialize(argv=[], find_extensions=False)
        await self.app.extension_manager.start_all_extensions()
        self.live = LiveNotebooks(self.app)
        self.execution = Execution(self.app)

    async def _end(self) -> None:
        await self.execution.close()
        for session in await self.app.session_manager.list_sessions():
            if session["kernel"]["id"] in self.app.kernel_manager:
                await self.app.session_manager.delete_session(session["id"])
        await self.app._cleanup()


class Notebook:
    """One notebook of a server, as a test drives it."""

    def __init__(self, server: Server, path: str) -> None:
        self.server = server
        self.path = path
        self.live = server.call(lambda: server.live.open(path))

    def call(self, function: Callable[[], Awaitable[Value] | Value]) -> Value:
        return self.server.call(function)

    def start(self, *cells: str) -> Run:
        return self.call(lambda: self.server.execution.start(self.live, cells or self.ids()))

    def run(self, *cells: str) -> RunResult:
        return self.wait(self.start(*cells))

    def wait(self, run: Run) -> RunResult:
        return self.call(run.wait)

    def events(self, run: Run) -> list[dict[str, Any]]:
        """Return all events of a run, when it has ended."""

        async def collected() -> list[dict[str, Any]]:
            return [event async for event in run.events()]

        return self.call(collected)

    def ids(self) -> list[str]:
        return [cell["id"] for cell in self.content()["cells"]]

    def content(self) -> dict[str, Any]:
        """Return the whole notebook, as it would be saved; call it in the event loop."""
        content: dict[str, Any] = self.live._view.get()
        return content

    def cell(self, cell_id: str = "cell-0") -> dict[str, Any]:
        return self.call(lambda: next(cell for cell in self.content()["cells"] if cell["id"] == cell_id))

    def outputs(self, cell_id: str = "cell-0") -> list[dict[str, Any]]:
        return list(self.cell(cell_id)["outputs"])

    def text(self, cell_id: str = "cell-0") -> str:
        """Return what the streams of a cell say."""
        return "".join(output.get("text", "") for output in self.outputs(cell_id))

    def state(self, cell_id: str = "cell-0") -> str:
        return str(self.call(lambda: self.live.ycell(cell_id)["execution_state"]))

    def wait_for_text(self, text: str, cell_id: str = "cell-0") -> None:
        wait_until(lambda: text in self.text(cell_id), f"{cell_id} shows {text!r}")

    def set_source(self, source: str, cell_id: str = "cell-0") -> None:
        def replace() -> None:
            shared = self.live.ycell(cell_id)["source"]
            shared.clear()
            shared += source

        self.call(replace)

    def move_to_end(self, cell_id: str = "cell-0") -> None:
        """Move a cell as a sync does: delete it and make the same one elsewhere, in one change."""

        def move() -> None:
            with self.live.transaction():
                place = self.content()["cells"].index(next(c for c in self.content()["cells"] if c["id"] == cell_id))
                value = self.live._view.get_cell(place)
                del self.live._ycells[place]
                self.live._view.append_cell(value)

        self.call(move)

    def clear(self, cell_id: str = "cell-0") -> None:
        def clear() -> None:
            self.live.ycell(cell_id)["outputs"].clear()

        self.call(clear)

    def delete(self, cell_id: str = "cell-0") -> None:
        self.call(lambda: self.live._ycells.__delitem__(self.ids().index(cell_id)))

    def kernel_id(self) -> str:
        sessions = self.call(self.server.app.session_manager.list_sessions)
        return str(next(session["kernel"]["id"] for session in sessions if session["path"] == self.path))

    def peer(self) -> Peer:
        return self.call(lambda: Peer(self))


class Peer:
    """A copy of a notebook's document that gets each change, as a page does."""

    def __init__(self, notebook: Notebook) -> None:
        self.updates = 0
        self.doc: Doc[Any] = Doc()
        source = notebook.live._view.ydoc
        self.doc.apply_update(source.get_update())
        self._subscription = source.observe(self._take)

    def _take(self, event: Any) -> None:
        self.updates += 1
        self.doc.apply_update(event.update)


@contextmanager
def running_server(folder: Path) -> Iterator[Server]:
    """Run a server in a folder, with Jupyter's own files there as well."""
    (folder / "work").mkdir()
    (folder / "run").mkdir()
    environment = {
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "run"),
        "IPYTHONDIR": str(folder / "ipython"),
    }
    with mock.patch.dict(os.environ, environment):
        server = Server(folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()
