"""The tables are made and changed by Alembic, once, whoever comes first."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text

from pyramid_notebook.errors import NewerDatabase, SettingsError, TokenStoreError, UnsafePath
from pyramid_notebook.scopes import Grant, Scope
from pyramid_notebook.settings import Settings
from pyramid_notebook.tokens.database import open_engine, open_store
from pyramid_notebook.tokens.migrations import VERSION_TABLE, upgrade
from pyramid_notebook.tokens.model import Base

from .databases import PostgreSQL

OPEN = """
import sys
from pyramid_notebook.scopes import Grant, Scope
from pyramid_notebook.settings import Settings
from pyramid_notebook.tokens.database import open_store
settings = Settings(notebook_folder=sys.argv[1], database_url=sys.argv[2])
sys.stdin.readline()
store = open_store(settings)
_, secret = store.create("alice", "x", [Grant(Scope.SYNC)], 60)
assert store.check(secret, "192.0.2.1")
"""


def test_what_the_migrations_make_is_what_the_code_has(settings: Settings) -> None:
    engine = open_engine(settings)
    upgrade(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "version_table": VERSION_TABLE,
                "include_name": lambda name, kind, _parents: kind != "table" or name.startswith("pnb_"),
            },
        )
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def test_upgrading_again_changes_nothing_and_keeps_the_tokens(settings: Settings) -> None:
    store = open_store(settings)
    made, secret = store.create("alice", "x", [Grant(Scope.SYNC)], 60)
    store.close()
    again = open_store(settings)
    assert again.check(secret, "192.0.2.1") == made
    again.wait_for_writes()
    again.close()


def test_several_workers_that_start_at_once_make_the_tables_once(settings: Settings) -> None:
    command = [sys.executable, "-c", OPEN, settings.notebook_folder, settings.database_url]
    pipe = subprocess.PIPE
    workers = [subprocess.Popen(command, stdin=pipe, stderr=pipe, text=True) for _ in range(4)]
    for worker in workers:
        assert worker.stdin
        worker.stdin.write("go\n")
        worker.stdin.flush()
    errors = [worker.communicate(timeout=60)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * 4, errors
    store = open_store(settings)
    assert len(store.list("alice")) == 4
    store.close()


def test_a_database_that_a_newer_version_has_changed_is_left_alone(settings: Settings) -> None:
    engine = open_engine(settings)
    upgrade(engine)
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(NewerDatabase, match=r"newer version of pyramid_notebook \(revision 9999; this version knows"):
        open_store(settings)
    engine.dispose()


def test_an_upgrade_that_fails_leaves_nothing_behind(settings: Settings) -> None:
    engine = open_engine(settings)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE pnb_failure (x INTEGER)"))  # the last of ours; it is in the way
    with pytest.raises(TokenStoreError):
        open_store(settings)
    assert inspect(engine).get_table_names() == ["pnb_failure"]
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE pnb_failure"))
    open_store(settings).close()
    engine.dispose()


def test_the_tables_and_the_version_of_the_site_itself_are_not_touched(settings: Settings) -> None:
    engine = open_engine(settings)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('of-the-site')"))
    open_store(settings).close()
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == ["of-the-site"]
    ours = set(inspect(engine).get_table_names()) - {"alembic_version"}
    assert all(name.startswith("pnb_") for name in ours)
    engine.dispose()


@pytest.mark.parametrize("umask", [0o000, 0o027, 0o077])
def test_the_file_is_open_to_nobody_else_whatever_the_umask(folder: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        store = open_store(Settings(notebook_folder=str(folder / "notebooks")))
        store.create("alice", "x", [Grant(Scope.SYNC)], 60)
    finally:
        os.umask(before)
    place = folder / "notebooks" / ".tokens"
    assert stat.S_IMODE(place.lstat().st_mode) == 0o700
    modes = {path.name: stat.S_IMODE(path.lstat().st_mode) for path in place.iterdir() if path.suffix != ".lock"}
    assert modes == dict.fromkeys(("tokens.sqlite", "tokens.sqlite-wal", "tokens.sqlite-shm"), 0o600)
    store.close()


def test_a_file_that_others_could_read_is_closed_to_them(folder: Path) -> None:
    path = folder / "mine.sqlite"
    path.touch(0o644)
    open_store(Settings(notebook_folder="/nowhere", database_url=f"sqlite:///{path}")).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_link_in_the_place_of_the_file_is_not_followed(folder: Path) -> None:
    (folder / "notebooks" / ".tokens").mkdir(parents=True)
    (folder / "notebooks" / ".tokens" / "tokens.sqlite").symlink_to(folder / "theirs")
    with pytest.raises(UnsafePath):
        open_store(Settings(notebook_folder=str(folder / "notebooks")))
    assert not (folder / "theirs").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_somebody_else_is_refused(folder: Path) -> None:
    path = folder / "theirs.sqlite"
    path.touch()
    os.chown(path, 65534, 65534)
    with pytest.raises(UnsafePath, match="belongs to another user"):
        open_store(Settings(notebook_folder="/nowhere", database_url=f"sqlite:///{path}"))


def test_a_file_that_is_no_database_is_told(folder: Path) -> None:
    path = folder / "text.sqlite"
    path.write_text("certainly not a database" * 100)
    with pytest.raises(TokenStoreError, match=r"text\.sqlite cannot be used: file is not a database"):
        open_store(Settings(notebook_folder="/nowhere", database_url=f"sqlite:///{path}"))


def test_a_server_that_does_not_answer_is_told_without_its_password(folder: Path) -> None:
    url = f"postgresql://user:hidden@/name?host={folder}"
    with pytest.raises(TokenStoreError) as caught:
        open_store(Settings(notebook_folder="/nowhere", database_url=url))
    assert "hidden" not in f"{caught.value} {caught.value.__cause__}"


def test_a_url_that_makes_no_sense_is_told_without_its_password() -> None:
    with pytest.raises(SettingsError) as caught:
        open_engine(Settings(notebook_folder="/nowhere", database_url="postgresql://user:hidden@host:port/name"))
    assert "hidden" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_the_url_of_postgresql_is_the_usual_one(server: PostgreSQL) -> None:
    url = server.new_database()
    open_store(Settings(notebook_folder="/nowhere", database_url=url)).close()
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    assert {"pnb_token", "pnb_device_request", "pnb_failure"} <= set(inspect(engine).get_table_names())
    engine.dispose()
