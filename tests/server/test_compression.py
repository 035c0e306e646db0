"""The table of all settings is sent compressed, and nothing else."""

from __future__ import annotations

import gzip
import json

import pytest
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from pyramid_notebook.proxy.upstream import exchange
from pyramid_notebook.record import SECRET_HEADER
from pyramid_notebook.server.compression import _SettingsEncoding

from .daemons import BASE, Daemon

SETTINGS = "lab/api/settings"


def get(server: Daemon, path: str, accepted: str = "gzip, deflate, br", **more: str) -> tuple[int, HTTPHeaders, bytes]:
    """Ask as a page does; returns the status, the header fields and the body as it came."""
    fields = {"Host": "localhost", SECRET_HEADER: server.record.secret, "Cookie": "_xsrf=one", "X-XSRFToken": "one"}
    fields |= {"Accept-Encoding": accepted, **{name.replace("_", "-"): value for name, value in more.items()}}
    answer = exchange(server.record, "GET", server.record.base_url + path, headers=list(fields.items()), timeout=30)
    return answer.status, HTTPHeaders(answer.headers), b"".join(iter(answer.read, b""))


@pytest.mark.parametrize("path", [SETTINGS, f"{SETTINGS}/", f"{SETTINGS}?1700000000"])
def test_all_settings_are_sent_compressed_to_who_accepts_it(server: Daemon, path: str) -> None:
    status, headers, body = get(server, path)
    assert (status, headers["Content-Encoding"], headers["Vary"]) == (200, "gzip", "Accept-Encoding")
    assert int(headers["Content-Length"]) == len(body)
    plain = get(server, path, "identity")
    assert "Content-Encoding" not in plain[1]
    assert gzip.decompress(body) == plain[2]
    assert len(json.loads(plain[2])["settings"]) > 20
    assert len(body) < len(plain[2]) / 4


@pytest.mark.parametrize("accepted", ["", "*", "br", "gzip;q=0", "deflate, gzip ; q=0.0", "notgzip"])
def test_they_are_sent_plain_to_who_does_not(server: Daemon, accepted: str) -> None:
    _status, headers, body = get(server, SETTINGS, accepted)
    assert ("Content-Encoding" in headers, headers["Vary"]) == (False, "Accept-Encoding")
    assert json.loads(body)["settings"]


def test_a_known_table_is_not_sent_again_in_either_coding(server: Daemon) -> None:
    tag = get(server, SETTINGS)[1]["Etag"]
    assert tag.startswith('W/"')  # it is the same for both
    for accepted in ("gzip", "identity"):
        status, headers, body = get(server, SETTINGS, accepted, If_None_Match=tag)
        assert (status, headers["Etag"], body) == (304, tag, b"")


@pytest.mark.parametrize(
    "path",
    [
        *("tree", "api/kernelspecs", "api/me", "lab/api/translations", f"api/contents/{SETTINGS}", f"x/{SETTINGS}"),
        *(f"{SETTINGS}x", f"{SETTINGS}/@jupyterlab/apputils-extension:themes"),
    ],
)
def test_no_other_answer_is_compressed_where_a_secret_could_stand_beside_a_strangers_text(
    server: Daemon, path: str
) -> None:
    _status, headers, _body = get(server, path)
    assert "Content-Encoding" not in headers


@pytest.mark.parametrize(("method", "status"), [("POST", 200), ("PUT", 200), ("GET", 404), ("GET", 500)])
def test_an_error_and_another_method_are_not_compressed_either(method: str, status: int) -> None:
    line = RequestStartLine(method, BASE + SETTINGS, "HTTP/1.1")
    request = HTTPServerRequest(start_line=line, headers=HTTPHeaders({"Host": "a", "Accept-Encoding": "gzip"}))
    encoding = _SettingsEncoding(request, path=BASE + SETTINGS)
    body = b"x" * 5000
    told = HTTPHeaders({"Content-Type": "application/json", "Content-Length": "5000"})
    assert encoding.transform_first_chunk(status, told, body, True) == (status, told, body)
    assert "Content-Encoding" not in told
    assert encoding.transform_chunk(b"more", True) == b"more"
