"""What the channel is measured beside, each in the same page as ours but the last, and the cells of all of them.

Each way is some Python that gives the kernel two functions: ``trip``, a coroutine function that has ``"x"`` echoed by
the page, and where there are streams, ``down`` and ``up``, which move a number of bytes.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.running import chromium, free_port, wait_until

from .channel_page import NotebookPage
from .open_shell import answers, until_idle

OURS, OURS_SYNC = "ours, `await call()`", "ours, `call_sync()`"
JCHANNEL, ANYWIDGET, PROXY = (
    "jupyter-jchannel, its own port",
    "anywidget messages",
    "jupyter-server-proxy, bare websocket",
)
_CLIENT = Path(sys.prefix, "bench-tools", "node_modules", "jupyter-jchannel-client", "dist", "main.js")

#: What every kernel gets: it times a function that is awaited, and moves bytes.
COMMON = """
import asyncio, json, os, time

PIECE = 1024 * 1024

async def timed(trip, number):
    taken = []
    for turn in range(number + 20):
        begun = time.perf_counter()
        assert await trip() == "x"
        taken.append(time.perf_counter() - begun)
    return taken[20:]

async def pieces(size):
    piece = os.urandom(PIECE)
    for _ in range(0, size, PIECE):
        yield piece

async def rate(move, size):
    begun = time.perf_counter()
    moved = await move(size)
    assert moved == size, f"{moved} of {size} bytes came"
    return size / 1e6 / (time.perf_counter() - begun)
"""

#: Both pages read a stream, and give one.
_STREAMS = """
async drain(stream) { let size = 0; for await (const piece of stream) size += piece.length; return size; },
async *fill(size) { const piece = new Uint8Array(2 ** 20); for (let n = 0; n < size; n += piece.length) yield piece; }
"""

#: It has ``sync`` as well, a trip that is not awaited.
OUR_CELL = f"""
from pyramid_notebook.channel import open_channel
channel = open_channel(code='''(channel) => channel.expose({{ echo: (value) => value, {_STREAMS} }})''')

class Ours:
    @staticmethod
    def trip():
        return channel.call("echo", "x")
    @staticmethod
    async def sync():
        return channel.call_sync("echo", "x")
    @staticmethod
    async def down(size):
        return await channel.call("drain", stream=pieces(size), timeout=60)
    @staticmethod
    async def up(size):
        moved = 0
        async for piece in await channel.call("fill", size, timeout=60):
            moved += len(piece)
        return moved
"""

_JCHANNEL_CELL = f"""
os.environ["JCHANNEL_CLIENT_URL"] = %(client)r
import jchannel
jserver = await jchannel.start(port=%(port)d)
jcode = '''(channel) => {{ channel.handler = {{ echo(value) {{ return value; }}, {_STREAMS} }}; }}'''
jopened = await jserver.open(jcode)

class Jchannel:
    @staticmethod
    def trip():
        return jopened.call("echo", "x")
    @staticmethod
    async def down(size):
        return await jopened.call_with_stream("drain", pieces(size))
    @staticmethod
    async def up(size):
        moved = 0
        async for piece in await jopened.call("fill", size):
            moved += len(piece)
        return moved
"""

_ANYWIDGET_CELL = """
import anywidget

class Echo(anywidget.AnyWidget):
    _esm = "export default { render({ model }) { model.on('msg:custom', (m) => model.send(m)); model.send('ready'); } }"

async def answered(begin):
    future = asyncio.get_running_loop().create_future()
    Anywidget.heard = lambda value: future.done() or future.get_loop().call_soon_threadsafe(future.set_result, value)
    begin()
    return await asyncio.wait_for(future, 10)

class Anywidget:
    heard = None
    @staticmethod
    async def trip():
        return await answered(lambda: widget.send("x"))

