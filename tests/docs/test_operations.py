"""The pages about operating and deploying, against the program."""

from __future__ import annotations

import inspect
import json
import os
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from importlib import import_module
from pathlib import Path

import pytest
import sqlalchemy
from plaster import get_settings
from waitress.adjustments import Adjustments

import pyramid_notebook
from pyramid_notebook import Settings
from pyramid_notebook.layout import UserFolder
from pyramid_notebook.record import ServerOptions
from pyramid_notebook.scopes import Grant, Scope
from pyramid_notebook.server.application import IDLE_EXIT_CODE
from pyramid_notebook.server.notebook_daemon import Exit
from pyramid_notebook.tokens import device_store
from pyramid_notebook.tokens.database import open_engine, open_store
from pyramid_notebook.tokens.secret import looks_like_token
from tests.running import free_port, wait_until
from tests.tokens.databases import postgresql

from .blocks import BLOCKS, ROOT, block, shell, table
from .test_blocks import bash
from .visitors import AROUND, nothing_left, running

OPERATIONS = "docs/how-to/operations.md"
DEPLOYMENT = "docs/how-to/deployment.md"


def test_the_exit_codes_are_all_that_there_are():
    assert [int(code) for code, _meaning in table(OPERATIONS, "code")] == sorted([*Exit, IDLE_EXIT_CODE])


@pytest.mark.parametrize(("page", "head"), [(OPERATIONS, "setting"), (OPERATIONS, "limit")])
def test_defaults_of_ours_are_the_real_ones(page, head):
    settings = Settings(notebook_folder="/x")
    for name, default, _meaning in table(page, head):
        real = getattr(settings, name.strip("`").removeprefix("pyramid_notebook."))
        assert int(re.match(r"\d+", default)[0]) == real, name


def test_defaults_of_waitress_are_the_real_ones():
    for name, default, _meaning in table(DEPLOYMENT, "setting"):
        real = getattr(Adjustments, name.strip("`"))
        told = {"`false`": False, "1 GiB": 1 << 30, "256 KiB": 1 << 18}.get(default, default)
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
        assert named - {".static", ".tokens"} <= files
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


@pytest.fixture
def production(folder: Path) -> Path:
    """A folder with the INI file of a site."""
    (folder / "around.py").write_text(AROUND)
    (folder / "production.ini").write_text(
        "[app:main]\nuse = call:around:main\npyramid_notebook.notebook_folder = %(here)s/notebooks\n"
    )
    return folder


def in_site(command: str, folder: Path) -> str:
    """Run a command of the page where the site can be imported."""
    return bash(f"export PYTHONPATH=$PWD\n{command}", folder)


def test_tokens_are_made_listed_and_revoked_as_the_page_says(production):
    create, listing, as_json = shell(OPERATIONS, "token create").splitlines()
    secret = in_site(create, production).strip()
    (info,) = json.loads(in_site(as_json, production))
    assert looks_like_token(secret)
    [example] = [item.text for item in BLOCKS if item.page == OPERATIONS and item.text.startswith("id ")]
    [shown] = re.findall(r"^[0-9a-f]{16}", example, re.MULTILINE)
    told = in_site(listing, production).replace(info["id"], shown)
    assert re.sub(r"\S+T\S+", "MOMENT", told) == re.sub(r"\S+T\S+", "MOMENT", example)
    one, every = shell(OPERATIONS, "token revoke").replace(shown, info["id"]).splitlines()
    assert in_site(one, production) == "Revoked: 1\n"
    in_site(create, production)
    assert in_site(every, production) == "Revoked: 1\n"
    assert json.loads(in_site(as_json, production)) == []


def test_a_copy_of_the_database_is_whole_and_private(production):
    in_site(shell(OPERATIONS, "token create").splitlines()[0], production)
    (production / "backup").mkdir()
    kept = open_store(Settings(notebook_folder=str(production / "notebooks")))  # as the site that runs
    kept.create("bob", "another", [Grant(Scope.SYNC)], 3600)
    notebooks, backup = str(production / "notebooks"), str(production / "backup")
    bash(shell(OPERATIONS, ".backup(").replace("/srv/notebooks", notebooks).replace("/srv/backup", backup), production)
    copy = production / "backup" / "tokens.sqlite"
    assert copy.stat().st_mode & 0o077 == 0
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT count(*) FROM pnb_token").fetchone() == (2,)
    kept.close()


def test_the_tables_are_those_that_the_page_names_also_in_postgresql(production):
    with postgresql() as server:
        text = block(OPERATIONS, "postgresql.ini")
        text = text.replace("postgresql://shop@db.example.com/shop", server.new_database())
        (production / "production.ini").write_text(f"{text}use = call:around:main\n")
        in_site(shell(OPERATIONS, "token create").splitlines()[0], production)
        engine = open_engine(Settings.from_mapping(dict(get_settings(str(production / "production.ini"), "app:main"))))
        tables = set(sqlalchemy.inspect(engine).get_table_names())
        engine.dispose()
    assert tables == set(re.findall(r"`(pnb_\w+)`", (ROOT / OPERATIONS).read_text()))
    assert not (production / "notebooks" / ".tokens").exists()


def test_limits_that_cannot_be_set_are_the_real_ones():
    text = " ".join((ROOT / OPERATIONS).read_text().split())
    assert f"{device_store.WRONG_CODES_PER_MINUTE} wrong codes of a device login in a minute" in text
    assert f"{device_store.MOST_WAITING_OF_ADDRESS} sign-ins of programs that wait, from one address" in text
    assert f"and {device_store.MOST_WAITING} in all;" in text
    assert f"{device_store.LIFETIME_SECONDS // 60} minutes that each waits" in text


def test_the_log_has_what_the_page_says(folder):
    for logger, level, _what in table(OPERATIONS, "logger"):
        source = inspect.getsource(import_module(logger.strip("`")))
        assert f"_LOG.{level}(" in source, (logger, level)
    (folder / "logging.ini").write_text(block(OPERATIONS, "logging.ini"))
    script = f"""
from logging.config import fileConfig
fileConfig("logging.ini")
from pyramid_notebook import Settings
from pyramid_notebook.errors import TokenInvalid
from pyramid_notebook.scopes import Grant, Scope
from pyramid_notebook.tokens.database import open_store
store = open_store(Settings(notebook_folder={str(folder / "notebooks")!r}))
info, secret = store.create("alice", "x", [Grant(Scope.SYNC)], 60)
store.revoke(info.id, "alice")
try:
    store.check(secret, "192.0.2.1")
except TokenInvalid:
    print(secret)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, timeout=60, check=True
    )
    secret = done.stdout.strip()
    lines = [line.split(" ", 3)[2] for line in done.stderr.splitlines()]
    assert lines == ["INFO", "INFO", "WARNING"], done.stderr
    assert done.stderr.count("pyramid_notebook.tokens.store") == 3
    assert "'192.0.2.1'" in done.stderr
    assert looks_like_token(secret) and secret not in done.stderr
