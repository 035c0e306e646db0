"""The command ``pyramid-notebook``, as a process of its own where that matters."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pyramid_notebook import cli
from pyramid_notebook.errors import TokenRevoked
from pyramid_notebook.scopes import Grant, Scope
from pyramid_notebook.settings import Settings
from pyramid_notebook.tokens.database import open_store
from pyramid_notebook.tokens.secret import looks_like_token
from pyramid_notebook.tokens.store import TokenStore

from .conftest import RunPython

INI = """
[app:main]
use = egg:pyramid_notebook#demo
pyramid_notebook.notebook_folder = %(here)s/notebooks
pyramid_notebook.token_max_lifetime = 864000

[app:other]
use = egg:pyramid_notebook#demo
pyramid_notebook.notebook_folder = %(here)s/others
"""

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ini(folder: Path) -> str:
    path = folder / "site.ini"
    path.write_text(INI)
    return str(path)


@pytest.fixture
def store(folder: Path) -> TokenStore:
    """The store that the site itself would open."""
    return open_store(Settings(notebook_folder=str(folder / "notebooks")))


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in this process; returns its exit code, and what it printed."""

    def run_it(*arguments: str) -> tuple[int, str, str]:
        try:
            code = cli.main(arguments)
        except SystemExit as ended:
            code = int(ended.code or 0)
        return code, *capsys.readouterr()

    return run_it


def test_a_token_that_the_command_makes_is_valid_on_the_site(run: Run, ini: str, store: TokenStore) -> None:
    code, out, err = run(
        *("token", "create", ini, "alice", "--name", "my editor", "--days", "2"),
        *("--scope", "sync", "--scope", "run:my reports/*.ipynb"),
    )
    assert code == 0
    secret = out.removesuffix("\n")
    assert looks_like_token(secret)
    assert secret not in err
    found = store.check(secret, "192.0.2.1")
    assert (found.user, found.name) == ("alice", "my editor")
    assert found.grants == (Grant(Scope.SYNC), Grant(Scope.RUN, ("my reports/*.ipynb",)))
    assert found.expires - found.created == pytest.approx(2 * 86400)


def test_programs_get_json(run: Run, ini: str, store: TokenStore) -> None:
    made = json.loads(run("token", "create", ini, "alice", "--name", "x", "--scope", "run:a,b", "--json")[1])
    assert store.check(made.pop("token"), "192.0.2.1").id == made["id"]
    assert (made["user"], made["scopes"], made["last_used"]) == ("alice", ["run:a,b"], None)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", made["expires"])
    store.wait_for_writes()
    (listed,) = json.loads(run("token", "list", ini, "alice", "--json")[1])
    assert listed["last_address"] == "192.0.2.1"
    assert {**listed, "last_used": None, "last_address": ""} == made
    revoked = json.loads(run("token", "revoke", ini, "alice", made["id"], "0000", "--json")[1])
    assert revoked == {"revoked": 1, "unknown": ["0000"]}


def test_without_days_a_token_lives_as_long_as_the_settings_say_and_allow(
    run: Run, ini: str, store: TokenStore
) -> None:
    run("token", "create", ini, "alice", "--name", "x", "--scope", "sync")
    (found,) = store.list("alice")
    assert found.expires - found.created == pytest.approx(864000)


def test_the_list_shows_one_user_or_all_of_them_and_no_secret(run: Run, ini: str, store: TokenStore) -> None:
    _, secret = store.create("alice", "editor", [Grant(Scope.SYNC)], 60)
    store.create("bob\x1b[2J", "cron", [Grant(Scope.RUN)], 60)
    code, out, _ = run("token", "list", ini)
    assert code == 0
    assert [line.split()[1] for line in out.splitlines()] == ["user", "bob?[2J", "alice"]
    assert "\x1b" not in out
    assert secret not in out
    assert [line.split()[1] for line in run("token", "list", ini, "alice")[1].splitlines()] == ["user", "alice"]
    assert run("token", "list", ini, "nobody")[1].splitlines() == [
        "id  user  name  scopes  expires  last_used  last_address"
    ]


def test_a_token_is_revoked_by_its_id_and_its_user(run: Run, ini: str, store: TokenStore) -> None:
    made, secret = store.create("alice", "x", [Grant(Scope.SYNC)], 60)
    code, _, err = run("token", "revoke", ini, "bob", made.id)
    assert (code, err) == (1, f"pyramid-notebook: bob has no token {made.id}\n")
    assert store.check(secret, "192.0.2.1")
    assert run("token", "revoke", ini, "alice", made.id) == (0, "Revoked: 1\n", "")
    with pytest.raises(TokenRevoked):
        store.check(secret, "192.0.2.1")


