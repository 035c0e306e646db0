"""Editor sync through the real door: who may not, and what is no request, changes nothing and learns nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from pyramid_notebook.scopes import parse_grants
from pyramid_notebook.settings import Settings
from pyramid_notebook.sync.exchange import MOST_CELLS
from pyramid_notebook.sync.handlers import MOST_BYTES
from pyramid_notebook.tokens.database import open_store
from tests.door.sites import JSON, Answer, Token
from tests.running import Site

from .attackers import send
from .conftest import Owner

VERBS = ["", "/pull", "/pair", "/run", "/clear", "/interrupt", "/restart", "/focus"]
NOTEBOOK = "attacked.ipynb"
TEXT = "# %%\nvalue = 1\n"
#: What would change the notebook, if it were let through; it goes with each attack.
EVIL = {"file": "/home/mallory/attacked.py", "notebook": NOTEBOOK, "text": "# %%\nevil = 666\n", "force": True}
WHAT = {"/run": {"what": "all", "wait": False}, "/clear": {"what": "all"}, "/focus": {"what": "line", "line": 1}}
EVERYWHERE = pytest.mark.parametrize("verb", VERBS)


@pytest.fixture(scope="module")
def token(demo: Site) -> Iterator[Callable[..., Token]]:
    """Make tokens for users of the demo site."""
    store = open_store(Settings(notebook_folder=str(demo.folder / "notebooks")))

    def create(user: str, scopes: str = "sync") -> Token:
        info, secret = store.create(user, "a program", parse_grants(scopes), 3600)
        return Token(info.id, user, secret)

    def revoke(revoked: Token) -> None:
        store.revoke(revoked.id, revoked.user)

    create.revoke = revoke  # type: ignore[attr-defined]
    yield create
    store.close()


@dataclass(frozen=True)
class Target:
    """A notebook that an editor of its owner has synced."""

    site: Site
    owner: Owner
    token: Token

    def post(self, verb: str, fields: Any = None, *, body: bytes | None = None, query: str = "") -> Answer:
        """Attack; without fields with the owner's own good token, without a body with the evil one."""
        evil = json.dumps(EVIL | WHAT.get(verb, {})).encode() if body is None else body
        sent = {**JSON, "Content-Type": "application/json", **(self.token.fields if fields is None else fields)}
        return send(self.site.port, "http", f"{self.owner.base}sync{verb}{query}", sent, method="POST", body=evil)

    def state(self) -> tuple[bytes, Any]:
        """Return the bytes of the notebook's file, and how it lives."""
        path = self.site.manager.folder("admin").work / NOTEBOOK
        target = f"{self.owner.base}sync/status?notebook={NOTEBOOK}"
        answer = send(self.site.port, "http", target, {**JSON, **self.token.fields})
        assert answer.status == 200, answer.text
        return path.read_bytes(), json.loads(answer.text)

    def check_silent(self, answer: Answer) -> None:
        """Check that an answer tells nothing of how the site is made."""
        told = answer.text + str(answer.headers)
        for secret in ("Traceback", self.token.secret, self.owner.record.secret, str(self.site.folder), "evil = 666"):
            assert secret not in told


@pytest.fixture(scope="module")
def paired(demo: Site, owner: Owner, token: Callable[..., Token]) -> Target:
    target = Target(demo, owner, token("admin"))
    values = {"file": "/home/admin/attacked.py", "notebook": NOTEBOOK, "text": TEXT}
    assert target.post("/pair", body=json.dumps(values).encode()).status == 200
    return target


@pytest.fixture
def target(paired: Target) -> Iterator[Target]:
    """What is attacked; it is the same afterwards."""
    before = paired.state()
    yield paired
    assert paired.state() == before


@pytest.mark.row(26, "http")
@EVERYWHERE
def test_without_a_token_nothing_is_done(target: Target, verb: str) -> None:
    answer = target.post(verb, {})
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    target.check_silent(answer)


@pytest.mark.row(26, "http")
@EVERYWHERE
@pytest.mark.parametrize("scopes", ["run", "console", "run:attacked.ipynb"])
def test_a_token_of_another_scope_is_refused(
    target: Target, token: Callable[..., Token], verb: str, scopes: str
) -> None:
    answer = target.post(verb, token("admin", scopes).fields)
    assert (answer.status, "sync" in answer.text) == (403, True)
    target.check_silent(answer)


