"""A user server that is gone or too slow, and the way back."""

from __future__ import annotations

import html
import os
import re
import signal
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import pytest
import websocket

from tests.running import wait_until

from .sites import (
    CLICK,
    HANDSHAKE,
    HTML,
    JSON,
    STREAM,
    Policy,
    ask,
    hidden_fields,
    never_answer,
    record_of,
    recording_server,
)
from .sites import small_site as serve

PAGE = "/notebook/admin/tree/a%20b?x=%2F&y=<"
ELSEWHERE = [
    "https://evil.example/",
    "//evil.example/",
    "/\\evil.example/",
    "javascript:alert(1)",
    "/",
    "/logout",
    "/notebook/",
    "/notebook/admin",
    "/notebook/alic",
    "/notebook/bob/tree",
    "/notebook/alice/../bob/tree",
    "/notebook/alice/%2e%2e/bob/tree",
    "/notebook/alice/..%2f..%2flogout",
    "/notebook/alice/-/stop",
    "/notebook/alice/%2d/stop",
    "/notebook/alice//-/stop",
    "/notebook/alice/tree\r\nSet-Cookie: x=1",
    "/notebook/alice/tree\\..\\..",
    "/notebook/alice/tree x",
    "/notebook/alice/☃",
    " /notebook/alice/tree",
    "",
]


@pytest.fixture
def admin(demo, signed_in):
    """Ask the demo site as its administrator, whose real user server runs before the test."""

    def send(method, target, headers, body=None):
        form = {"Content-Type": "application/x-www-form-urlencoded"} if body else {}
        return ask(demo.port, method, target, signed_in("admin") | form | headers, body)

    assert send("POST", "/notebook/-/open", JSON).status == 200
    yield send
    demo.manager.stop("admin")


def test_a_killed_server_gives_a_page_whose_button_brings_back_what_was_asked_for(demo, admin):
    record = record_of(demo.manager, "admin")
    assert admin("GET", PAGE, HTML).status == 404  # the real server answers: there is no such folder
    os.kill(record.pid, signal.SIGKILL)
    wait_until(lambda: demo.manager.find("admin") is None, "the death is noticed")
    gone = admin("GET", PAGE, HTML)
    assert (gone.status, "site.css" in gone.text, "Start again" in gone.text) == (502, True, True)
    [action] = re.findall('<form method="post" action="([^"]*-/start)">', gone.text)
    fields = {name: html.unescape(value) for name, value in hidden_fields(gone.text).items()}
    assert fields["next"] == PAGE
    page = admin("POST", action, HTML, urlencode(fields).encode())
    assert (page.status, 'role="progressbar"' in page.text) == (200, True)
    fields = {name: html.unescape(value) for name, value in hidden_fields(page.text).items()}
    lines = admin("POST", action, STREAM, urlencode(fields).encode()).lines
    assert [line["stage"] for line in lines] == ["starting", "loading", "opening"]
    assert lines[-1]["location"] == PAGE
    assert record_of(demo.manager, "admin").pid != record.pid


def test_a_start_again_uses_the_notebook_context_of_the_last_launch(demo, admin, signed_in):
    first = admin("POST", "/notebook/-/open", JSON).text
    assert admin("POST", "/notebook/admin/-/stop", JSON).status == 200
    assert demo.manager.find("admin") is None
    assert admin("POST", "/notebook/admin/-/start", JSON).text == first


def test_without_scripts_the_button_starts_it_as_well_and_leads_back(demo, admin):
    demo.manager.stop("admin")
    form = urlencode({"next": PAGE, "notebook_launch": "wait"}).encode()
    answer = admin("POST", "/notebook/admin/-/start", HTML, form)
    assert (answer.status, answer.location) == (303, PAGE)
    assert demo.manager.find("admin")


def test_a_program_and_a_websocket_are_told_with_503_where_nothing_runs(site):
    for method, headers in (("GET", JSON), ("POST", JSON), ("GET", HANDSHAKE), ("DELETE", {})):
        answer = site.ask(method, "/notebook/ida/api/kernels", headers, user="ida")
        assert answer.status == 503
        assert '"error":"gone"' in answer.text


