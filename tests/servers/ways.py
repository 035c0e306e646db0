"""The web servers that a site may run on, each as a real process with the site of :mod:`.site`."""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import psutil

from pyramid_notebook import pidfile
from pyramid_notebook.files import private_folder
from pyramid_notebook.manager import NotebookManager
from pyramid_notebook.record import ServerRecord
from pyramid_notebook.settings import Settings

from .site import MOUNT, SETTINGS

_ROOT = Path(__file__).parents[2]
_SITE = "tests.servers.site:application"
_THREADS = 24
#: Address of a proxy that there is not (RFC 5737): some servers believe all that comes from loopback.
_NOBODY = "192.0.2.1"
_START_SECONDS, _STOP_SECONDS = 30.0, 10.0
_ATTEMPTS = 3
#: A user's own may lack the folders where servers are.
_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


class Upstream(Protocol):
    """A user server: all that the site has to know of it is its record."""

    @property
    def record(self) -> ServerRecord: ...


@dataclass(frozen=True, slots=True)
class Asked:
    """How a web server shall run.

    Attributes:
        folder: of its own.
        port: of the loopback interface.
        mount: URL path at which the site is mounted, which may be empty.
        workers: processes that answer; for gunicorn and uWSGI.
    """

    folder: Path
    port: int
    mount: str
    workers: int


@dataclass(frozen=True, slots=True)
class Way:
    """One way to serve the site.

    Attributes:
        command: the command line for what is asked for.
        needs: modules without which it cannot run; and programs, with a slash in front.
    """

    command: Callable[[Asked], list[str]]
    needs: tuple[str, ...]


def _waitress(asked: Asked) -> list[str]:
    options = [f"--threads={_THREADS}", "--asyncore-use-poll", "--connection-limit=2000"]
    options += [f"--max-request-body-size={4 << 30}", *[f"--url-prefix={asked.mount}"] * bool(asked.mount)]
    return [sys.executable, "-P", "-m", "waitress", f"--listen=127.0.0.1:{asked.port}", *options, _SITE]


def _gunicorn(asked: Asked) -> list[str]:
    options = ["-k", "gthread", "--workers", str(asked.workers), "--threads", str(_THREADS), "--no-control-socket"]
    options += [
        "--worker-tmp-dir",
        str(asked.folder),
        "--worker-connections",
        "2000",
        "--keep-alive",
        "5",
        "--graceful-timeout",
        "3",
    ]
    options += ["--forwarded-allow-ips", _NOBODY, *["--env", f"SCRIPT_NAME={asked.mount}"] * bool(asked.mount)]
    return [sys.executable, "-P", "-m", "gunicorn", "-b", f"127.0.0.1:{asked.port}", *options, _SITE]


def _uwsgi(asked: Asked) -> list[str]:
    """Use the file that we ship, with another site, address and number of processes."""
    module, callable_name = _SITE.split(":")
    shipped = (_ROOT / "uwsgi.ini").read_text().splitlines()
    kept = [line for line in shipped if not line.startswith(("paste", "http-socket", "processes", "threads"))]
    own = [f"http-socket = 127.0.0.1:{asked.port}", f"threads = {_THREADS}", f"processes = {asked.workers}"]
    own += [f"pythonpath = {_ROOT}"]
    if asked.mount:
        own += [f"mount = {asked.mount}={_SITE}", "manage-script-name = true"]
    else:
        own += [f"module = {module}", f"callable = {callable_name}"]
    settings = asked.folder / "uwsgi.ini"
    settings.write_text("\n".join([*kept, *own, ""]))
    return [_program("uwsgi"), str(settings)]


def _uvicorn(asked: Asked) -> list[str]:
    options = ["--timeout-graceful-shutdown", "3", "--no-access-log", "--no-proxy-headers"]
    site = "tests.servers.site:asgi_application"
    return [sys.executable, "-P", "-m", "uvicorn", "--host", "127.0.0.1", "--port", str(asked.port), *options, site]


def _nginx(asked: Asked) -> list[str]:
    return [sys.executable, "-P", "-m", "tests.servers.behind_nginx", str(asked.folder), str(asked.port), asked.mount]


_ALL = {
    "waitress": Way(_waitress, ("waitress",)),
    "gunicorn": Way(_gunicorn, ("gunicorn",)),
    "uwsgi": Way(_uwsgi, ("/uwsgi",)),
    "uvicorn": Way(_uvicorn, ("uvicorn", "a2wsgi")),
    "nginx": Way(_nginx, ("/nginx", "waitress")),
}

#: The names of all ways.
WAYS = tuple(_ALL)


