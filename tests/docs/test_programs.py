"""The pages about tokens, followed by the developer of a site, and by a user of that site with programs."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests
import websocket

from pyramid_notebook import NotebookManager
from pyramid_notebook.addresses import TABLE
from pyramid_notebook.credentials import Credential
from pyramid_notebook.errors import (
    NotebookError,
    NotStarted,
    TokenRefused,
    TokenStoreError,
    UpstreamBusy,
    UpstreamError,
    UpstreamGone,
    UpstreamTimeout,
)
from pyramid_notebook.scopes import Grant, Scope, parse_grants
from pyramid_notebook.settings import Settings
from pyramid_notebook.tokens.database import open_store
from pyramid_notebook.tokens.store import TokenStore
from pyramid_notebook.tokens.wording import ABOUT
from tests.running import free_port, wait_until
from tests.running_login import Laptop

from .blocks import BLOCKS, block, shell, table
from .visitors import Visitor, nothing_left, serving

TOKENS = "docs/how-to/tokens.md"
PROGRAMS = "docs/how-to/programs.md"

#: What the developer's site has beside the code of the page: a sign-in that believes everybody.
AROUND = """
from pyramid.config import Configurator
from pyramid.csrf import get_csrf_token
from pyramid.httpexceptions import HTTPSeeOther
from pyramid.response import Response
from pyramid.security import remember
from pyramid.session import SignedCookieSessionFactory

from pyramid_notebook import add_script, make_startup
from sign_out import sign_out


def home(request):
    return Response(f'<input name="csrf_token" value="{get_csrf_token(request)}">')


def login(request):
    return HTTPSeeOther("/", headers=remember(request, request.POST["name"]))


def add_context(config):
CONTEXT

def main(global_config, **settings):
    with Configurator(settings=settings) as config:
        config.set_session_factory(SignedCookieSessionFactory("secret"))
        config.set_default_csrf_options(require_csrf=True)
        config.include("security")
        add_context(config)
        for path, view in (("", home), ("login", login), ("sign-out", sign_out)):
            config.add_route(f"own {path}", f"/{path}")
            config.add_view(view, route_name=f"own {path}")
        return config.make_wsgi_app()
"""
INI = """
[app:main]
use = call:around:main
pyramid_notebook.notebook_folder = %(here)s/notebooks
pyramid_notebook.config_file = %(__file__)s

[server:main]
use = egg:waitress#main
asyncore_use_poll = true
"""
SUBSCRIBE = "/notebook/alice/api/events/subscribe"


@dataclass(frozen=True)
class Site:
    """The developer's site, which runs, and what its users have at home."""

    folder: Path
    visitor: Visitor
    manager: NotebookManager
    tokens: TokenStore

    @property
    def url(self) -> str:
        return self.visitor.url

    def here(self, text: str) -> str:
        """Return a text of a page with the real address in it."""
        return text.replace("https://example.com", self.url)

    def home(self, name: str) -> Laptop:
        path = self.folder / name
        path.mkdir()
        return Laptop(path)

    def token(self, scopes: str = "shell") -> str:
        return self.tokens.create("alice", "a program", parse_grants(scopes), 3600)[1]

    def sign_in(self, laptop: Laptop, *sites: str) -> None:
        """Leave on a laptop what a sign-in leaves there."""
        for site in sites or (f"{self.url}/notebook",):
            notebooks = f"{self.url}/notebook/alice/"
            laptop.credentials.save(Credential(site=site, token=self.token(), user="alice", notebooks=notebooks))

    def signed_in(self, name: str) -> Visitor:
        visitor = Visitor(self.url)
        visitor.send("/", "/login", name=name)
        return visitor

    def connect(self, **credentials: object) -> websocket.WebSocket:
        return websocket.create_connection(f"{self.url.replace('http', 'ws', 1)}{SUBSCRIBE}", timeout=5, **credentials)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with tempfile.TemporaryDirectory(prefix="pnb-test-", ignore_cleanup_errors=True) as place:
        folder, port = Path(place), free_port()
        for name in ("security.py", "sign_out.py"):
            (folder / name).write_text(block(PROGRAMS, name))
        [context] = [item.text for item in BLOCKS if item.page == PROGRAMS and "def site_context" in item.text]
        (folder / "around.py").write_text(AROUND.replace("CONTEXT", textwrap.indent(context, "    ")))
        (folder / "site.ini").write_text(f"{INI}listen = localhost:{port}\n")
        command = "PYTHONPATH=$PWD env/bin/pserve site.ini"
        with nothing_left(folder) as manager, serving(command, folder, port) as visitor:
            tokens = open_store(Settings(notebook_folder=str(folder / "notebooks")))
            yield Site(folder, visitor, manager, tokens)
            tokens.close()