def test_all_tokens_of_a_leaver_are_revoked_at_once(run: Run, ini: str, store: TokenStore) -> None:
    for _ in range(3):
        store.create("alice", "x", [Grant(Scope.SYNC)], 60)
    store.create("bob", "x", [Grant(Scope.SYNC)], 60)
    assert run("token", "revoke", ini, "alice", "--all")[:2] == (0, "Revoked: 3\n")
    assert [info.user for info in store.list_all()] == ["bob"]


def test_another_section_of_the_file_is_another_site(run: Run, ini: str, store: TokenStore) -> None:
    run("token", "create", f"{ini}#other", "alice", "--name", "x", "--scope", "sync")
    assert store.list_all() == ()


def test_a_value_of_the_section_default_can_be_set_as_pserve_does(run: Run, folder: Path, store: TokenStore) -> None:
    path = folder / "variable.ini"
    path.write_text(
        "[DEFAULT]\nplace = /nowhere\n[app:main]\nuse = egg:pyramid_notebook#demo\n"
        "get pyramid_notebook.notebook_folder = place\n"
    )
    code, _, err = run(
        *("token", "create", str(path), "alice", "--name", "x", "--scope", "sync"),
        *("--set", f"place={folder / 'notebooks'}"),
    )
    assert code == 0, err
    assert len(store.list("alice")) == 1
    assert run("token", "list", str(path), "--set", "place")[0] == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--scope", "sync:a", "--name", "x"], "The scope sync cannot be restricted"),
        (["--scope", "root", "--name", "x"], "There is no scope 'root'"),
        (["--scope", "sync", "--name", ""], "Give the token a name"),
        (["--scope", "sync", "--name", "x", "--days", "11"], "864000 seconds (10 days)"),
        (["--scope", "sync", "--name", "x", "--days", "nan"], "864000 seconds (10 days)"),
    ],
)
def test_what_cannot_be_made_is_told_in_one_line(run: Run, ini: str, arguments: list[str], sentence: str) -> None:
    code, out, err = run("token", "create", ini, "alice", *arguments)
    assert (code, out) == (1, "")
    assert err.startswith("pyramid-notebook: ")
    assert err.count("\n") == 1
    assert sentence in err


@pytest.mark.parametrize(
    "text", [None, "", "no section", "[app:main]\n", "[app:main]\nuse = egg:pyramid_notebook#demo\n"]
)
def test_a_file_that_is_not_the_ini_file_of_a_site_is_told(run: Run, folder: Path, text: str | None) -> None:
    path = folder / "bad.ini"
    if text is not None:
        path.write_text(text)
    code, out, err = run("token", "list", str(path))
    assert (code, out) == (1, "")
    assert "cannot be read as the INI file" in err or "Setting missing" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nothing"],
        ["token"],
        ["token", "create", "x.ini", "alice"],
        ["token", "revoke", "x.ini", "alice"],
        ["token", "revoke", "x.ini", "alice", "0123", "--all"],
    ],
)
def test_a_command_line_that_cannot_be_understood_ends_with_2(run: Run, arguments: list[str]) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("usage: pyramid-notebook")


def test_help_loads_neither_pyramid_nor_a_database(run_python: RunPython) -> None:
    source = (
        "import sys\nfrom pyramid_notebook import cli\n"
        "try:\n    cli.main(['token', 'create', '--help'])\nexcept SystemExit:\n    pass\n"
        "print(sorted({'pyramid', 'sqlalchemy', 'alembic', 'jupyter_server', 'tornado'} & set(sys.modules)))"
    )
    done = run_python(source)
    assert "usage: pyramid-notebook token create" in done.stdout
    assert done.stdout.endswith("[]\n")


def test_a_reader_who_has_seen_enough_is_no_error(ini: str, store: TokenStore) -> None:
    for _ in range(3):
        store.create("alice", "x" * 100, [Grant(Scope.SYNC)], 60)
    command = [sys.executable, "-m", "pyramid_notebook.cli", "token", "list", ini]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout
    process.stdout.close()
    assert process.stderr
    err = process.stderr.read()
    assert process.wait(60) == 1
    assert err == ""
    process.stderr.close()
