"""The site under ASGI; the site itself is the test's, so that it can do what a site may do to an answer of ours."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import brotli
import pytest

from pyramid_notebook.asgi import asgi_app
from pyramid_notebook.proxy.crossing import Grant, crossing_of
from pyramid_notebook.proxy.passages import Passage, Passages
from pyramid_notebook.proxy.static import StaticFiles
from pyramid_notebook.settings import Settings

from ..conftest import RunPython
from .upstreams import BASE, record_at

Site = Callable[[dict[str, Any], Any], Iterable[bytes]]


class Asked:
    """A request that the site was asked about."""

    def __init__(self) -> None:
        self.environ = {"REQUEST_METHOD": "GET"}

    def invoke_subrequest(self, request: Any, use_tweens: bool) -> Any:
        raise AssertionError


class Door:
    """Grants each request, as the view of a site does, and remembers its passages."""

    def __init__(self, static: Any = None) -> None:
        self.passages = Passages(lambda user: 0.0)
        self.static = static

    def grant(self, environ: dict[str, Any]) -> None:
        crossing = crossing_of(environ)
        assert crossing is not None
        passage = Passage(self.passages, Asked(), "alice", "")
        self.passages.add(passage)
        settings = Settings.from_mapping({"pyramid_notebook.notebook_folder": "/nowhere"})
        crossing.grant = Grant(
            record=record_at(path="/nowhere/s"), passage=passage, scheme="http", client="127.0.0.1", host="site",
            settings=settings, static=self.static, may_be_kept=True,
        )  # fmt: skip


def answered(site: Site, path: str = f"{BASE}api", headers: Iterable[tuple[bytes, bytes]] = ()) -> list[dict[str, Any]]:
    """Return the messages with which a site answers a request."""
    scope = {
        "type": "http", "method": "GET", "scheme": "http", "http_version": "1.1", "client": ("127.0.0.1", 5000),
        "server": ("127.0.0.1", 80), "path": path, "raw_path": path.encode(), "query_string": b"",
        "headers": [(b"host", b"site"), *headers],
    }  # fmt: skip
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(dict(message))

    asyncio.run(asgi_app(site)(scope, receive, send))
    return sent


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ([b"gzip, deflate, br"], b"br"), ([b"gzip", b"br"], b"br"), ([b"gzip", b"br;q=0.5"], b"gzip"),
        ([b"gzip"], b"gzip"), ([b"br;q=0"], b""), ([], b""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("is_known", [False, True])
def test_a_static_file_comes_in_the_coding_that_the_client_prefers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, accepted: list[bytes], coding: bytes, is_known: bool
) -> None:
    text = b"export const answer = 42; " * 100
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "own.js").write_bytes(text)
    static = StaticFiles(tmp_path / "static", extensions=[tmp_path / "own"])
    monkeypatch.setattr(static, "_folders", [folder for folder in static._folders if folder.place.name == "own"])
    assert static.compress() == 2
    door = Door(static)

    def site(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        door.grant(environ)
        start_response("204 No Content", [])
        return []

    condition = [(b"if-none-match", b'"other"')] if is_known else []
    fields = [(b"accept-encoding", value) for value in accepted]
    start, *rest = answered(site, f"{BASE}lab/extensions/own.js", [*fields, *condition])
    headers, body = dict(start["headers"]), b"".join(message["body"] for message in rest)
    assert (start["status"], headers[b"vary"]) == (200, b"Accept-Encoding")
    assert headers.get(b"content-encoding", b"") == coding
    decode = {b"br": brotli.decompress, b"gzip": gzip.decompress, b"": bytes}[coding]
    assert decode(body) == text


def test_what_a_site_says_after_the_door_has_granted_is_its_answer() -> None:
    door = Door()

    def site(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        door.grant(environ)
        start_response("403 Forbidden", [("Content-Type", "text/plain")])
        return [b"no"]

    start, *rest = answered(site)
    assert start["status"] == 403
    assert b"".join(message["body"] for message in rest) == b"no"
    assert not door.passages._open


def test_a_site_that_fails_after_the_door_has_granted_leaves_no_passage() -> None:
    door = Door()

    def site(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        door.grant(environ)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        answered(site)
    assert not door.passages._open


@pytest.mark.parametrize("missing", ["a2wsgi", "httptools"])
def test_a_site_without_what_asgi_needs_is_told_what_to_install(run_python: RunPython, missing: str) -> None:
    done = run_python(f"import sys; sys.modules[{missing!r}] = None\nimport pyramid_notebook.asgi")
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ImportError: ") and missing in last
    assert last.endswith('pip install "pyramid_notebook[uvicorn]"')
