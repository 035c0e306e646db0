from __future__ import annotations

import stat
import subprocess
import sys

import pytest
from sqlalchemy import create_engine, func, inspect, select
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import Session

from pyramid_notebook.demo import data
from pyramid_notebook.demo.database import open_database
from pyramid_notebook.demo.models import Airport, EndedSession, State, User
from pyramid_notebook.demo.secret import load_secret

OPEN = """
import sys
from pathlib import Path
from pyramid_notebook.demo.database import open_database
from pyramid_notebook.demo.secret import load_secret
sys.stdin.readline()
open_database(sys.argv[1])
print(load_secret(Path(sys.argv[2])))
"""

DIE = """
import os, sys
from pyramid_notebook.demo import data
from pyramid_notebook.demo.database import open_database
data.PasswordHasher = lambda: os._exit(7)
open_database(sys.argv[1])
"""


def assert_complete(url: str) -> None:
    with Session(create_engine(url)) as session:
        count = {model: session.scalar(select(func.count()).select_from(model)) for model in (Airport, State, User)}
    assert count == {Airport: 3376, State: 57, User: 4}


def test_four_processes_that_start_at_once_end_with_one_whole_database_and_one_secret(tmp_path):
    url, secret = f"sqlite:///{tmp_path}/new/demo.sqlite", tmp_path / "demo.secret"
    command = [sys.executable, "-c", OPEN, url, str(secret)]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    secrets = {process.communicate(timeout=120)[0].strip() for process in processes}
    assert [process.returncode for process in processes] == [0, 0, 0, 0]
    assert secrets == {secret.read_text()}
    assert_complete(url)


def test_a_process_that_dies_half_way_leaves_nothing_behind(tmp_path):
    url = f"sqlite:///{tmp_path}/demo.sqlite"
    assert subprocess.run([sys.executable, "-c", DIE, url], check=False, timeout=60).returncode == 7
    assert inspect(create_engine(url)).get_table_names() == []
    open_database(url)
    assert_complete(url)


def test_a_database_of_an_earlier_version_gets_the_tables_that_it_lacks_and_keeps_its_data(tmp_path):
    url = f"sqlite:///{tmp_path}/demo.sqlite"
    engine = open_database(url)
    EndedSession.__table__.drop(engine)
    with Session(engine) as session:
        session.delete(session.get(Airport, "JFK"))
        session.commit()
    assert inspect(open_database(url)).has_table(EndedSession.__tablename__)
    with Session(engine) as session:
        assert session.get(Airport, "JFK") is None


def test_an_error_half_way_leaves_nothing_behind(tmp_path, monkeypatch):
    url = f"sqlite:///{tmp_path}/demo.sqlite"
    monkeypatch.setattr(data, "USERS", {"twice": [], "no list": object()})
    with pytest.raises(StatementError):
        open_database(url)
    assert inspect(create_engine(url)).get_table_names() == []


def test_the_database_and_the_secret_are_for_their_owner_only(tmp_path):
    url = f"sqlite:///{tmp_path}/demo.sqlite"
    open_database(url)
    load_secret(tmp_path / "demo.secret")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"demo.sqlite": 0o600, "demo.secret": 0o600}


def test_the_secret_stays_the_same(tmp_path):
    assert load_secret(tmp_path / "secret") == load_secret(tmp_path / "secret")
    assert len(load_secret(tmp_path / "secret")) == 64


def test_passwords_are_kept_as_argon2_hashes(tmp_path):
    with Session(open_database(f"sqlite:///{tmp_path}/demo.sqlite")) as session:
        hashes = set(session.scalars(select(User.password_hash)))
    assert len(hashes) == 4
    assert all(each.startswith("$argon2id$") for each in hashes)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
def test_a_database_that_no_other_process_could_see_is_refused(url):
    with pytest.raises(ValueError, match="needs a SQLite file"):
        open_database(url)
