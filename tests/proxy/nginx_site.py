"""A site with the real door, which lets people pass by a cookie and programs by tokens; and nginx in front of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import requests
import websocket
from pyramid.config import Configurator
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_unix_socket
from tornado.web import Application, RequestHandler

from pyramid_notebook import pidfile, processes
from pyramid_notebook.files import private_folder
from pyramid_notebook.manager import NotebookManager
from pyramid_notebook.record import ServerRecord
from pyramid_notebook.scopes import Grant
from pyramid_notebook.server.leases import Leases, watch
from pyramid_notebook.settings import Settings
from pyramid_notebook.tokens.database import open_store

from ..running import free_port, wait_until
from ..servers.site import Policy
from .nginx_marks import marked
from .nginx_server import GROUP, Nginx, nginx
from .upstreams import BASE, Blocks, Echo, NoSocket, Sink, Socket, Status, TornadoUpstream

MOST_WEBSOCKETS = 8
_FOLDER = "PYRAMID_NOTEBOOK_TEST_FOLDER"


def settings_of(folder: Path) -> Settings:
    return Settings(
        notebook_folder=str(folder), socket_group=GROUP, trusted_proxies="127.0.0.1", zygote=False, proxy_timeout=5
    )


def make(folder: Path):
    """Make the site."""
    settings = settings_of(folder)
    names = ("notebook_folder", "socket_group", "trusted_proxies", "proxy_timeout")
    texts = {f"pyramid_notebook.{name}": str(getattr(settings, name)) for name in names}
    policy = Policy(folder / "disabled")
    texts["pyramid_notebook.user_websockets"] = str(MOST_WEBSOCKETS)
    with Configurator(settings={**texts, "pyramid_notebook.zygote": "off"}) as config:
        config.set_security_policy(policy)
        config.include("pyramid_notebook")
        config.set_notebook_permits(lambda _request, user, _permission: not (folder / "disabled" / user).exists())
        config.add_tween("tests.proxy.nginx_marks.orders")
        return marked(config.make_wsgi_app())


application = make(Path(os.environ[_FOLDER])) if _FOLDER in os.environ else None


class LeasesOf(RequestHandler):
    """What the extension answers below ``-/``."""

    def post(self):
        upstream = self.application.settings["upstream"]
        told = json.loads(self.request.body)
        upstream.told.append(told)
        self.write({"unused": upstream.leases.tell(told["renewed"], told["ended"])})


class Orders(RequestHandler):
    """Answers with header fields that would make a web server do something."""

    def get(self):
        self.set_header("X-Accel-Redirect", "/.pyramid_notebook/auth")
        self.set_header("X-Accel-Expires", "1000")
        self.set_header("X-Sendfile", "/etc/passwd")
        self.write("an order")


class Planted(RequestHandler):
    """What a user has put where Notebook has no file."""

    def get(self):
        self.set_header("Content-Type", "text/javascript")
        self.set_header("X-Accel-Expires", "1000")
        self.write("planted by alice")


class Raw(RequestHandler):
    """Answers with the bytes that a test says, and hangs up."""

    async def get(self):
        stream = self.detach()
        await stream.write(self.application.settings["upstream"].raw)
        stream.close()


class Endless(RequestHandler):
    async def get(self):
        self.write("the beginning")
        await self.flush()
        await self.application.settings["upstream"].never.wait()


class LeasedUpstream(TornadoUpstream):
    """A user server that knows leases; nginx may connect to its socket."""

    async def _serve(self):
        import asyncio
        import grp

        self.leases, self.told, self.never, self.requests = Leases(), [], asyncio.Event(), 0
        handlers = [
            (BASE + r"echo(.*)", Echo), (BASE + r"status/(\d+)", Status), (BASE + r"blocks/(\d+)", Blocks),
            (BASE + r"sink", Sink), (BASE + r"socket", Socket), (BASE + r"no-socket", NoSocket),
            (BASE + r"orders", Orders), (BASE + r"raw", Raw), (BASE + r"static/notebook/planted.js", Planted),
            (BASE + r"endless", Endless), (BASE + r"-/leases", LeasesOf),
        ]  # fmt: skip
        application = Application(handlers, upstream=self, log_function=lambda _handler: None)
        watch(application, self.leases)
        server = HTTPServer(application)
        server.add_socket(bind_unix_socket(self.path, 0o660))
        os.chown(self.path, -1, grp.getgrnam(GROUP).gr_gid)
        self.port = 0
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        self._ready.set()
        await self._stopped.wait()
        server.stop()
        await server.close_all_connections()

    def __init__(self, folder: Path) -> None:
        folder.chmod(0o755)
        super().__init__(folder)
        pid = os.getpid()
        self.record = replace(self.record, pid=pid, identity=processes.identity(pid), socket_group=GROUP)


@dataclass
class World:
    """A user server, a site, and nginx in front."""

    folder: Path
    upstream: LeasedUpstream
    site: subprocess.Popen[bytes]
    site_port: int
    nginx: Nginx

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.nginx.port}"

    def headers(self, user: str = "alice") -> dict[str, str]:
        return {"Cookie": f"user={user}; _xsrf=ours", "Origin": self.origin}

    def ask(self, method: str, path: str, *, user: str = "alice", headers: dict[str, str] | None = None, **options):
        """Ask as a page of a user; a path that does not begin with a slash is one of alice's server."""
        address = self.origin + (path if path.startswith("/") else BASE + path)
        sent = {**(self.headers(user) if user else {}), **(headers or {})}
        return requests.request(method, address, headers=sent, timeout=20, allow_redirects=False, **options)

    @contextmanager
    def websocket(self, path: str = "socket", *, user: str = "alice", headers: dict[str, str] | None = None, **options):
        connection = websocket.WebSocket()
        connection.settimeout(20)
        sent = {**({"Cookie": f"user={user}"} if user else {}), **(headers or {})}
        address = f"ws://127.0.0.1:{self.nginx.port}{BASE}{path}"
        origin = self.origin if user else None
        connection.connect(address, header=sent, origin=origin, suppress_origin=not user, **options)
        try:
            yield connection
        finally:
            connection.shutdown()

    @property
    def manager(self) -> NotebookManager:
        return NotebookManager(settings_of(self.folder))

    def token(self, *scopes: str) -> tuple[str, str]:
        """Make a token of alice, and return its id and itself."""
        store = open_store(settings_of(self.folder))
        try:
            info, secret = store.create("alice", "test", tuple(map(Grant.parse, scopes)), 3600)
        finally:
            store.close()
        return info.id, secret

    def revoke(self, token_id: str) -> None:
        store = open_store(settings_of(self.folder))
        try:
            assert store.revoke(token_id, "alice")
        finally:
            store.close()


