"""What a stop does when something cannot be saved, or does not answer at all."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from .sites import CLICK, HTML, JSON, Policy, hidden_fields, never_answer, recording_server, small_site

UNSAVED = {"unsaved": [{"path": "a <b>.ipynb", "reason": "No space left on device"}]}
STOPS = [("/notebook/-/stop", HTML), ("/notebook/alice/-/stop", HTML), ("/shutdown", CLICK)]


def cannot_save(upstream: Any, connection: Any, _number: int) -> None:
    """Answer every request as a user server on a full disk answers ``-/save``."""
    while upstream.read_head(connection):
        body = json.dumps(UNSAVED).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)


@pytest.mark.parametrize(("target", "headers"), STOPS)
def test_a_stop_that_would_lose_work_asks_first(notebooks, target, headers):
    with small_site(notebooks, Policy("shell")) as site, recording_server(site.manager, "alice", speak=cannot_save):
        page = site.ask("POST", target, headers, user="alice")
        assert (page.status, "a &lt;b&gt;.ipynb (No space left on device)" in page.text) == (409, True)
        assert '<button class="pnb-button">Shut down all the same</button>' in page.text
        assert site.manager.find("alice")
        form = urlencode(hidden_fields(page.text)).encode()
        assert form == b"notebook_anyway=yes"
        assert site.ask("POST", target, headers, user="alice", body=form).status in (200, 303)
        assert site.manager.find("alice") is None


def test_a_program_is_told_what_cannot_be_saved(notebooks):
    with small_site(notebooks, Policy("shell")) as site, recording_server(site.manager, "alice", speak=cannot_save):
        answer = site.ask("POST", "/notebook/alice/-/stop", JSON, user="alice")
        assert (answer.status, '"error":"unsaved"' in answer.text) == (409, True)
        assert site.manager.find("alice")


def test_a_server_that_hangs_is_offered_to_be_replaced_and_never_replaced_unasked(notebooks, monkeypatch):
    monkeypatch.setattr("pyramid_notebook.manager._ANSWER_SECONDS", 0.2)
    with small_site(notebooks, Policy("shell")) as site, recording_server(site.manager, "alice", speak=never_answer):
        page = site.ask("POST", "/shell", HTML, user="alice")
        assert page.status == 504
        assert '<form method="post" action="/notebook/alice/-/restart">' in page.text
        assert "Shut it down and start anew" in page.text
        assert site.manager.find("alice")
        again = site.ask("POST", "/notebook/alice/-/restart", HTML, user="alice")
        assert (again.status, 'role="progressbar"' in again.text) == (200, True)
        assert site.manager.find("alice") is None


def test_a_server_that_hangs_can_be_shut_down(notebooks, monkeypatch):
    monkeypatch.setattr("pyramid_notebook.views._SAVE_SECONDS", 0.2)
    with small_site(notebooks, Policy("shell")) as site, recording_server(site.manager, "alice", speak=never_answer):
        assert site.ask("POST", "/notebook/alice/-/stop", HTML, user="alice").status == 303
        assert site.manager.find("alice") is None
