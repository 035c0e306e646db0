"""Static files that are answered before the site is asked once more; the site is real in the last tests."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import brotli
import pytest
from pyramid.request import Request
from pyramid.response import Response

from benchmarks.proxy_peers import static_file
from pyramid_notebook.proxy import variants
from pyramid_notebook.proxy.crossing import CROSSING, Crossing
from pyramid_notebook.proxy.decisions import forget_decisions
from pyramid_notebook.proxy.early import STATIC_OF, Early
from pyramid_notebook.proxy.static import StaticFiles
from tests.servers.site import make

from .upstreams import BASE

FILE = static_file(BASE)[""]


class Page:
    """A browser that asks an :class:`Early`, in front of a site that lets alice pass.

    Args:
        folder: for compressed files.
        seconds: for which decisions hold.
    """

    def __init__(self, folder: Path, seconds: float = 2.0) -> None:
        self.static = StaticFiles(folder / "static")
        self.now, self.asked, self.says_yes = 100.0, 0, True
        self.early = Early(self.static, seconds, lambda: self.now)

    def compress(self) -> None:
        """Compress the one file, as it will be for all."""
        folder = next(found for found in self.static._folders if found.url == "static/notebook/")
        for coding in (variants.GZIP, variants.BROTLI):
            assert variants._compress(folder, FILE.rpartition("/")[2], coding)

    def site(self, request: Any) -> Response:
        self.asked += 1
        below = request.path.removeprefix(BASE)
        if not self.says_yes or request.cookies.get("auth") != "alice":
            return Response("no", status=403)
        request.environ[STATIC_OF] = BASE
        return self.static.respond(request, below) or Response("from the user server")

    def get(self, path: str = FILE, **options: Any) -> Response:
        headers = {"Cookie": "auth=alice", **options.pop("headers", {})}
        request = Request.blank(path, headers=headers, **options)
        early = self.early.answer(request.environ, lambda environ: self.site(Request(environ)))
        answer = request.send(early)
        answer.body  # noqa: B018 - it is read, as a web server does
        return answer


@pytest.fixture
def page(tmp_path: Path) -> Page:
    return Page(tmp_path)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"method": "HEAD"},
        {"headers": {"Accept-Encoding": "gzip"}},
        {"headers": {"Accept-Encoding": "gzip, br"}},
        {"headers": {"Range": "bytes=5-20"}},
        {"headers": {"Range": "bytes=99999999-"}},
        {"headers": {"If-Modified-Since": "Fri, 20 Nov 2076 00:00:00 GMT"}},
        {"headers": {"If-None-Match": '"other"'}},
    ],
    ids=["plain", "HEAD", "gzip", "brotli", "part", "bad part", "known by date", "other one known"],
)
def test_what_is_answered_early_is_what_the_site_would_answer(page: Page, options: dict[str, Any]) -> None:
    page.compress()
    page.early = Early(page.static, 0)
    expected = page.get(**options)
    page.early = Early(page.static, 2)
    page.get()
    asked = page.asked
    for _ in range(2):  # the second time it is known
        found = page.get(**options)
        assert (found.status, found.headerlist, found.body) == (expected.status, expected.headerlist, expected.body)
    assert page.asked == asked


def test_a_compressed_file_is_not_sent_to_who_cannot_read_it(page: Page) -> None:
    page.compress()
    page.get()
    values = ("gzip, deflate, br", "gzip", "br;q=0.1, gzip", "br, gzip;q=0", "identity")
    answers = [page.get(headers={"Accept-Encoding": value}) for value in values]
    assert [answer.headers.get("Content-Encoding") for answer in answers] == ["br", "gzip", "gzip", "br", None]
    bodies = {brotli.decompress(answers[0].body), gzip.decompress(answers[1].body), answers[4].body, page.get().body}
    assert len(bodies) == 1
    assert len({answer.headers["ETag"] for answer in answers}) == 3


def test_the_site_is_asked_again_after_two_seconds(page: Page) -> None:
    assert page.get().status_code == 200
    page.says_yes = False
    page.now += 1.9
    assert page.get().status_code == 200
    page.now += 0.2
    assert page.get().status_code == 403


def test_a_longer_time_than_two_seconds_is_not_possible(tmp_path: Path) -> None:
    page = Page(tmp_path, seconds=60)
    page.get()
    page.says_yes = False
    page.now += 2.1
    assert page.get().status_code == 403


def test_a_site_can_do_without(tmp_path: Path) -> None:
    page = Page(tmp_path, seconds=0)
    page.get()
    page.get()
    assert page.asked == 2


def test_the_site_is_asked_again_when_a_right_has_ended(page: Page) -> None:
    page.get()
    page.says_yes = False
    forget_decisions()
    assert page.get().status_code == 403


@pytest.mark.parametrize(
    "options",
    [
        {"headers": {"Cookie": "auth=bob"}},
        {"headers": {"Cookie": ""}},
        {"path": FILE.replace("alice", "bob")},
        {"path": f"{BASE}../bob/static/notebook/main.js"},
        {"path": f"{FILE}?token=pnb_x"},
        {"method": "POST"},
        {"path": f"{BASE}api/contents"},
        {"path": f"{BASE}static/notebook/none.js"},
    ],
    ids=["another user", "a stranger", "another's", "dots", "token", "POST", "user server", "no such file"],
)
def test_the_site_is_asked_about_everything_else(page: Page, options: dict[str, Any]) -> None:
    page.get()
    page.get(**options)
    assert page.asked == 2


def test_what_the_site_does_not_vouch_for_is_not_kept(page: Page) -> None:
    def own_view(request: Any) -> Response:
        page.asked += 1
        return page.static.respond(request, request.path.removeprefix(BASE))

    for _ in range(2):
        page.early.answer(Request.blank(FILE).environ, lambda environ: own_view(Request(environ)))
    assert page.asked == 2


def test_a_site_that_sets_a_cookie_is_asked_each_time(page: Page) -> None:
    def refreshed(environ: dict[str, Any]) -> Response:
        answer = page.site(Request(environ))
        answer.set_cookie("seen", "now")
        return answer

    for _ in range(2):
        environ = Request.blank(FILE, headers={"Cookie": "auth=alice"}).environ
        page.early.answer(environ, refreshed)
    assert page.asked == 2


def test_what_crosses_is_left_to_the_site(page: Page) -> None:
    page.get()
    page.get(environ={CROSSING: Crossing()})
    assert page.asked == 2


def test_a_file_that_changes_is_sent_anew_after_two_seconds(page: Page, tmp_path: Path) -> None:
    extensions = tmp_path / "extensions"
    extensions.mkdir()
    script = extensions / "own.js"
    script.write_text("first")
    page.static = StaticFiles(tmp_path / "static", extensions=[extensions])
    page.early = Early(page.static, 2, lambda: page.now)
    path = f"{BASE}lab/extensions/own.js"
    page.get(path)
    assert page.get(path).text == "first"
    script.write_text("second!")
    page.now += 2.1
    page.get(path)
    assert page.get(path).text == "second!"


@contextmanager
def real_site(folder: Path) -> Iterator[Any]:
    (folder / "disabled").mkdir()
    yield make({"notebook_folder": str(folder)})


def test_a_user_who_may_no_more_gets_no_file_once_the_decision_is_forgotten(tmp_path: Path) -> None:
    with real_site(tmp_path) as site:
        request = Request.blank(FILE, headers={"Cookie": "user=alice", "Host": "127.0.0.1"})
        assert request.copy().get_response(site).status_code == 200
        assert Request.blank(FILE, headers={"Host": "127.0.0.1"}).get_response(site).status_code == 403
        (tmp_path / "disabled" / "alice").touch()
        assert request.copy().get_response(site).status_code == 200
        forget_decisions()
        assert request.copy().get_response(site).status_code == 403
