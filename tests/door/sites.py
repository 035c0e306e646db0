"""Small real sites with our door, user servers that write down what reaches them, and a client that changes nothing."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import re
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import requests
import waitress
from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPSeeOther
from pyramid.security import Allowed, Denied, forget
from waitress import wasyncore

from pyramid_notebook import launch_notebook, pidfile, processes, shutdown_notebook
from pyramid_notebook.files import private_folder
from pyramid_notebook.manager import NotebookManager
from pyramid_notebook.names import slug
from pyramid_notebook.record import ServerRecord
from pyramid_notebook.scopes import parse_grants
from pyramid_notebook.settings import Settings
from pyramid_notebook.tokens.database import open_store
from pyramid_notebook.tokens.store import TokenStore
from tests.proxy.upstreams import ScriptedUpstream

HTML = {"Accept": "text/html"}
CLICK = HTML | {"Sec-Fetch-Site": "same-origin"}
JSON = {"Accept": "application/json"}
STREAM = {"X-Notebook-Launch": "stream"}
HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}
#: A secret that must not be seen anywhere.
SECRET = "secret-of-a-launch-f81d4fae7dec"
#: Title of the notebooks that ``/shell`` opens.
TITLE: object = "A shell"
_ACCEPT_SUFFIX = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def location(self) -> str:
        """Path and query of where a redirect leads."""
        return re.sub("^https?://[^/]+", "", self.headers["Location"])

    @property
    def lines(self) -> list[dict[str, str]]:
        """What a stream of a launch told."""
        return [json.loads(line) for line in self.text.splitlines()]


def ask(port: int, method: str, target: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
    """Send a request whose target goes out as it is written here."""
    connection = http.client.HTTPConnection("localhost", port, timeout=60)
    try:
        connection.request(method, target, body, dict(headers))
        answer = connection.getresponse()
        text = "" if answer.status == 101 else answer.read().decode()
        return Answer(answer.status, answer.headers, text)
    finally:
        connection.close()


def cookies_of(session: requests.Session) -> dict[str, str]:
    """Return the header field with which a signed-in browser would identify itself."""
    return {"Cookie": "; ".join(f"{cookie.name}={cookie.value}" for cookie in session.cookies)}


def hidden_fields(page: str) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', page))


class Policy:
    """Believes the header ``X-User``, and grants what it was told to grant, to everybody but those who are disabled."""

    def __init__(self, *granted: str) -> None:
        self.granted = granted
        self.disabled: set[str] = set()

    def identity(self, request: Any) -> str | None:
        name = unquote(request.headers.get("X-User", ""))
        return name if name and name not in self.disabled else None

    authenticated_userid = identity

    def permits(self, request: Any, context: object, permission: str) -> Any:
        return (Allowed if permission in self.granted else Denied)("as the test says")

    def user_permits(self, request: Any, username: str, permission: str) -> bool:
        return permission in self.granted and username not in self.disabled

    def forget(self, request: Any, **options: Any) -> list[tuple[str, str]]:
        return []


class NumberedPolicy(Policy):
    """As many sites do, knows users by number."""

    def authenticated_userid(self, request: Any) -> Any:
        return 7 if self.identity(request) else None


@dataclass(frozen=True)
class Token:
    id: str
    user: str
    secret: str

    @property
    def fields(self) -> dict[str, str]:
        """The header field with which a program sends it."""
        return {"Authorization": f"Bearer {self.secret}"}


@dataclass(frozen=True)
class SmallSite:
    """A site in a thread.

    Besides the ready-made routes it has ``/shell`` and ``/shutdown``, which take any method, and ``/sign-out``.
    """

    port: int
    manager: NotebookManager
    policy: Policy | None
    tokens: TokenStore

    def token(self, user: str, *scopes: str, seconds: float = 3600, name: str = "a program") -> Token:
        """Make a token."""
        info, secret = self.tokens.create(user, name, parse_grants(" ".join(scopes or ("shell",))), seconds)
        return Token(info.id, user, secret)

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def ask(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, *, user: str = "", body: bytes = b""
    ) -> Answer:
        """Ask as a browser on a page of the site does."""
        fields = {"Origin": self.url, "X-User": quote(user), **(headers or {})}
        if body:
            fields.setdefault("Content-Type", "application/x-www-form-urlencoded")
        return ask(self.port, method, target, fields, body or None)


@contextmanager
def served(application: Any) -> Iterator[int]:
    """Serve an application with six threads of this process; yields the port."""
    sockets: dict[int, Any] = {}
    options = {"threads": 6, "asyncore_use_poll": True, "clear_untrusted_proxy_headers": False}
    server = waitress.create_server(application, map=sockets, host="127.0.0.1", port=0, **options)
    ended = threading.Event()

    def run() -> None:
        while not ended.is_set():
            wasyncore.loop(timeout=0.05, use_poll=True, map=sockets, count=1)
        wasyncore.close_all(sockets)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield server.effective_port
    finally:
        server.task_dispatcher.shutdown()  # first, so that no worker wakes a loop that is gone
        ended.set()
        thread.join(20)


@contextmanager
def small_site(folder: Path, policy: Policy | None = None, **settings: Any) -> Iterator[SmallSite]:
    """Run a site in a thread of this process.

    Args:
        folder: the notebook folder.
        policy: the security policy, None for a site without.
        settings: more ``pyramid_notebook.*`` settings.
    """

    def shell(request: Any) -> Any:
        return launch_notebook(request, unquote(request.headers["X-User"]), {"title": TITLE})

    def shutdown(request: Any) -> Any:
        return shutdown_notebook(request, unquote(request.headers["X-User"])) or HTTPSeeOther("/")

    def sign_out(request: Any) -> Any:
        return HTTPSeeOther("/", headers=forget(request))

    settings = {"zygote": "off", **settings}  # one for each site of a test would only take memory
    prefixed = {f"pyramid_notebook.{name}": value for name, value in settings.items()}
    with Configurator(settings={"pyramid_notebook.notebook_folder": str(folder), **prefixed}) as config:
        if policy:
            config.set_security_policy(policy)
        config.include("pyramid_notebook")
        if policy:
            config.set_notebook_permits(policy.user_permits)
        for path, view in (("shell", shell), ("shutdown", shutdown), ("sign-out", sign_out)):
            config.add_route(path, f"/{path}")
            config.add_view(view, route_name=path)
        application = config.make_wsgi_app()
    manager = NotebookManager(Settings(notebook_folder=str(folder)))
    tokens = open_store(Settings(notebook_folder=str(folder)))
    try:
        with served(application) as port:
            yield SmallSite(port, manager, policy, tokens)
    finally:
        tokens.close()
        for record in manager.servers():
            manager.stop(record.user)


class RecordingServer(ScriptedUpstream):
    """A user server in all that the door sees of it; it keeps what it was asked, in ``requests``."""

    process: subprocess.Popen[bytes]

    @property
    def targets(self) -> list[str]:
        """Method and target of what it was asked, without what the door itself wants to know."""
        lines = [" ".join(head.decode("latin-1").split(" ")[:2]) for head in self.requests]
        return [line for line in lines if "/-/" not in line]


Speak = Callable[[ScriptedUpstream, Any, int], None]


def answer_all(upstream: ScriptedUpstream, connection: Any, _number: int) -> None:
    """Agree to everything."""
    while True:
        head, _, body = upstream.read_head(connection).partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        while length and len(body) < int(length[1]):
            body += connection.recv(65536)
        key = re.search(rb"(?i)sec-websocket-key: (\S+)", head)
        if key:
            digest = hashlib.sha1(key[1] + _ACCEPT_SUFFIX.encode()).digest()
            accept = base64.b64encode(digest).decode()
            fields = f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}"
            connection.sendall(f"HTTP/1.1 101 Switching Protocols\r\n{fields}\r\n\r\n".encode())
            while connection.recv(65536):
                pass
            return
        text = b"" if head.startswith(b"HEAD") else b'{"path": "recorded.ipynb"}'
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 26\r\n\r\n" + text)


def never_answer(upstream: ScriptedUpstream, connection: Any, _number: int) -> None:
    upstream.read_head(connection)
    connection.recv(1)


@contextmanager
def recording_server(
    manager: NotebookManager, user: str, *, base_url: str = "", speak: Speak = answer_all
) -> Iterator[RecordingServer]:
    """Run a user server that records; the process that it is said to be does nothing but live."""
    folder = manager.folder(user)
    for path in (folder.path, folder.work, folder.runtime):
        private_folder(path)
    with tempfile.TemporaryDirectory(prefix="pnb-test-") as place, subprocess.Popen(["sleep", "600"]) as process:
        server = RecordingServer(Path(place), speak)
        server.process = process
        server.record = replace(
            server.record,
            user=user,
            base_url=base_url or f"/notebook/{slug(user)}/",
            pid=process.pid,
            identity=str(processes.identity(process.pid)),
            secret=SECRET,
        )
        pidfile.remember(folder.pid_file, server.record)
        try:
            yield server
        finally:
            process.kill()
            server.close()
            pidfile.forget(folder.pid_file, None)


def record_of(manager: NotebookManager, user: str) -> ServerRecord:
    record = manager.find(user)
    assert record
    return record


def ends(connection, seconds=5):
    """Wait for the end of a connection, and tell whether it came in time."""
    connection.settimeout(seconds)
    try:
        while connection.recv(65536):
            pass
    except ConnectionError:
        pass
    except TimeoutError:
        return False
    return True
