"""The pages about operating and deploying, against the program."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from waitress.adjustments import Adjustments

import pyramid_notebook
from pyramid_notebook import Settings
from pyramid_notebook.layout import UserFolder
from pyramid_notebook.record import ServerOptions
from pyramid_notebook.server.application import IDLE_EXIT_CODE
from pyramid_notebook.server.notebook_daemon import Exit
from tests.running import free_port, wait_until

from .blocks import BLOCKS, block, shell, table
from .test_blocks import bash
from .visitors import AROUND, nothing_left, running

OPERATIONS = "docs/how-to/operations.md"
DEPLOYMENT = "docs/how-to/deployment.md"


def test_the_exit_codes_are_all_that_there_are():
    assert [int(code) for code, _meaning in table(OPERATIONS, "code")] == sorted([*Exit, IDLE_EXIT_CODE])


@pytest.mark.parametrize(("page", "head"), [(OPERATIONS, "setting")])
def test_defaults_of_ours_are_the_real_ones(page, head):
    settings = Settings(notebook_folder="/x")
    for name, default, _meaning in table(page, head):
        real = getattr(settings, name.strip("`").removeprefix("pyramid_notebook."))
        assert int(re.match(r"\d+", default)[0]) == real, name


def test_defaults_of_waitress_are_the_real_ones():
    for name, default, _meaning in table(DEPLOYMENT, "setting"):
        real = getattr(Adjustments, name.strip("`"))
        told = {"`false`": False, "1 GiB": 1 << 30}.get(default, default)
        assert str(real) == str(told), name


def test_what_pages_quote_is_what_the_program_says():
    source = "".join(path.read_text() for path in Path(pyramid_notebook.__file__).parent.rglob("*.py"))
    source = re.sub(r'"\s+f?"', "", source)  # sentences over two lines
    quoted = [text for row in table(OPERATIONS, "what you see") for text in re.findall(r"\*([A-Z…][^*]+)\*", row[0])]
    assert len(quoted) > 6
    for sentence in quoted:
        for piece in re.split(r"\d+|'[^']*'|…|pyramid_notebook\.", sentence):
            assert piece.strip(" ,:") in source, sentence


def test_the_commands_do_what_the_page_says(folder):
    users, home = folder / "notebooks", folder / "notebooks" / "alice"
    start, status, restart, stop = shell(OPERATIONS, "start").replace("/srv/notebooks", str(users)).splitlines()
    with nothing_left(folder) as manager:
        assert bash(start, folder).startswith("Started: pid ")
        told = bash(status, folder)
        [example] = [item.text for item in BLOCKS if item.page == OPERATIONS and item.text.startswith("pid:")]
        assert [line.split()[0] for line in told.splitlines()] == [line.split()[0] for line in example.splitlines()]
        find, end = shell(OPERATIONS, "pgrep").splitlines()
        first = manager.find("alice")
        assert str(first.pid) in [line.split()[0] for line in bash(find, folder).splitlines()]
        assert end == find.replace("pgrep -a", "pkill")  # not run: it would end what others run
        bash(restart, folder)
        second = manager.find("alice")
        assert second.pid != first.pid
        files = {path.name for path in home.iterdir()} | {"alice"}
        tree = next(item.text for item in BLOCKS if item.page == OPERATIONS and item.text.startswith("notebook_folder"))
        named = set(re.findall(r"^ +(\S+?)/? ", tree, re.MULTILINE))
        assert named - {".static"} <= files
        assert bash(stop, folder) == f"Stopped: pid {second.pid}.\n"
        assert manager.find("alice") is None


def test_a_server_that_pkill_asks_to_end_ends(folder):
    command = shell(OPERATIONS, "start").splitlines()[0].replace("/srv/notebooks", str(folder / "notebooks"))
    with nothing_left(folder) as manager:
        bash(command, folder)
        os.kill(manager.find("alice").pid, 15)
        wait_until(lambda: manager.find("alice") is None, "the server has ended")


def test_the_script_shows_all_servers(folder):
    [script] = [item.text for item in BLOCKS if item.page == OPERATIONS and item.language == "python"]
    (folder / "around.py").write_text(AROUND)
    (folder / "production.ini").write_text(
        "[app:main]\nuse = call:around:main\naround = pyramid_notebook\n"
        "pyramid_notebook.notebook_folder = %(here)s/notebooks\n"
    )
    with nothing_left(folder) as manager:
        manager.launch("alice", ServerOptions(user="alice", base_url="/notebook/alice/"))
        crashed = UserFolder(manager.root / "bob")
        crashed.runtime.mkdir(mode=0o700, parents=True)
        crashed.pid_file.write_text("4194305\n")  # above the greatest pid there can be
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(folder)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        record = manager.find("alice")
        assert f"alice {record.pid} {record.address}" in done.stdout, done.stderr
        assert not crashed.pid_file.exists()


@pytest.mark.parametrize(("file", "status"), [("proxied.ini", 303), ("server.ini", 403)])
def test_behind_a_proxy_a_launch_passes_when_waitress_knows_whom_to_trust(folder, file, status):
    port = free_port()
    server = block(DEPLOYMENT, file).replace("127.0.0.1:6543", f"127.0.0.1:{port}")
    application = (
        "[app:main]\nuse = call:around:main\naround = pyramid_notebook\n"
        "pyramid_notebook.notebook_folder = %(here)s/notebooks\n\n"
    )
    (folder / "around.py").write_text(AROUND)
    (folder / "site.ini").write_text(application + server)
    with running("PYTHONPATH=$PWD env/bin/pserve site.ini", folder, port) as proxy:
        answer = proxy.session.post(
            f"{proxy.url}/notebook/-/stop",
            headers={
                "Host": "shop.example.com",
                "Origin": "https://shop.example.com",
                "X-Forwarded-Proto": "https",
                "X-Forwarded-For": "192.0.2.7",
                "Cookie": "user=ann",
            },
            allow_redirects=False,
            timeout=30,
        )
    assert answer.status_code == status, answer.text