def put(folder: Path, record: ServerRecord) -> None:
    """Make a user server known to the site."""
    place = NotebookManager(settings_of(folder)).folder(record.user)
    for path in (folder, place.path, place.work, place.runtime, folder / "disabled"):
        private_folder(path)
    pidfile.remember(place.pid_file, record)


@contextmanager
def world(*, server: tuple[str, ...] = ("waitress", "--threads=8")) -> Iterator[World]:
    """Run all three."""
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pnb-test-", ignore_cleanup_errors=True)))
        place.chmod(0o755)  # nginx's workers are another UNIX user
        folder = place / "notebooks"
        (place / "u").mkdir()
        upstream = LeasedUpstream(place / "u")
        stack.callback(upstream.close)
        put(folder, upstream.record)
        port = free_port()
        listen = f"--bind=127.0.0.1:{port}" if server[0] == "gunicorn" else f"--listen=127.0.0.1:{port}"
        module, *options = server
        log = stack.enter_context((place / "site.log").open("wb"))
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", module, listen, *options, "tests.proxy.nginx_site:application"],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), _FOLDER: str(folder)},
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        stack.callback(_end, process)
        running = stack.enter_context(nginx(folder, port))
        made = World(folder, upstream, process, port, running)
        wait_until(lambda: made.ask("GET", "echo").status_code == 200, "the site answers")
        yield made


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
