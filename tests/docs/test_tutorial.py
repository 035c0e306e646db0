"""The tutorial and the page about own views, followed as a newcomer would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from pyramid.config import Configurator
from pyramid.response import Response
from webtest import TestApp

from tests.running import free_port

from .blocks import BLOCKS, block, shell
from .visitors import AROUND, nothing_left, running, serving

TUTORIAL = "docs/tutorial.md"
OWN_VIEWS = "docs/how-to/own-views.md"
SERVE = shell(TUTORIAL, "pserve")


def save_files(page: str, folder: Path, port: int) -> None:
    """Save what a page tells to save; the port alone is another one, so that tests may run side by side."""
    for item in BLOCKS:
        if item.page == page and item.file:
            (folder / item.file).write_text(item.text.replace("localhost:6543", f"localhost:{port}"))


def test_following_the_tutorial_leads_to_a_notebook_that_knows_the_order(folder):
    port = free_port()
    save_files(TUTORIAL, folder, port)
    with running(SERVE, folder, port) as alice:
        assert "Order 1 of The Hatter" in alice.send("/login", "/login", password="wonderland").text
        notebook = alice.launch("/orders/1", "/orders/1/shell")
        with alice.kernel(notebook) as kernel:
            assert kernel.run(block(TUTORIAL, "cell.py")) == "('The Hatter', 16.0)"
            assert kernel.run("session.query(Order).count()") == "2"
            assert kernel.run(block("docs/how-to/contexts.md", "magic")) == ""
        assert alice.send("/orders/1", "/orders/1/shell").url == f"{alice.url}{notebook}"
        other = alice.send("/orders/2", "/orders/2/shell").url.removeprefix(alice.url)
        assert other != notebook
        with alice.kernel(other) as kernel:
            assert kernel.run("order.customer") == "'Dinah'"
        assert "Shut down notebook" in alice.get("/orders/1").text
        assert "Orders" in alice.send("/orders/1", "/notebook/-/stop").text
        assert "Shut down notebook" not in alice.get("/orders/1").text
        assert (folder / "notebooks/alice/work" / Path(notebook).name).exists()


def test_variables_outlive_a_restart_of_the_site_as_the_tutorial_says(folder):
    port = free_port()
    save_files(TUTORIAL, folder, port)
    with nothing_left(folder) as manager:
        with serving(SERVE, folder, port) as alice:
            alice.send("/login", "/login", password="wonderland")
            notebook = alice.launch("/orders/1", "/orders/1/shell")
            with alice.kernel(notebook) as kernel:
                kernel.run("found = 42")
        before = manager.find("alice")
        with serving(SERVE, folder, port) as again:
            again.session = alice.session
            with again.kernel(notebook) as kernel:
                assert kernel.run("found") == "42"
        assert manager.find("alice") == before


def test_nobody_but_alice_gets_a_shell_in_the_tutorial(folder):
    port = free_port()
    save_files(TUTORIAL, folder, port)
    with running(SERVE, folder, port) as stranger:
        assert "Open shell" not in stranger.get("/orders/1").text
        assert stranger.send("/login", "/orders/1/shell").status_code == 403
        assert "Sign in" in stranger.get("/notebook/alice/tree").text


def test_what_the_tutorial_installs_is_all_that_it_needs(folder):
    venv, install = shell(TUTORIAL, "-m venv").splitlines()
    assert venv == "python3 -m venv env"
    (folder / "env").symlink_to(sys.prefix)
    # no index, so that nothing is installed: all must be here already
    command = install.replace("../pyramid_notebook", "pyramid_notebook")
    subprocess.run(["bash", "-c", command], cwd=folder, env={**os.environ, "PIP_NO_INDEX": "1"}, check=True)


def test_a_route_and_view_of_the_site_win_over_ours(folder):
    with Configurator(settings={"pyramid_notebook.notebook_folder": str(folder)}) as config:
        config.include("pyramid_notebook")
        config.add_route("notebook_proxy", "/shells/*remainder")
        config.add_view(lambda request: Response("mine"), route_name="notebook_proxy", require_csrf=False)
        site = TestApp(config.make_wsgi_app())
    assert site.get("/shells/ann/tree").text == "mine"
    site.get("/notebook/ann/tree", status=404)


def test_views_written_by_hand_do_all_that_ready_made_ones_do(folder):
    port = free_port()
    save_files(OWN_VIEWS, folder, port)
    (folder / "around.py").write_text(AROUND)
    text = block(OWN_VIEWS, "site.ini") + "use = call:around:main\naround = views\n"
    server = f"\n[server:main]\nuse = egg:waitress#main\nlisten = localhost:{port}\nasyncore_use_poll = true\n"
    (folder / "site.ini").write_text(text + server)
    with running(SERVE.replace("shop.ini", "site.ini"), folder, port) as ann:
        ann.session.cookies.set("user", "ann", domain="localhost.local", path="/")
        notebook = ann.launch("/", "/shell")
        assert notebook.startswith("/notebook/notebooks/default-")
        with ann.kernel(notebook) as kernel:
            assert kernel.run("answer, registry.settings['around']") == "(42, 'views')"
        ann.get(notebook)
        saved = ann.session.put(
            f"{ann.url}/notebook/api/contents/note.txt",
            json={"type": "file", "format": "text", "content": "saved without a token of the site"},
            headers={"X-XSRFToken": ann.session.cookies["_xsrf"]},
            timeout=30,
        )
        assert saved.status_code == 201, saved.text
        assert ann.send("/", "/shell/stop").url == f"{ann.url}/"
        assert ann.get(notebook).status_code == 502
