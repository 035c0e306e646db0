"""Which addresses of a user server a browser reaches, and what the door answers itself."""

from __future__ import annotations

import posixpath
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import notebook
import pytest
import websocket
from hypothesis import example, given
from hypothesis import strategies as st

from pyramid_notebook.security import may_pass_on, own_page

from .sites import HANDSHAKE, HTML, JSON

BASE = "/notebook/alice/"
PRIVATE = [
    "-",
    "-/",
    "-/status",
    "-/context",
    "-/anything?x=1",
    "-?x",
    "%2d/status",
    "%2D/status",
    "-%2fstatus",
    "-%2Fstatus",
    "%2d%2fcontext",
    "/-/status",
    "///-//status",
    "%2f-/status",
    "./-/status",
    "%2e/-/status",
    "x/../-/status",
    "x/%2e%2e/-/status",
    "x/..%2f-%2fstatus",
    "-/../-/status",
    "tree/../-/launch.js",
]
#: Pieces from which addresses are made that could be misread.
PIECES = ["-", ".", "..", "/", "//", "%2d", "%2D", "%2e", "%2E%2e", "%2f", "%5c", "\\", "tree", "a%20b"]
TAILS = st.lists(st.sampled_from(PIECES), max_size=8).map("".join) | st.text(alphabet="-./%2eEdDfF\\a?#;", max_size=20)
ANY_TEXT = st.text(max_size=30) | st.builds("".join, st.tuples(st.sampled_from([BASE, "/", "//", "http://x/"]), TAILS))


@pytest.mark.parametrize("path", PRIVATE)
def test_what_the_door_says_to_user_servers_no_browser_can_say(site, alices, path):
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"):
        assert site.ask(method, BASE + path, user="alice").status == 404
    assert site.ask("GET", BASE + path, HANDSHAKE, user="alice").status == 404
    assert alices.requests == []


@pytest.mark.parametrize("target", [f"{BASE}-/start", f"{BASE}-/stop", "/notebook/-/open", "/notebook/-/stop"])
def test_nothing_is_started_or_stopped_by_a_link(site, alices, target):
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        assert site.ask(method, target, HTML, user="alice").status in (403, 404)
    assert alices.requests == []
    assert site.manager.find("alice")


@pytest.mark.parametrize("path", ["-x/y", "--/x", "tree/-/status", "a%2Fb", "~-/", "...", "files/..a/b."])
def test_addresses_that_only_look_like_the_doors_own_pass(site, alices, path):
    assert site.ask("GET", BASE + path, user="alice").status == 200
    assert [head.split()[:2] for head in alices.requests] == [[b"GET", f"{BASE}{path}".encode()]]


@pytest.mark.parametrize("path", ["api/shutdown", "api/shutdown?x=1"])
def test_jupyters_own_shut_down_is_done_by_the_door(site, alices, path):
    answer = site.ask("POST", BASE + path, JSON, user="alice")
    assert (answer.status, answer.text) == (200, '{"location":"/"}')
    assert alices.requests == []
    assert alices.process.wait(10) is not None
    assert site.manager.find("alice") is None


def test_only_a_post_shuts_down(site, alices):
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        assert site.ask(method, f"{BASE}api/shutdown", JSON, user="alice").status == 200
    assert len(alices.requests) == 4
    assert site.manager.find("alice")


def test_notebooks_own_files_come_from_the_door_itself_and_for_users_only(site, alices):
    name = next(path.name for path in Path(notebook.__file__).parent.glob("static/*.js"))
    answer = site.ask("GET", f"{BASE}static/notebook/{name}", user="alice")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/javascript; charset=utf-8")
    assert alices.requests == []
    for user in ("bob", ""):
        assert site.ask("GET", f"{BASE}static/notebook/{name}", user=user).status == 403


@pytest.mark.parametrize("target", [f"{BASE}-/stop", f"{BASE}api/shutdown", "/notebook/-/stop", "/shutdown"])
def test_a_stop_ends_the_websockets_as_well(site, alices, target):
    connection = websocket.create_connection(
        f"ws://localhost:{site.port}{BASE}api/kernels/1/channels",
        header={"X-User": "alice"}, origin=site.url, timeout=20,
    )  # fmt: skip
    site.ask("POST", target, user="alice")
    with pytest.raises((websocket.WebSocketConnectionClosedException, ConnectionError)):
        connection.recv()
    connection.close()


@pytest.mark.parametrize(
    ("target", "headers", "status"),
    [(f"{BASE}-/stop", HTML, 303), (f"{BASE}-/stop", JSON, 200), ("/notebook/-/stop", HTML, 303)],
)
def test_a_stop_ends_the_server_and_goes_home(site, alices, target, headers, status):
    answer = site.ask("POST", target, headers, user="alice")
    assert answer.status == status
    if status == 303:
        assert answer.location == "/"
    else:
        assert answer.text == '{"location":"/"}'
    assert alices.process.wait(10) is not None
    assert site.manager.find("alice") is None


@given(TAILS)
@example("%2d/status")
@example("x/..//-")
def test_what_may_pass_is_read_alike_by_everybody(tail):
    path = BASE + tail.partition("?")[0].partition("#")[0]
    if not may_pass_on(path, BASE):
        return
    decoded = unquote(path)
    resolved = f"{posixpath.normpath(decoded)}/"
    assert resolved.startswith(BASE)
    assert resolved.removeprefix(BASE).split("/")[0] != "-"
    assert not {".", ".."} & set(decoded.split("/"))


@given(ANY_TEXT)
def test_nothing_outside_of_the_users_own_addresses_may_pass(path):
    assert path.startswith(BASE) or not may_pass_on(path, BASE)


@given(st.lists(st.sampled_from(["tree", "api", "a%20b", "%C3%BC", "-x", "x-", "...", ".x", "%252e%252e", "a@b:1"])))
def test_ordinary_addresses_pass(segments):
    assert may_pass_on(BASE + "/".join(segments), BASE)


@given(ANY_TEXT | st.none() | st.binary())
@example(f"{BASE}\\..\\..\\x")
@example(f"{BASE}tree?x=/../")
def test_a_page_to_come_back_to_is_the_users_own_however_a_browser_reads_it(address):
    kept = own_page(address, BASE)
    assert kept in ("", address)
    if kept:
        read = urlsplit(urljoin("http://site/notebook/-/open", kept.replace("\\", "/")))
        assert (read.scheme, read.netloc) == ("http", "site")
        assert unquote(read.path).startswith(BASE)
        assert all("!" <= character <= "~" for character in kept)