widget = Echo()
widget.on_msg(lambda _, value, buffers: Anywidget.heard(value))
assert await answered(lambda: display(widget)) == "ready"
"""

#: A kernel that listens on a port of loopback, and a page that comes there by way of jupyter-server-proxy.
_PROXY_CELL = """
from aiohttp import web
from IPython.display import HTML
connected = asyncio.get_running_loop().create_future()

async def on_socket(request):
    socket = web.WebSocketResponse(compress=False)
    await socket.prepare(request)
    connected.set_result(socket)
    await asyncio.Event().wait()

site = web.AppRunner(app := web.Application())
app.router.add_get("/", on_socket)
await site.setup()
await web.TCPSite(site, "127.0.0.1", %(port)d).start()
display(HTML('''<script>{
  const base = JSON.parse(document.getElementById("jupyter-config-data").textContent).baseUrl;
  const socket = new WebSocket(new URL(base + "proxy/%(port)d/", location.href).href.replace("http", "ws"));
  socket.onmessage = ({ data }) => socket.send(data);
}</script>'''))
socket = await asyncio.wait_for(connected, 20)

class Proxy:
    @staticmethod
    async def trip():
        await socket.send_str("x")
        return await socket.receive_str()
"""


def missing(way: str) -> str:
    """Return what a peer lacks here, or nothing."""
    module = {JCHANNEL: "jchannel", ANYWIDGET: "anywidget", PROXY: "jupyter_server_proxy"}[way]
    if find_spec(module) is None or (way == JCHANNEL and not _CLIENT.exists()):
        return f"{way} is left out: make bench-tools installs it"
    return ""


@contextmanager
def peers_of(page: NotebookPage, notes: list[str]) -> Iterator[dict[str, tuple[NotebookPage, str]]]:
    """Open all peers that there are; give the page of each, and the name of its class in the kernel.

    Args:
        page: where ours runs, and those that can run beside it.
        notes: tell of those that are left out.
    """
    found: dict[str, tuple[NotebookPage, str]] = {}
    with ExitStack() as running:
        if not _left_out(JCHANNEL, notes):
            client = running.enter_context(_served(_CLIENT))
            page.run(_JCHANNEL_CELL % {"client": client, "port": free_port()})
            found[JCHANNEL] = page, "Jchannel"
        if not _left_out(ANYWIDGET, notes):
            page.run(_ANYWIDGET_CELL)
            found[ANYWIDGET] = page, "Anywidget"
        if not _left_out(PROXY, notes):
            stock = running.enter_context(_stock_page())
            stock.run(COMMON)
            stock.run(_PROXY_CELL % {"port": free_port()})
            found[PROXY] = stock, "Proxy"
        yield found


def _left_out(way: str, notes: list[str]) -> bool:
    problem = missing(way)
    notes.extend([f"{problem}."] * bool(problem))
    return bool(problem)


@contextmanager
def _served(file: Path) -> Iterator[str]:
    """Serve a script at a port of loopback, and give its URL."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(file.parent)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/{file.name}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def _stock_page() -> Iterator[NotebookPage]:
    """Open a notebook of a stock ``jupyter notebook`` in a browser of its own."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="pnb-bench-") as folder:
        environment = os.environ | {f"JUPYTER_{name}_DIR": f"{folder}/{name}" for name in ("CONFIG", "RUNTIME")}
        options = [f"--port={port}", "--no-browser", "--allow-root", "--IdentityProvider.token=t"]
        options += ["--expose-app-in-browser", f"--ServerApp.root_dir={folder}"]
        notebook = {"cells": [], "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}}}
        Path(folder, "n.ipynb").write_text(json.dumps({**notebook, "nbformat": 4, "nbformat_minor": 5}))
        process = subprocess.Popen(
            [sys.executable, "-m", "notebook", *options],
            env=environment,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            wait_until(lambda: answers(f"http://localhost:{port}/api"), "the stock server answers", seconds=60)
            with chromium() as browser:
                browser.get(f"http://localhost:{port}/notebooks/n.ipynb?token=t")
                until_idle(browser)
                yield NotebookPage(browser)
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # with its kernels
            process.wait(30)