@pytest.mark.row(27, "http")
@EVERYWHERE
def test_a_token_is_refused_at_the_notebooks_of_another_user(
    target: Target, token: Callable[..., Token], verb: str
) -> None:
    answer = target.post(verb, token("user2", "shell").fields)
    assert answer.status == 403
    target.check_silent(answer)


@pytest.mark.row(26, "http")
def test_a_revoked_token_is_refused(target: Target, token: Any) -> None:
    revoked = token("admin")
    assert target.post("/pull", revoked.fields).status == 200
    token.revoke(revoked)
    for verb in VERBS:
        answer = target.post(verb, revoked.fields)
        assert answer.status == 401
        assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
        target.check_silent(answer)


@pytest.mark.row(9, "http")
@EVERYWHERE
@pytest.mark.parametrize("name", ["token", "access_token", "x"])
def test_a_token_in_the_address_is_refused_whatever_else_comes_with_it(target: Target, verb: str, name: str) -> None:
    for fields in ({}, target.token.fields, {"Cookie": target.owner.cookie, "Origin": target.site.url}):
        answer = target.post(verb, fields, query=f"?{name}={target.token.secret}")
        assert answer.status == 400
        target.check_silent(answer)


@pytest.mark.row(5, "http")
@EVERYWHERE
@pytest.mark.parametrize("origin", ["https://evil.example", "null", ""])
def test_a_foreign_page_cannot_use_the_session_of_its_visitor(target: Target, verb: str, origin: str) -> None:
    cookies = {"Cookie": f"{target.owner.cookie}; _xsrf={target.owner.xsrf}"}
    said = {"Origin": origin} if origin else {}
    for kind in ("application/json", "text/plain", "application/x-www-form-urlencoded"):
        answer = target.post(verb, {**cookies, **said, "Content-Type": kind})
        assert answer.status == 403
        target.check_silent(answer)


@pytest.mark.row(5, "http")
@EVERYWHERE
def test_a_page_of_the_site_needs_jupyter_s_own_token_against_forgery_as_well(target: Target, verb: str) -> None:
    answer = target.post(verb, {"Cookie": target.owner.cookie, "Origin": target.site.url})
    assert answer.status == 403
    target.check_silent(answer)


@pytest.mark.row(27, "http")
@EVERYWHERE
@pytest.mark.parametrize(
    "notebook",
    [
        *("../attacked.ipynb", "a/../../b.ipynb", "..", "../../user2/work/a.ipynb", "/etc/passwd", "/tmp/a.ipynb"),
        *("..\\a.ipynb", "C:\\a.ipynb", "//host/a.ipynb", ".hidden.ipynb", ".ipython/a.ipynb", "a\x00.ipynb", "a.txt"),
    ],
)
def test_no_path_leads_out_of_the_user_s_folder(target: Target, verb: str, notebook: str) -> None:
    values = EVIL | WHAT.get(verb, {}) | {"notebook": notebook}
    answer = target.post(verb, body=json.dumps(values).encode())
    assert (answer.status, json.loads(answer.text)["reason"]) == (400, "path")
    target.check_silent(answer)


@pytest.mark.row(27, "http")
@pytest.mark.parametrize("folder", ["../..", "/etc", "..", "a/../../..", ".config"])
def test_no_mapping_and_no_header_leads_out_of_the_user_s_folder(target: Target, folder: str) -> None:
    file = "/home/mallory/attacked.py"
    header = f"# ---\n# jupyter:\n#   notebook: {folder}/attacked.ipynb\n# ---\n\n# %%\nevil = 666\n"
    for more in ({"mapping": {"/home/mallory": folder}, "text": EVIL["text"]}, {"text": header}):
        for verb in ("", "/pair", "/pull"):
            answer = target.post(verb, body=json.dumps({"file": file, "force": True, **more}).encode())
            assert answer.status in (400, 409), answer.text
            target.check_silent(answer)


