"""A site with views of its own that call the three documented functions."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
import websocket

from pyramid_notebook.manager import NotebookManager
from pyramid_notebook.settings import Settings
from tests.running import ROOT, free_port, wait_until
from tests.server.daemons import Kernel

from .sites import CLICK, HANDSHAKE, HTML, JSON, STREAM, ask

INI = Path(__file__).with_name("shop.ini")
MIKKO, MIA, GUEST = "mikko@example.com", "mia@example.com", "guest@example.com"


@dataclass(frozen=True)
class Shop:
    port: int
    log: Path
    manager: NotebookManager

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def fields(self, user: str) -> dict[str, str]:
        credentials = base64.b64encode(f"{user}:password".encode()).decode()
        return {"Authorization": f"Basic {credentials}", "Origin": self.url}

    def ask(self, method, target, headers, user=MIKKO):
        return ask(self.port, method, target, self.fields(user) | headers)

    @contextmanager
    def kernel(self, location: str, user: str = MIKKO) -> Iterator[Kernel]:
        """Speak with the kernel of a notebook as its page does."""
        sessions = json.loads(self.ask("GET", "/notebook/api/sessions", JSON, user).text)
        name = location.rpartition("/")[2]
        [kernel] = [session["kernel"]["id"] for session in sessions if session["path"] == name]
        connection = websocket.create_connection(
            f"ws://localhost:{self.port}/notebook/api/kernels/{kernel}/channels",
            header={"Authorization": self.fields(user)["Authorization"]},
            origin=self.url,
            timeout=30,
        )
        try:
            yield Kernel(connection)
        finally:
            connection.close(timeout=1)


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    notebooks, log, port = folder / "notebooks", folder / "site.log", free_port()
    # the kernel reads the very file, so that its values are filled in here
    text = INI.read_text().replace("%(notebook_folder)s", str(notebooks)).replace("%(http_port)s", str(port))
    Path(folder, "shop.ini").write_text(text)
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "pyramid.scripts.pserve", str(folder / "shop.ini")],
            stdout=output, stderr=output, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    running = Shop(port, log, NotebookManager(Settings(notebook_folder=str(notebooks))))

    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            return requests.get(running.url, timeout=5).ok
        except requests.ConnectionError:
            return False

    try:
        wait_until(answers, "the shop answers", seconds=60)
        yield running
    finally:
        process.terminate()
        process.wait(20)
        for record in running.manager.servers():
            running.manager.stop(record.user)


def test_a_click_opens_a_notebook_that_knows_the_site_and_shuts_it_down(shop):
    page = shop.ask("GET", "/admin-shell", CLICK)
    assert (page.status, 'role="progressbar"' in page.text) == (200, True)
    assert shop.ask("GET", "/notebook/-/launch.js", {}).status == 200
    lines = shop.ask("GET", "/admin-shell", STREAM).lines
    assert [line["stage"] for line in lines] == ["starting", "loading", "opening"]
    location = lines[-1]["location"]
    assert location.startswith("/notebook/notebooks/default-")
    notebook = shop.ask("GET", location, HTML)
    assert (notebook.status, "/notebook/static/" in notebook.text) == (200, True)
    assert shop.ask("GET", "/admin-shell", CLICK).location == location
    with shop.kernel(location) as kernel:
        assert kernel.run("session.bind.url, Order.__name__, registry.settings['shop.superusers']").startswith(
            "(sqlite://, 'Order', "
        )
        assert shop.ask("GET", "/shutdown-notebook", CLICK).location == "/"
        with pytest.raises((websocket.WebSocketException, OSError)):
            wait_until(lambda: not kernel.run("1"), "the websocket ends")
    assert shop.manager.find(MIKKO) is None
    assert shop.ask("GET", location, HTML).status == 502
    assert "Traceback" not in shop.log.read_text()


def test_what_a_site_that_includes_us_gets_prepared_is_prepared_here_as_well(shop):
    assert shop.ask("GET", "/notebook/-/page.css", {}).status == 200
    wait_until(lambda: next(shop.manager.root.glob(".static/**/*.gz"), None), "files are compressed ahead of requests")


def test_two_users_at_the_same_addresses_meet_their_own_servers(shop):
    for user in (MIKKO, MIA):
        assert shop.ask("POST", "/admin-shell", JSON, user).status == 200
        me = json.loads(shop.ask("GET", "/notebook/api/me", JSON, user).text)
        assert me["identity"]["username"] == user
    for user in (MIKKO, MIA):
        assert shop.ask("POST", "/notebook/api/shutdown", JSON, user).status == 200
        assert shop.manager.find(user) is None


@pytest.mark.parametrize("target", ["/admin-shell", "/shutdown-notebook", "/notebook/tree", "/notebook/-/stop"])
def test_its_own_permission_decides(shop, target):
    for method, headers in (("GET", HTML), ("POST", HTML), ("GET", HANDSHAKE)):
        assert shop.ask(method, target, headers, GUEST).status == 403
    assert not shop.manager.folder(GUEST).path.exists()


def test_a_foreign_page_moves_nothing_there_either(shop):
    assert shop.ask("GET", "/admin-shell", HTML | {"Sec-Fetch-Site": "cross-site"}).status == 403
    assert shop.ask("POST", "/notebook/-/start", HTML | {"Origin": "https://evil.example"}).status == 403
    assert shop.manager.find(MIKKO) is None
