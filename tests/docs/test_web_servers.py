"""The page about web servers, followed with each of them."""

from __future__ import annotations

import configparser
import threading
from pathlib import Path

import pytest
import requests

from pyramid_notebook import Settings
from tests.running import free_port, wait_until

from .blocks import BLOCKS, ROOT, block, shell
from .visitors import AROUND, Visitor, running

PAGE = "docs/how-to/web-servers.md"
SITE = """
use = call:around:main
around = pyramid_notebook
pyramid_notebook.notebook_folder = %(here)s/notebooks

[loggers]
keys = root

[handlers]
keys = console

[formatters]
keys =

[logger_root]
level = WARNING
handlers = console

[handler_console]
class = StreamHandler
args = (sys.stderr,)
"""


def command_of(server: str, folder: Path, port: int) -> str:
    """Save the files of the page, with one more site, and return the command; the port is another one."""
    (folder / "around.py").write_text(AROUND)
    (folder / "production.ini").write_text("[app:main]\n" + SITE)
    for file in ("uwsgi.ini", "shop_asgi.py"):
        (folder / file).write_text(block(PAGE, file).replace(":6543", f":{port}"))
    command = shell(PAGE, f"bin/{server}").replace("6543", str(port)).strip()
    return f"PYTHONPATH=$PWD exec {command.removeprefix('PYTHONPATH=$PWD ')}"


@pytest.mark.parametrize("server", ["gunicorn", "uwsgi", "uvicorn"])
def test_a_notebook_opens_and_calculates_on_each_web_server(folder: Path, server: str) -> None:
    port = free_port()
    with running(command_of(server, folder, port), folder, port) as ann:
        ann.session.cookies.set("user", "ann")
        notebook = ann.launch("/", "/notebook/-/open")
        with ann.kernel(notebook) as kernel:
            assert kernel.run("6 * 7") == "42"
    log = (folder / "site.log").read_text()
    assert "Traceback" not in log
    assert "websockets" not in log


def test_touching_the_ini_of_uwsgi_loads_the_site_anew_without_losing_a_request(folder: Path) -> None:
    port = free_port()
    with running(command_of("uwsgi", folder, port), folder, port) as ann:
        wait_until(lambda: log_of(folder).count(") ready in ") == 2, "both workers have loaded the site")
        lost: list[object] = []
        done = threading.Event()
        visiting = threading.Thread(target=visit, args=(ann, done, lost))
        visiting.start()
        (folder / "uwsgi.ini").touch()
        try:
            wait_until(lambda: "chain reloading complete" in log_of(folder), "the workers are new", seconds=60)
        finally:
            done.set()
            visiting.join()
        assert log_of(folder).count(") ready in ") >= 4
        assert lost == []


def log_of(folder: Path) -> str:
    return (folder / "site.log").read_text()


def visit(ann: Visitor, done: threading.Event, lost: list[object]) -> None:
    while not done.wait(0.02):
        try:
            status = ann.get("/").status_code
        except requests.RequestException as error:
            lost.append(error)
        else:
            lost.extend([status] * (status != 200))


def test_the_ini_of_the_source_says_what_the_page_says() -> None:
    given = configparser.RawConfigParser(strict=True)
    given.read(ROOT / "uwsgi.ini")
    shown = configparser.RawConfigParser(strict=True)
    shown.read_string(block(PAGE, "uwsgi.ini"))
    assert list(given["uwsgi"].items()) == list(shown["uwsgi"].items())


def test_there_are_more_threads_than_requests_of_two_users() -> None:
    needed = 2 * Settings(notebook_folder="/x").user_requests
    assert int(shell(PAGE, "bin/gunicorn").split("--threads ")[1]) > needed
    for text in (block(PAGE, "uwsgi.ini"), block(PAGE, "shop_asgi.py")):
        assert "threads = 16" in text or "threads=16" in text
    assert needed < 16
    assert {item.file for item in BLOCKS if item.page == PAGE} == {"", "uwsgi.ini", "shop_asgi.py"}