@pytest.mark.row(27, "http")
def test_a_link_out_of_the_user_s_folder_is_not_followed_to_what_is_no_notebook(target: Target) -> None:
    folder = target.site.manager.folder("admin")
    link = folder.work / "link.ipynb"
    link.symlink_to(folder.options_file)
    before = folder.options_file.read_bytes()
    try:
        for verb in ("", "/pull", "/run"):
            answer = target.post(verb, body=json.dumps(EVIL | WHAT.get(verb, {}) | {"notebook": "link.ipynb"}).encode())
            assert 400 <= answer.status < 500
            target.check_silent(answer)
    finally:
        link.unlink()
    assert folder.options_file.read_bytes() == before


@pytest.mark.row(28, "http")
@EVERYWHERE
@pytest.mark.parametrize(
    "body", [b"", bytes(range(256)) * 64, b"\x1f\x8b\x08junk", b"{" * 100_000, b'{"text": "\\ud800"}'], ids=range(5)
)
def test_binary_junk_is_no_request(target: Target, verb: str, body: bytes) -> None:
    answer = target.post(verb, body=body)
    assert (answer.status, json.loads(answer.text)["reason"]) == (400, "form")
    target.check_silent(answer)


@pytest.mark.row(28, "http")
@pytest.mark.parametrize("verb", ["", "/pair", "/run"])
@pytest.mark.parametrize("is_chunked", [False, True], ids=["with its length", "in chunks"])
def test_a_body_of_fifty_megabytes_is_too_large(target: Target, verb: str, is_chunked: bool) -> None:
    body = json.dumps(EVIL | WHAT.get(verb, {}) | {"text": "evil = 666\n" * (50_000_000 // 11)}).encode()
    address = f"{target.site.url}{target.owner.base}sync{verb}"
    answer = requests.post(address, iter([body]) if is_chunked else body, headers=target.token.fields, timeout=60)
    assert (answer.status_code, answer.json()["reason"]) == (413, "too-large")
    assert str(MOST_BYTES) in answer.json()["message"]
    target.check_silent(Answer(answer.status_code, answer.headers, answer.text))


@pytest.mark.row(28, "http")
@pytest.mark.parametrize("verb", ["", "/pair", "/run", "/pull"])
def test_a_hundred_thousand_cells_are_too_many(target: Target, verb: str) -> None:
    answer = target.post(verb, body=json.dumps(EVIL | WHAT.get(verb, {}) | {"text": "# %%\n1\n" * 100_000}).encode())
    assert (answer.status, json.loads(answer.text)["reason"]) == (413, "too-large")
    assert str(MOST_CELLS) in answer.text
    target.check_silent(answer)


@pytest.mark.row(5, "http")
@EVERYWHERE
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE"])
def test_only_a_post_changes_something(target: Target, verb: str, method: str) -> None:
    fields = {**JSON, **target.token.fields}
    body = b"" if method in ("GET", "HEAD") else json.dumps(EVIL | WHAT.get(verb, {})).encode()
    query = "?file=/home/mallory/attacked.py&text=evil&force=true&notebook=" + NOTEBOOK
    address = f"{target.owner.base}sync{verb}{query}"
    answer = send(target.site.port, "http", address, fields, method=method, body=body)
    assert answer.status == 405
    target.check_silent(answer)


@pytest.mark.row(27, "http")
def test_a_sync_with_a_token_starts_a_server_that_was_stopped(demo: Site, token: Callable[..., Token]) -> None:
    fields = {**JSON, **token("user").fields}
    path = demo.manager.folder("user").work / "started.ipynb"

    def post(verb: str, **values: Any) -> Answer:
        body = json.dumps({"file": "/home/user/started.py", "notebook": "started.ipynb", **values}).encode()
        return send(demo.port, "http", f"/notebook/user/sync{verb}", fields, method="POST", body=body)

    try:
        paired = post("/pair", text=TEXT)
        assert paired.status == 200, paired.text
        demo.manager.stop("user")
        answer = post("", text="# %%\nvalue = 2\n", rev=json.loads(paired.text)["rev"])
        assert answer.status == 200, answer.text
        assert demo.manager.find("user")
        assert ["".join(cell["source"]) for cell in json.loads(path.read_bytes())["cells"]] == ["value = 2"]
    finally:
        demo.manager.stop("user")
