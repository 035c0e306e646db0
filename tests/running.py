"""Runs the real demo site and real browsers, for tests and benchmarks."""

from __future__ import annotations

import fcntl
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from pyramid_notebook.manager import NotebookManager
from pyramid_notebook.settings import Settings

ROOT = Path(__file__).parent.parent
DEMO_INI = ROOT / "pyramid_notebook" / "demo" / "development.ini"

CHROMEDRIVER = Path("/usr/bin/chromedriver")
CHROMIUM_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1280,900",
)

#: The command ``pyramid-notebook``, for ``python -c``, which Ctrl-C ends: SIGINT is ignored in what a shell has put
#: into the background, and Python leaves it so.
COMMAND = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from pyramid_notebook.cli import main
sys.exit(main())
"""

#: JavaScript that tells whether the kernel of the open notebook is idle and heard; all parts must be asked for at once.
KERNEL_IS_IDLE = """
const indicator = document.querySelector('.jp-Notebook-ExecutionIndicator[data-status="idle"]');
const name = document.querySelector('.jp-Toolbar-kernelName');
const kernel = window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel;
const heard = !kernel || kernel.connectionStatus === 'connected';
return Boolean(indicator && name && name.textContent && name.textContent !== 'No Kernel' && heard);
"""


def wait_until(condition: Callable[[], Any], what: str, *, seconds: float = 30.0) -> Any:
    """Return what the condition returns once that is true; fail when it takes too long."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {seconds} s for: {what}"
        time.sleep(0.02)
    return value


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Site:
    """A demo site that runs in a process of its own."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]
    prefix: str = ""

    @property
    def origin(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.origin}{self.prefix}"

    @property
    def manager(self) -> NotebookManager:
        """A manager of the same user servers; it shares nothing with the site but the folder."""
        return NotebookManager(Settings(notebook_folder=str(self.folder / "notebooks")))

    @property
    def log(self) -> str:
        return (self.folder / "site.log").read_text()

    def start(self, *options: str) -> None:
        with (self.folder / "site.log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "pyramid.scripts.pserve", str(self.folder / "site.ini")),
                    f"http_port={self.port}",
                    f"notebook_folder={self.folder / 'notebooks'}",
                    f"database=sqlite:///{self.folder / 'demo.sqlite'}",
                    *options,
                ],
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )
        wait_until(self.answers, "the site answers", seconds=60)

    def answers(self) -> bool:
        assert self.process.poll() is None, self.log
        try:
            return requests.get(f"{self.url}/login", timeout=5).status_code == 200
        except requests.ConnectionError:
            return False

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def session(self, name: str, password: str = "password") -> requests.Session:
        """Return an HTTP session of a user who has signed in."""
        session = requests.Session()
        session.headers["Origin"] = self.origin
        page = session.get(f"{self.url}/login", timeout=10).text
        token = page.partition('name="csrf_token" value="')[2].partition('"')[0]
        fields = {"name": name, "password": password, "csrf_token": token}
        answer = session.post(f"{self.url}/login", data=fields, timeout=10)
        assert "Sign out" in answer.text
        return session


@contextmanager
def demo_site(
    settings: dict[str, str] | None = None,
    *,
    server: dict[str, str] | None = None,
    prefix: str = "",
    static: bool = False,
) -> Iterator[Site]:
    """Run the demo site in a fresh folder, and leave nothing of it running.

    Args:
        settings: more ``pyramid_notebook.*`` settings; ``{port}`` in a value stands for the site's port.
        server: more settings of waitress.
        prefix: URL path under which the site is mounted.
        static: whether the static files of Notebook are compressed first, which takes some seconds of one core.
    """
    with tempfile.TemporaryDirectory(prefix="pnb-test-") as folder, ExitStack() as held:
        if not static:  # who finds the lock held leaves the files as they are
            place = Path(folder, "notebooks", ".static")
            place.mkdir(mode=0o700, parents=True)
            place.parent.chmod(0o700)
            fcntl.flock(held.enter_context((place / "lock").open("w")), fcntl.LOCK_EX)
        port = free_port()
        text = DEMO_INI.read_text().replace("%(here)s/../..", folder)
        extra = "".join(f"pyramid_notebook.{name} = {value}\n" for name, value in (settings or {}).items())
        extra = extra.replace("{port}", str(port))
        text = text.replace("[app:main]\n", f"[app:main]\n{extra}")
        mounted = {"url_prefix": prefix} if prefix else {}
        extra = "".join(f"{name} = {value}\n" for name, value in (mounted | (server or {})).items())
        Path(folder, "site.ini").write_text(text.replace("[server:main]\n", f"[server:main]\n{extra}"))
        site = Site(Path(folder), port, None, prefix)  # type: ignore[arg-type]
        site.start()
        try:
            yield site
        finally:
            site.process.terminate()
            site.process.wait(20)
            for record in site.manager.servers():
                site.manager.stop(record.user)


def chromium_options(*flags: str) -> webdriver.ChromeOptions:
    """Return how Chromium runs here; what a page writes to its console is kept."""
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in (*CHROMIUM_FLAGS, *flags):
        options.add_argument(flag)
    return options


def chromium_service() -> Service:
    """Return Debian's chromedriver, or where there is none, the one that Selenium finds."""
    return Service(str(CHROMEDRIVER)) if CHROMEDRIVER.exists() else Service()


@contextmanager
def chromium() -> Iterator[webdriver.Chrome]:
    """Run a headless Chromium with an empty profile."""
    with tempfile.TemporaryDirectory(prefix="pnb-chromium-", ignore_cleanup_errors=True) as profile:
        options = chromium_options(f"--user-data-dir={profile}")
        driver = webdriver.Chrome(options=options, service=chromium_service())
        try:
            yield driver
        finally:
            driver.quit()