def missing(way: str) -> str:
    """Return what a way lacks to run here, or nothing."""
    for name in _ALL[way].needs:
        if not (shutil.which(_program(name[1:])) if name.startswith("/") else find_spec(name)):
            return f"{way} needs {name.lstrip('/')}"
    return ""


def _program(name: str) -> str:
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else shutil.which(name, path=_PATH) or name


@dataclass(frozen=True, slots=True)
class Served:
    """A site that is served.

    Attributes:
        way: how.
        port: where it listens, on 127.0.0.1.
        process: the web server; it may have workers.
        base: URL path of the user server.
        folder: the notebook folder.
        user: who owns the user server.
        mount: URL path of the site, without a slash at its end.
    """

    way: str
    port: int
    process: subprocess.Popen[bytes]
    base: str
    folder: Path
    user: str
    mount: str

    @property
    def headers(self) -> dict[str, str]:
        """Header fields of the user's browser, on a page of the site."""
        return self.headers_of(self.user)

    def headers_of(self, user: str) -> dict[str, str]:
        """Return the header fields of another user's browser, on a page of the site."""
        return {"Cookie": f"user={user}", "Origin": f"http://127.0.0.1:{self.port}"}

    def pids(self) -> list[int]:
        """Return the processes of the web server: itself and its workers."""
        return [self.process.pid, *(child.pid for child in psutil.Process(self.process.pid).children(recursive=True))]

    def put(self, upstream: Upstream) -> None:
        """Let the door find one more user server, in place of one that the user may have had."""
        record = upstream.record
        folder = NotebookManager(Settings(notebook_folder=str(self.folder))).folder(record.user)
        for path in (folder.path, folder.work, folder.runtime):
            private_folder(path)
        pidfile.remember(folder.pid_file, record)

    def disable(self, user: str) -> None:
        """Let the site know a user no more."""
        place = self.folder / "disabled"
        place.mkdir(exist_ok=True)
        (place / user).touch()

    def facts(self, user: str = "") -> dict[str, Any]:
        """Return what the worker that answers knows of itself: pid, descriptors, threads, websockets of a user."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_START_SECONDS)
        with closing(connection):
            connection.request("GET", f"{self.mount}/facts", headers=self.headers_of(user or self.user))
            answer = connection.getresponse()
            text = answer.read()
        assert answer.status == 200, f"{answer.status}: {text[:500]!r}"
        found: dict[str, Any] = json.loads(text)
        return found

    def log(self) -> str:
        """Return what the server has written so far."""
        return _log_file(self.folder).read_text(errors="replace")


@contextmanager
def serving(
    way: str, upstream: Upstream, *, static: bool = False, mount: str = "", workers: int = 1, **settings: Any
) -> Iterator[Served]:
    """Serve the site in a process of its own, with a user server.

    Args:
        way: one of :data:`WAYS`.
        upstream: the user server; its process must be running.
        static: whether the static files of Notebook are compressed first, which takes some seconds of one core.
        mount: URL path at which the site is mounted, without a slash at its end.
        workers: processes of gunicorn and uWSGI.
        settings: more ``pyramid_notebook.*`` settings, without that prefix.
    """
    with tempfile.TemporaryDirectory(prefix="pnb-served-", ignore_cleanup_errors=True) as place, ExitStack() as held:
        folder = Path(place)
        for name in ("disabled", ".static"):
            (folder / name).mkdir(mode=0o700)
        if not static:  # who finds the lock held leaves the files as they are
            lock = held.enter_context((folder / ".static" / "lock").open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        texts = {name: str(value) for name, value in settings.items()}
        environment = {
            **os.environ,
            "PYTHONPATH": str(_ROOT),
            SETTINGS: json.dumps({"notebook_folder": place, "zygote": "off", **texts}),
            MOUNT: mount,
        }
        served = held.enter_context(_started(way, upstream.record, folder, environment, workers))
        served.put(upstream)
        served.facts()  # the first request prepares the door
        yield served


@contextmanager
def _started(
    way: str, record: ServerRecord, folder: Path, environment: dict[str, str], workers: int
) -> Iterator[Served]:
    """Start the server; where somebody else takes the port just then, on another one."""
    for _attempt in range(_ATTEMPTS):
        port = _free_port()
        with _log_file(folder).open("ab") as log:
            process = subprocess.Popen(
                _ALL[way].command(Asked(folder, port, environment[MOUNT], workers)),
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            if _listens(process, port):
                yield Served(way, port, process, record.base_url, folder, record.user, environment[MOUNT])
                return
        finally:
            _end(process)
    raise AssertionError(f"{way} does not start:\n{_log_file(folder).read_text(errors='replace')}")


def _log_file(folder: Path) -> Path:
    return folder / "server.log"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


def _listens(process: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
        time.sleep(0.01)
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a server with all its workers; they are a session of their own."""
    process.send_signal(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