def test_a_form_that_meets_a_dead_server_is_not_sent_again(site):
    answer = site.ask("POST", "/notebook/ida/tree", HTML, user="ida", body=b"a=1")
    assert answer.status == 502
    assert "Start again" in answer.text
    assert hidden_fields(answer.text) == {}


def test_a_server_that_does_not_answer_in_time_gives_504_and_the_button(notebooks):
    with (
        serve(notebooks, Policy("shell"), proxy_timeout=1) as site,
        recording_server(site.manager, "julia", speak=never_answer),
    ):
        page = site.ask("GET", "/notebook/julia/tree?x", HTML, user="julia")
        assert (page.status, "did not answer within 1 seconds" in page.text) == (504, True)
        assert '<form method="post" action="/notebook/julia/-/start">' in page.text
        assert hidden_fields(page.text) == {"next": "/notebook/julia/tree?x"}
        answer = site.ask("GET", "/notebook/julia/api/status", JSON, user="julia")
        assert (answer.status, '"error":"timeout"' in answer.text) == (504, True)


@pytest.mark.parametrize("address", ["/notebook/alice/", "/notebook/alice/tree?x=/../-/#a", "/notebook/alice/a%2Fb"])
def test_a_form_may_come_back_to_a_page_of_the_users_own_server(site, alices, address):
    body = urlencode({"next": address}).encode()
    answer = site.ask("POST", "/notebook/alice/-/start", HTML, user="alice", body=body)
    assert (answer.status, answer.location) == (303, address)


@pytest.mark.parametrize("address", ELSEWHERE)
def test_a_form_comes_back_to_nothing_else(site, alices, address):
    for headers in (HTML, JSON, STREAM):
        body = urlencode({"next": address}).encode()
        answer = site.ask("POST", "/notebook/alice/-/start", headers, user="alice", body=body)
        notebook = "/notebook/alice/notebooks/recorded.ipynb"
        assert notebook == answer.headers.get("Location", "").removeprefix(site.url) or notebook in answer.text
        assert "evil" not in answer.text


def test_an_address_in_the_query_is_no_page_to_come_back_to(site, alices):
    answer = site.ask("GET", "/shell?next=/notebook/alice/tree", CLICK, user="alice")
    assert answer.location == "/notebook/alice/notebooks/recorded.ipynb"


def test_a_server_that_hangs_does_not_hold_up_the_other_users(notebooks):
    with (
        serve(notebooks, Policy("shell"), user_requests=3, proxy_timeout=5) as site,
        recording_server(site.manager, "julia", speak=never_answer) as hung,
        recording_server(site.manager, "kim"),
        ThreadPoolExecutor(3) as pool,
    ):
        waiting = [pool.submit(site.ask, "GET", "/notebook/julia/api/contents", JSON, user="julia") for _ in range(3)]
        wait_until(lambda: len(hung.requests) == 3, "three requests wait")
        one_more = site.ask("GET", "/notebook/julia/api/contents", JSON, user="julia")
        assert (one_more.status, one_more.headers["Retry-After"]) == (503, "2")
        assert '"error":"busy"' in one_more.text
        page = site.ask("GET", "/notebook/julia/tree", HTML, user="julia")
        assert (page.status, "busy with 3 other requests" in page.text) == (503, True)
        assert site.ask("GET", "/notebook/kim/api/contents", JSON, user="kim").status == 200
        assert {answer.result(30).status for answer in waiting} == {504}
        assert site.ask("GET", "/notebook/julia/-/page.css", user="julia").status == 200


def test_a_user_with_too_many_websockets_gets_no_more(notebooks):
    with serve(notebooks, Policy("shell"), user_websockets=2) as site, recording_server(site.manager, "kim"):
        address = "/notebook/kim/api/kernels/1/channels"
        where = f"ws://localhost:{site.port}{address}"
        held = [websocket.create_connection(where, origin=site.url, header={"X-User": "kim"}) for _ in range(2)]
        refused = site.ask("GET", address, HANDSHAKE, user="kim")
        assert (refused.status, "You have 2 connections open" in refused.text) == (503, True)
        held.pop().close()
        wait_until(lambda: site.ask("GET", address, HANDSHAKE, user="kim").status == 101, "there is room again")
