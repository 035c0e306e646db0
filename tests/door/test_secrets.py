"""What the site knows stays with the site, and what a user server knows stays with it."""

from __future__ import annotations

import base64
import logging
import re

from pyramid_notebook.record import SECRET_HEADER

from .sites import (
    HANDSHAKE,
    HTML,
    JSON,
    SECRET,
    STREAM,
    Policy,
    ask,
    never_answer,
    record_of,
    recording_server,
    small_site,
)

CREDENTIALS = {"Authorization": f"Basic {base64.b64encode(b'user:password').decode()}"}


def with_cookie(headers, more):
    return headers | {"Cookie": f"{headers['Cookie']}; {more}"} | CREDENTIALS


def test_the_sites_session_and_passwords_never_reach_the_user_server(demo, signed_in, theirs):
    headers = with_cookie(signed_in("user"), "_xsrf=2|abc; other=1")
    session = re.search("session=([^;]+)", headers["Cookie"])[1]
    assert ask(demo.port, "GET", "/notebook/user/api/contents", headers).status == 200
    assert ask(demo.port, "PUT", "/notebook/user/api/contents/x", headers, b"{}").status == 200
    assert ask(demo.port, "GET", "/notebook/user/api/kernels/1/channels", headers | HANDSHAKE).status == 101
    assert len(theirs.requests) == 3
    for head in theirs.requests:
        text = head.decode("latin-1")
        assert re.findall("(?i)cookie: (.*)\r\n", text) == ["_xsrf=2|abc"]
        assert session not in text
        assert "authorization" not in text.lower()
        assert f"{SECRET_HEADER}: {SECRET}".lower() in text.lower()


def test_neither_a_traceback_nor_a_secret_is_in_any_answer(site, notebooks, alices, caplog):
    caplog.set_level(logging.DEBUG)
    targets = ["tree", "-/status", "-/launch.js", "%2d/x", "../x", "api/contents", "no/such"]
    asked = [
        site.ask(method, f"/notebook/alice/{target}", headers, user=user)
        for method in ("GET", "POST", "HEAD")
        for target in targets
        for headers in (HTML, JSON, HANDSHAKE)
        for user in ("alice", "bob", "")
    ]
    asked += [site.ask("POST", "/shell", headers, user="alice") for headers in (HTML, JSON, STREAM)]
    with (
        small_site(notebooks, Policy("shell"), proxy_timeout=1) as slow,
        recording_server(slow.manager, "silent", speak=never_answer),
    ):
        asked += [slow.ask("GET", "/notebook/silent/tree", headers, user="silent") for headers in (HTML, JSON)]
    assert {answer.status for answer in asked} >= {101, 200, 303, 403, 404, 504}
    for answer in asked:
        everything = f"{answer.headers} {answer.text}"
        assert SECRET not in everything
        assert SECRET_HEADER.lower() not in everything.lower()
        assert "Traceback" not in everything
    assert SECRET not in caplog.text
    assert "Traceback" not in caplog.text


def test_the_secret_of_a_real_server_is_in_no_answer_no_url_and_no_log(demo, signed_in):
    opened = ask(demo.port, "POST", "/notebook/-/open", signed_in("admin") | STREAM)
    record = record_of(demo.manager, "admin")
    try:
        page = ask(demo.port, "GET", opened.lines[-1]["location"], signed_in("admin") | HTML)
        lost = ask(demo.port, "GET", "/notebook/admin/no/such/page", signed_in("admin") | HTML)
        assert (page.status, lost.status) == (200, 404)
        for answer in (opened, page, lost):
            assert record.secret not in f"{answer.headers} {answer.text}"
    finally:
        demo.manager.stop("admin")
    logs = [path.read_text() for path in demo.folder.rglob("*.log")]
    assert len(logs) >= 3
    assert not [text for text in logs if record.secret in text]
    assert "Traceback" not in demo.log
