"""nginx answers requests for Notebook's own files by itself, just as the site does, to whom the door lets have them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from email.utils import formatdate
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import pytest
import requests

from pyramid_notebook.nginx_config import _REFUSALS
from pyramid_notebook.proxy.nginx import FILE_HEADER, Gate

from ..running import wait_until
from .nginx_site import World, put, world
from .upstreams import BASE, SECRET

NOTEBOOK = Path(next(iter(find_spec("notebook").submodule_search_locations)), "static")
FILE = min(NOTEBOOK.glob("*.js"), key=lambda path: (abs(path.stat().st_size - 20_000), path.name))
PATH = f"static/notebook/{FILE.name}"
_CHANGED = FILE.stat().st_mtime
#: nginx keeps a decision for two seconds at most.
_MOST_SECONDS = 2.5

#: What a browser acts upon.
FIELDS = (
    *("Accept-Ranges", "Cache-Control", "Content-Encoding", "Content-Length", "Content-Range", "Content-Type"),
    *("ETag", "Last-Modified", "Location", "Set-Cookie", "Vary", "X-Content-Type-Options"),
)


@pytest.fixture(scope="module")
def site() -> Iterator[World]:
    with world() as made:
        bob = replace(made.upstream.record, user="bob", base_url="/notebook/bob/")
        put(made.folder, bob)
        for coding in ("gzip", "br"):
            wait_until(lambda: coding_of(direct(made, PATH, Accept_Encoding=coding)) == coding, "files are compressed")  # noqa: B023
        yield made


def ask(site: World, path: str = PATH, method: str = "GET", *, user: str = "alice", **fields: str) -> requests.Response:
    """Ask nginx for a file; header fields have underscores in their names."""
    headers = {"Accept-Encoding": "gzip", **{name.replace("_", "-"): value for name, value in fields.items()}}
    return site.ask(method, path, user=user, headers=headers)


def direct(site: World, path: str, method: str = "GET", **fields: str) -> requests.Response:
    """Ask the site itself, as alice."""
    headers = {"Cookie": "user=alice; _xsrf=ours", "Accept-Encoding": "gzip"}
    headers |= {name.replace("_", "-"): value for name, value in fields.items()}
    address = f"http://127.0.0.1:{site.site_port}{BASE}{path}"
    return requests.request(method, address, headers=headers, timeout=20, allow_redirects=False)


def coding_of(answer: requests.Response) -> str:
    return answer.headers.get("Content-Encoding", "")


def is_of_nginx(answer: requests.Response) -> bool:
    """Tell whether an answer is one for all: the site was asked as nobody."""
    return answer.headers["X-For"] == "nobody"


def told(answer: requests.Response) -> tuple[object, ...]:
    fields = {name: answer.headers.get(name) for name in FIELDS}
    if answer.status_code == 304:  # these tell of a body, and there is none (RFC 9110 section 15.4.5)
        fields = {name: fields[name] for name in ("Cache-Control", "ETag", "Vary", "X-Content-Type-Options")}
    return answer.status_code, fields, answer.content


@contextmanager
def ordered(site: World, name: str, text: str = "") -> Iterator[None]:
    """Have the site do something of its own, see ``orders``."""
    (site.folder / name).write_text(text)
    try:
        yield
    finally:
        (site.folder / name).unlink()


def tag(site: World, **fields: str) -> str:
    return direct(site, PATH, **fields).headers["ETag"]


def test_a_file_that_is_asked_for_often_comes_from_the_site_once(site: World):
    answers = [ask(site, User_Agent="often") for _ in range(30)]
    assert {answer.status_code for answer in answers} == {200}
    assert all(map(is_of_nginx, answers))
    assert len({answer.headers["X-Number"] for answer in answers}) <= 3  # where the machine is slow, one is too old


def test_what_was_kept_for_one_user_is_good_for_another(site: World):
    def same() -> bool:
        one = ask(site, Accept_Encoding="br;q=1.0, gzip;q=0.5")
        other = ask(site, f"/notebook/bob/{PATH}", user="bob", Accept_Encoding="gzip, deflate, br")
        assert told(one) == told(other)
        return one.headers["X-Number"] == other.headers["X-Number"]

    wait_until(same, "both get one answer of the site")


def test_each_browser_gets_the_coding_that_it_reads_whatever_others_got(site: World):
    for _ in range(2):
        wanted = ("br, gzip", "gzip", "br", "identity", "br;q=0.1, gzip;q=0.2", "br;q=0.2, gzip;q=0.1")
        found = [coding_of(ask(site, Accept_Encoding=value)) for value in wanted]
        assert found == ["br", "gzip", "br", "", "gzip", "br"]


BY_NGINX = [
    {}, {"Accept_Encoding": ""}, {"Accept_Encoding": "br, gzip;q=0.5"}, {"Accept_Encoding": "x-gzip"},
    {"Accept_Encoding": "gzip;q=0"}, {"Accept_Encoding": "gzip, deflate, br, zstd"}, {"Accept_Encoding": "identity"},
    {"Accept_Encoding": "br"}, {"Accept_Encoding": "br;q=0.4, gzip;q=0.3"}, {"Accept_Encoding": "br;q=0.3, gzip;q=0.4"},
    {"Accept_Encoding": "gzip, br;q=0"}, {"If_None_Match": "TAG", "Accept_Encoding": "gzip, deflate, br"},
    {"If_None_Match": '"other"'}, {"If_None_Match": "TAG"}, {"If_None_Match": 'W/"x", TAG'},
    {"If_None_Match": "TAG", "Accept_Encoding": "identity"},
    {"If_Modified_Since": formatdate(_CHANGED, usegmt=True)},
    {"If_Modified_Since": formatdate(_CHANGED + 3600, usegmt=True)},
    {"If_Modified_Since": formatdate(_CHANGED - 3600, usegmt=True)},
    {"If_Modified_Since": "yesterday"},
    {"If_None_Match": '"other"', "If_Modified_Since": formatdate(_CHANGED, usegmt=True)},
    {"If_None_Match": "TAG", "If_Modified_Since": formatdate(_CHANGED, usegmt=True)},
    {"Cache_Control": "no-cache", "Pragma": "no-cache"},
]  # fmt: skip
BY_THE_SITE = [
    {"Range": "bytes=0-99"}, {"Range": "bytes=100-"}, {"Range": "bytes=-5"}, {"Range": "bytes=99999999-"},
    {"Range": "bytes=0-1,5-9"}, {"Range": "lines=1-2"}, {"Range": "bytes=0-9", "If_Range": '"other"'},
    {"If_Range": '"other"'}, {"If_Match": '"other"'}, {"If_Unmodified_Since": formatdate(0, usegmt=True)},
]  # fmt: skip


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("fields", "by_nginx"), [*((fields, True) for fields in BY_NGINX), *((fields, False) for fields in BY_THE_SITE)]
)
def test_a_file_reaches_the_browser_as_the_site_gives_it(
    site: World, method: str, fields: dict[str, str], by_nginx: bool
):
    own = {name: value for name, value in fields.items() if name == "Accept_Encoding"}
    fields = {name: value.replace("TAG", tag(site, **own)) for name, value in fields.items()}
    expected = told(direct(site, PATH, method, **fields))
    for _ in range(2):
        answer = ask(site, PATH, method, **fields)
        assert told(answer) == expected
        assert is_of_nginx(answer) == by_nginx


@pytest.mark.parametrize(
    ("path", "by_nginx"),
    [
        (PATH, True), (f"{PATH}?v=0123abc", True), ("static/lab/package.json", True),
        ("static/lab/package.json?v=0123abc", True), (f"{PATH}?v=", False),
        (f"{PATH}?V=1", False), (f"{PATH}?a=1", False), (f"{PATH}?v=1&v=", False), (f"{PATH}?v=%2B", False),
        ("static/notebook/none.js", False), ("static/notebook/", False), ("static/notebook", False),
        ("static/notebook/%20.js", False), (PATH.replace("k/", "k//"), False), ("static/favicon.ico", False),
        ("static", False), ("static/notebook/a%2Fb.js", False),
    ],
)  # fmt: skip
def test_what_is_plainly_a_file_is_answered_by_nginx_and_all_else_by_the_site(site: World, path: str, by_nginx: bool):
    for _ in range(2):
        answer = ask(site, path)
        assert told(answer) == told(direct(site, path))
        assert is_of_nginx(answer) == by_nginx


def test_the_site_is_asked_once_for_what_it_answers_itself(site: World):
    numbers = [int(ask(site, Range="bytes=0-9").headers["X-Number"]) for _ in range(10)]
    assert 1 in (later - earlier for earlier, later in pairwise(numbers))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_a_request_that_does_not_only_read_is_answered_as_if_there_were_no_file(site: World, method: str):
    wait_until(lambda: is_of_nginx(ask(site)), "the file is kept")
    assert ask(site, method=method, Origin=site.origin).headers["X-For"] == "alice"


def test_who_may_not_have_a_file_is_told_so_by_the_site_however_often_others_get_it(site: World):
    for _ in range(3):
        assert ask(site).status_code == 200
        other, stranger = ask(site, user="bob"), ask(site, user="")
        assert (other.status_code, stranger.status_code) == (403, 403)
        assert "belong to somebody else" in other.text
        assert "Sign in" in stranger.text
        assert FILE.read_text()[:50] not in other.text + stranger.text


def test_a_user_who_is_disabled_gets_no_file_any_more(site: World):
    assert ask(site).status_code == 200
    (site.folder / "disabled" / "alice").touch()
    try:
        began = time.monotonic()
        wait_until(lambda: ask(site).status_code == 403, "alice gets no file")
        assert time.monotonic() - began < _MOST_SECONDS
    finally:
        (site.folder / "disabled" / "alice").unlink()
    assert ask(site).status_code == 200


def test_a_token_gets_a_file_by_its_scope_and_nowhere_but_in_the_right_field(site: World):
    _, shell = site.token("shell")
    _, sync = site.token("sync")
    for _ in range(2):
        answer = ask(site, user="", Authorization=f"Bearer {shell}")
        assert (answer.status_code, is_of_nginx(answer)) == (200, True)
        assert ask(site, user="", Authorization=f"Bearer {sync}").status_code == 403
        assert ask(site, f"{PATH}?v={shell}").status_code == 400


def test_a_file_is_there_for_a_user_whose_server_does_not_run(site: World):
    for _ in range(2):
        answer = ask(site, f"/notebook/carol/{PATH}", user="carol")
        assert (answer.status_code, answer.headers["X-For"]) == (200, "carol")


def test_what_a_user_has_put_in_the_place_of_a_file_reaches_nobody_else(site: World):
    planted = "static/notebook/planted.js"
    for _ in range(2):
        assert ask(site, planted).text == "planted by alice"
        assert ask(site, f"/notebook/bob/{planted}", user="bob").status_code == 404


def test_a_cookie_that_the_site_sets_reaches_the_user_that_it_is_for_and_is_kept_nowhere(site: World):
    bobs = f"/notebook/bob/{PATH}"
    with ordered(site, "cookies"):
        wait_until(lambda: "Set-Cookie" in ask(site).headers, "decisions from before have been forgotten")
        for _ in range(3):
            for user, path in (("alice", PATH), ("bob", bobs)):
                wait_until(lambda: "Set-Cookie" in ask(site, path, user=user).headers, "the site is asked")  # noqa: B023
                assert ask(site, path, user=user).headers["Set-Cookie"].split(";")[0] == f"seen={user}"
        answers = [ask(site, Host="cookies.example") for _ in range(3)]  # for that name nothing is kept from before
        assert len({answer.headers["X-Number"] for answer in answers}) == 3
        assert "seen=nobody" not in ", ".join(answer.headers["Set-Cookie"] for answer in answers)
        assert b"seen=" not in b"".join(kept(site))
    wait_until(lambda: "Set-Cookie" not in ask(site).headers, "no cookie is kept")


def kept(site: World) -> list[bytes]:
    """Return what nginx has kept of files."""
    found = []
    for path in (site.nginx.folder / "cache").glob("*/*"):
        content = path.read_bytes()
        if b"\nKEY: file|" in content:
            found.append(content)
    return found


def test_what_is_kept_of_a_file_tells_nothing_of_a_user_and_lies_in_a_private_folder(site: World):
    assert ask(site).status_code == 200
    folder, key = site.nginx.folder / "cache", Gate(site.folder)._read()
    assert folder.stat().st_mode & 0o777 == 0o700
    content = b"".join(kept(site))
    assert content
    for secret in ("alice", "bob", SECRET, key, "_xsrf"):
        assert secret.encode() not in content.replace(FILE.read_bytes(), b""), secret


@pytest.mark.parametrize("status", [status for status in _REFUSALS if status != 418])
def test_a_site_that_tells_nobody_what_a_file_holds_gives_it_to_its_user(site: World, status: int):
    with ordered(site, "closed", str(status)):
        answer = ask(site, Host=f"closed{status}.example")  # for that name nothing is kept
        assert (answer.status_code, answer.headers["X-For"]) == (200, "alice")


def test_a_page_of_the_site_that_is_no_file_is_not_kept_in_its_place(site: World):
    with ordered(site, "closed", "200"):
        assert ask(site, Host="page.example").content == b""
    assert told(ask(site, Host="page.example")) == told(direct(site, PATH))


@pytest.mark.parametrize("key", ["", "guess"])
def test_without_the_key_nobody_gets_a_file_as_nobody(site: World, key: str):
    fields = {"X-Pyramid-Notebook-Gate": key} if key else {}
    address = f"http://127.0.0.1:{site.site_port}/notebook/-/auth"
    assert requests.get(address, headers={FILE_HEADER: PATH, **fields}, timeout=10).status_code == 404
    assert ask(site, "/notebook/-/auth", **{FILE_HEADER: PATH}).status_code == 404