def type_in(command: str, laptop: Laptop, *, keys: str = "") -> str:
    """Run lines of a page in the shell of a user, and return what they print."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "HOME": str(laptop.home), "PATH": path}
    environment.pop("XDG_CONFIG_HOME", None)
    done = subprocess.run(
        ["bash", "-euc", command],
        cwd=laptop.home,
        env=environment,
        input=keys,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def log_in(site: Site, laptop: Laptop, line: str) -> str:
    """Type a command of the page, and approve all that it asks for; returns what it prints."""
    program, *arguments = shlex.split(site.here(line))
    assert program == "pyramid-notebook"
    alice = site.signed_in("alice")
    with laptop.start(*arguments) as login:
        code = login.code()
        address = f"{site.url}/notebook/-/device"
        asked = alice.session.post(address, data={"user_code": code}, timeout=30).text
        scopes = re.findall(r'name="scope" value="([^"]+)"', asked)
        fields = {"user_code": code, "decision": "approve", "scope": scopes}
        assert "signed in" in alice.session.post(address, data=fields, timeout=30).text
        status, output, errors = login.end()
    assert (status, errors) == (0, "")
    return output


def test_the_command_signs_in_prints_and_keeps_what_the_page_shows(site):
    laptop = site.home("login")
    output = log_in(site, laptop, shell(TOKENS, '--name "my laptop"'))
    [example] = [item.text for item in BLOCKS if item.page == TOKENS and item.text.startswith("Open this page")]
    page = site.here(example).replace("/home/alice", str(laptop.home))
    shown, told = (text.rpartition("Ctrl-C ends it.\n")[2] for text in (page, output))
    day = re.compile(r"\d{4}-\d\d-\d\d")
    assert day.sub("DAY", told) == day.sub("DAY", shown)
    [form] = [json.loads(item.text) for item in BLOCKS if item.page == TOKENS and item.language == "json"]
    kept = json.loads(laptop.credentials.path.read_text())
    assert (kept["version"], list(kept["sites"][0])) == (form["version"], list(form["sites"][0]))
    for name in ("site", "user", "notebooks", "scope"):
        assert kept["sites"][0][name] == site.here(form["sites"][0][name])
    assert site.tokens.list("alice")[0].name == "my laptop"


def test_what_the_command_says_while_it_waits_is_what_the_page_shows(site):
    [example] = [item.text for item in BLOCKS if item.page == TOKENS and item.text.startswith("Open this page")]
    waiting = example.partition("Signed in")[0]
    with site.home("waiting").start("login", site.url) as login:
        seen = ""
        while "Ctrl-C ends it." not in seen:
            line = login.process.stdout.readline()
            assert line, seen
            seen += line
    assert re.sub(r"[A-Z]{4}-[A-Z]{4}", "CODE", seen) == re.sub(r"[A-Z]{4}-[A-Z]{4}", "CODE", site.here(waiting))


def test_a_sign_in_for_some_notebooks_gets_just_these(site):
    output = log_in(site, site.home("restricted"), shell(TOKENS, "--scope 'run:"))
    assert "for: run:reports/*.ipynb,prices.ipynb\n" in output


@pytest.mark.parametrize("line", shell(TOKENS, "logout --all").splitlines())
def test_each_way_to_sign_out_revokes_on_the_site_and_forgets_here(site, line):
    laptop = site.home(f"logout {line.replace('/', '')}")
    site.sign_in(laptop)
    (credential,) = laptop.credentials.read().values()
    type_in(site.here(line), laptop)
    assert laptop.credentials.read() == {}
    fields = {"Authorization": f"Bearer {credential.token}"}
    answer = requests.get(f"{credential.notebooks}sync", headers=fields, timeout=30)
    assert answer.json()["error"] == "invalid_token"


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_curl_does_what_the_page_says_and_the_token_stands_in_no_command(site):
    laptop = site.home("curl")
    keep, use = shell(TOKENS, "read -rs"), shell(TOKENS, "--json")
    type_in(keep, laptop, keys=f"{site.token()}\n")
    assert (laptop.home / ".notebook-header").stat().st_mode & 0o777 == 0o600
    lines = type_in(site.here(use).replace("\ncurl", "\necho\ncurl"), laptop).splitlines()
    assert json.loads(lines[0])["type"] == "directory"
    assert json.loads(lines[1])["path"] == "hello.txt"
    assert (site.folder / "notebooks/alice/work/hello.txt").read_text().rstrip() == "Hello from curl"


def test_the_python_program_lists_the_notebooks_even_beside_a_netrc(site):
    laptop = site.home("python")
    site.sign_in(laptop)
    netrc = laptop.home / ".netrc"
    netrc.write_text("machine localhost login alice password wrong\n")
    netrc.chmod(0o600)
    (laptop.home / "program.py").write_text(
        block(TOKENS, "program.py").replace("https://example.com/notebook", f"{site.url}/notebook")
    )
    assert re.search(r"^default-\w+\.ipynb$", type_in("python program.py", laptop), re.MULTILINE)


def test_a_server_that_a_program_starts_knows_whose_it_is(site):
    fields = {"Authorization": f"Bearer {site.token()}"}
    notebooks = f"{site.url}/notebook/alice/"
    assert requests.get(f"{notebooks}api/status", headers=fields, timeout=60).status_code == 200
    [path] = {item["path"] for item in requests.get(f"{notebooks}api/sessions", headers=fields, timeout=60).json()}
    with site.signed_in("alice").kernel(f"/notebook/alice/notebooks/{path}") as kernel:
        assert kernel.run("user") == "'alice'"


def test_the_policy_of_the_page_lets_in_whom_it_should(site):
    store = site.tokens

    def answer(user: str) -> tuple[int, str]:
        _, secret = store.create(user, "a program", [Grant(Scope.SHELL)], 3600)
        fields = {"Authorization": f"Bearer {secret}"}
        got = requests.get(f"{site.url}/notebook/{user}/-/page.css", headers=fields, timeout=30)
        return got.status_code, "text/css" if got.ok else got.json()["error"]

    assert answer("alice") == (200, "text/css")
    assert answer("bob") == answer("carol") == (403, "insufficient_scope")
    assert site.signed_in("alice").get("/notebook/-/tokens").status_code == 200
    assert site.signed_in("bob").get("/notebook/-/tokens").status_code == 403


def ends(connection: websocket.WebSocket) -> bool:
    """Wait for the end of a connection as long as the page says that it takes."""
    deadline = time.monotonic() + 5
    while (left := deadline - time.monotonic()) > 0:
        connection.settimeout(left)
        try:
            if connection.recv() == "":
                return True
        except websocket.WebSocketTimeoutException:
            return False
        except (websocket.WebSocketException, OSError):
            return True
    return False


def open_by_session(site: Site, visitor: Visitor) -> websocket.WebSocket:
    visitor.session.headers["Authorization"] = f"Bearer {site.token()}"
    assert visitor.get("/notebook/alice/api/status").status_code == 200  # so that a server runs
    del visitor.session.headers["Authorization"]
    cookie = "; ".join(f"{item.name}={item.value}" for item in visitor.session.cookies)
    return site.connect(cookie=cookie, origin=site.url)


def test_the_sign_out_of_the_page_ends_what_the_session_has_open(site):
    alice = site.signed_in("alice")
    connection = open_by_session(site, alice)
    alice.send("/", "/sign-out")
    assert ends(connection)
    assert alice.get("/notebook/-/tokens").status_code == 403


def test_a_site_can_say_itself_that_somebody_signed_out(site):
    connection = open_by_session(site, site.signed_in("alice"))
    [line] = [item.text for item in BLOCKS if item.page == PROGRAMS and item.text.startswith("request.notebooks")]
    exec(line, {"request": SimpleNamespace(notebooks=site.manager)})
    assert ends(connection)


def test_the_page_of_tokens_is_where_the_page_says(site):
    assert "Personal tokens" in site.signed_in("alice").get("/notebook/-/tokens").text
    assert "https://example.com/notebook/-/tokens" in (Path(__file__).parents[2] / TOKENS).read_text()


def test_the_table_of_what_a_token_may_reach_is_the_doors_own():
    rows = [(row.segment, str(row.scope) if row.scope else "", row.about) for row in TABLE]
    told = [
        (
            "" if path == "anything else" else path.strip("`"),
            "" if scope == "none: people only" else scope.strip("`"),
            about,
        )
        for path, scope, about in table(PROGRAMS, "path begins with")
    ]
    assert told == rows


def test_the_scopes_are_all_that_there_are_in_the_words_of_the_pages():
    told = {scope.strip("`"): text[0].upper() + text[1:] for scope, text in table(TOKENS, "scope")}
    assert told == {str(scope): text for scope, text in ABOUT.items()}


def test_patterns_fit_what_the_page_says():
    rows = table(TOKENS, "pattern")
    assert len(rows) == 4
    for pattern, fitting, others in rows:
        grant = Grant.parse(f"run:{pattern.strip('`')}")
        for paths, expected in ((fitting, True), (others, False)):
            found = re.findall("`([^`]+)`", paths)
            assert found
            assert {bool(grant.allows(Scope.RUN, path)) for path in found} == {expected}, pattern


def kin(error: type[NotebookError]) -> list[type[NotebookError]]:
    """Return an error and all that are one of its kind."""
    return [error, *(found for below in error.__subclasses__() for found in kin(below))]


def test_the_errors_are_all_that_a_program_with_a_token_gets():
    told = {(int(row[0]), error) for row in table(TOKENS, "status") for error in re.findall("`([^`]+)`", row[1])}
    errors = [NotStarted, UpstreamBusy, UpstreamTimeout, UpstreamError, *kin(TokenStoreError), *kin(TokenRefused)]
    # a script gets 503 where a page gets 502
    assert told == {(error.status, error.reason) for error in errors} | {(503, UpstreamGone.reason)}


def test_the_usual_times_are_those_of_the_settings():
    text = (Path(__file__).parents[2] / TOKENS).read_text()
    settings = Settings(notebook_folder="/x")
    assert f"\n{settings.token_lifetime // 86400} days, unless you say otherwise" in text
    assert settings.token_max_lifetime == 365 * 86400


#: An address of each row of the table that has one of its own, and what a GET is answered with.
ANSWERS = {"sync": ("sync", 405), "run": ("restified/-/openapi.json", 200), "console": ("api/kernels", 200)}


def test_something_answers_at_the_addresses_of_every_scope(site):
    fields = {"Authorization": f"Bearer {site.token()}"}
    assert {str(row.scope) for row in TABLE if row.segment and row.scope} == set(ANSWERS)
    for scope, (below, expected) in ANSWERS.items():
        path = f"{site.url}/notebook/alice/{below}"
        found = wait_until(lambda path=path: requests.get(path, headers=fields, timeout=60).status_code, path)
        assert found == expected, (scope, path)


def test_a_token_for_sync_changes_and_runs_a_notebook_as_the_page_says(site):
    fields = {"Authorization": f"Bearer {site.token('sync')}"}
    address = f"{site.url}/notebook/alice/sync"
    values = {"file": "said.py", "text": "# %%\nprint(6 * 7)\n"}
    assert requests.post(f"{address}/pair", json=values, headers=fields, timeout=60).json()["made"] == "notebook"
    ran = requests.post(f"{address}/run", json={"notebook": "said.ipynb"}, headers=fields, timeout=60).json()
    assert [cell["state"] for cell in ran["cells"]] == ["ok"]
