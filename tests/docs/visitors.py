"""A site that pserve runs, and somebody who visits it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
import websocket

from pyramid_notebook import NotebookManager, Settings
from tests.running import wait_until
from tests.server.daemons import Kernel

_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')
_SECONDS = 60

#: A site around the code of a page: everybody is who the cookie says, and may do everything.
AROUND = """
from pyramid.config import Configurator
from pyramid.csrf import get_csrf_token
from pyramid.response import Response
from pyramid.session import SignedCookieSessionFactory


class Trusting:
    def identity(self, request):
        return request.cookies.get("user")

    authenticated_userid = identity

    def permits(self, request, context, permission):
        return self.identity(request) is not None

    def remember(self, request, userid, **options):
        return []

    def forget(self, request, **options):
        return []


def home(request):
    return Response(f'<input name="csrf_token" value="{get_csrf_token(request)}">')


def main(global_config, **settings):
    with Configurator(settings=settings) as config:
        config.set_session_factory(SignedCookieSessionFactory("secret"))
        config.set_security_policy(Trusting())
        config.set_default_csrf_options(require_csrf=True)
        config.include(settings["around"])
        config.add_route("home", "/")
        config.add_view(home, route_name="home")
        return config.make_wsgi_app()
"""


class Visitor:
    """A browser that says what browsers say, on a page of the site."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.headers.update({"Origin": url, "Accept": "text/html", "Sec-Fetch-Site": "same-origin"})

    def get(self, address: str) -> requests.Response:
        return self.session.get(f"{self.url}{address}", timeout=_SECONDS)

    def send(self, page: str, address: str, **fields: str) -> requests.Response:
        """Send a form of a page, with the page's token."""
        found = _TOKEN.search(self.get(page).text)
        assert found, page
        data = {"csrf_token": found[1], **fields}
        return self.session.post(f"{self.url}{address}", data=data, timeout=_SECONDS)

    def launch(self, page: str, address: str) -> str:
        """Press a button that opens a notebook; returns where the page of the launch leads to in the end."""
        assert "pnb-launch" in self.send(page, address).text
        self.session.headers["X-Notebook-Launch"] = "stream"
        lines = [json.loads(line) for line in self.send(page, address).text.splitlines()]
        del self.session.headers["X-Notebook-Launch"]
        assert lines[-1].get("location"), lines
        return str(lines[-1]["location"])

    @contextmanager
    def kernel(self, notebook: str) -> Iterator[Kernel]:
        """Connect to the kernel of a notebook as its page does."""
        base, _, name = notebook.partition("notebooks/")
        sessions = self.get(f"{base}api/sessions").json()
        [kernel] = [session["kernel"]["id"] for session in sessions if session["path"] == name]
        connection = websocket.create_connection(
            f"{self.url.replace('http', 'ws', 1)}{base}api/kernels/{kernel}/channels",
            cookie="; ".join(f"{cookie.name}={cookie.value}" for cookie in self.session.cookies),
            origin=self.url,
            timeout=_SECONDS,
        )
        try:
            yield Kernel(connection)
        finally:
            connection.close(timeout=1)


@contextmanager
def serving(command: str, folder: Path, port: int) -> Iterator[Visitor]:
    """Run a site by the command that a page of the documentation gives; its user servers stay.

    Args:
        command: for bash; ``env`` is the environment that runs the tests.
        folder: where to run it.
        port: where it listens.
    """
    environment = folder / "env"
    if not environment.exists():
        environment.symlink_to(sys.prefix)
    log = folder / "site.log"
    with log.open("ab") as output:
        site = subprocess.Popen(["bash", "-c", command], cwd=folder, stdout=output, stderr=output, process_group=0)
    visitor = Visitor(f"http://localhost:{port}")

    def answers() -> bool:
        assert site.poll() is None, log.read_text()
        try:
            return visitor.get("/").status_code == 200
        except requests.ConnectionError:
            return False

    try:
        wait_until(answers, "the site answers", seconds=_SECONDS)
        yield visitor
    finally:
        os.killpg(site.pid, signal.SIGTERM)
        site.wait(20)


@contextmanager
def nothing_left(folder: Path) -> Iterator[NotebookManager]:
    """End all user servers below ``notebooks`` in the end; yields a manager of them."""
    manager = NotebookManager(Settings(notebook_folder=str(folder / "notebooks")))
    try:
        yield manager
    finally:
        for record in manager.servers():
            manager.stop(record.user)


@contextmanager
def running(command: str, folder: Path, port: int) -> Iterator[Visitor]:
    """Run a site as :func:`serving` does, and leave nothing of it running."""
    with nothing_left(folder), serving(command, folder, port) as visitor:
        yield visitor
