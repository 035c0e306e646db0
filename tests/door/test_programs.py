"""A program with a token works with a real notebook server, which is started where it isn't running."""

from __future__ import annotations

import json
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
import websocket

from pyramid_notebook.errors import NotStarted, TooManyServers
from pyramid_notebook.scopes import Grant, Scope
from pyramid_notebook.settings import Settings
from pyramid_notebook.tokens.database import open_store

from .sites import HANDSHAKE, JSON, Policy, ask, recording_server, small_site

PROGRAM = "admin"  # of the demo's users the one whose notebooks no other test here needs


@pytest.fixture(scope="module")
def fields(demo):
    store = open_store(Settings(notebook_folder=str(demo.folder / "notebooks")))
    _, secret = store.create(PROGRAM, "a program", [Grant(Scope.SHELL)], 3600)
    store.close()
    return {"Authorization": f"Bearer {secret}"}


@pytest.fixture
def call(demo, fields):
    def send(method, path, **more):
        address = f"{demo.url}/notebook/{PROGRAM}/{path}"
        return requests.request(method, address, headers=fields, timeout=60, **more)

    return send


@pytest.fixture
def stopped(demo):
    demo.manager.stop(PROGRAM)
    yield
    demo.manager.stop(PROGRAM)


def test_the_first_request_of_a_program_starts_the_server_with_the_sites_default_context(demo, call, stopped):
    assert call("GET", "api/status").json()["kernels"] == 1
    (session,) = call("GET", "api/sessions").json()
    assert session["path"].startswith("default-")
    cells = call("GET", f"api/contents/{session['path']}").json()["content"]["cells"]
    assert "Airport" in "".join(cell["source"] for cell in cells)
    assert demo.manager.find(PROGRAM)


def test_a_program_changes_what_a_page_could_only_change_with_jupyters_own_token(call):
    name = f"{uuid.uuid4().hex}.txt"
    content = {"type": "file", "format": "text", "content": "from a program"}
    assert call("PUT", f"api/contents/{name}", json=content).status_code == 201
    assert call("GET", f"api/contents/{name}").json()["content"] == "from a program"
    assert call("DELETE", f"api/contents/{name}").status_code == 204


def test_a_program_runs_code_in_a_kernel_over_a_websocket(demo, fields, call):
    kernel = call("POST", "api/kernels", json={}).json()["id"]
    address = f"ws://localhost:{demo.port}/notebook/{PROGRAM}/api/kernels/{kernel}/channels"
    channel = websocket.create_connection(address, header=fields, timeout=60, suppress_origin=True)
    header = {"msg_id": "1", "msg_type": "execute_request", "session": "s", "username": "", "version": "5.3"}
    request = {"header": header, "content": {"code": "6 * 7", "silent": False}, "channel": "shell"}
    channel.send(json.dumps({"parent_header": {}, "metadata": {}, **request}))
    while (message := json.loads(channel.recv()))["msg_type"] != "execute_result":
        pass
    assert message["content"]["data"]["text/plain"] == "42"
    channel.close()
    assert call("DELETE", f"api/kernels/{kernel}").status_code == 204


def test_a_websocket_of_a_program_starts_the_server_too(demo, fields, stopped):
    address = f"ws://localhost:{demo.port}/notebook/{PROGRAM}/api/events/subscribe"
    websocket.create_connection(address, header=fields, timeout=60, suppress_origin=True).close()
    assert demo.manager.find(PROGRAM)


def test_a_program_shuts_the_server_down_and_starts_it_by_the_doors_own_addresses(demo, call):
    assert call("GET", "api/status").status_code == 200
    assert call("POST", "-/stop").status_code == 200
    assert demo.manager.find(PROGRAM) is None
    assert call("POST", "-/start").json()["location"].startswith(f"/notebook/{PROGRAM}/notebooks/")
    assert demo.manager.find(PROGRAM)


@pytest.mark.parametrize("way", [{}, HANDSHAKE])
def test_a_token_that_may_not_pass_starts_nothing(site, way):
    for token, path in ((site.token("nora", "sync"), "api/status"), (site.token("olga"), "sync")):
        assert ask(site.port, "GET", f"/notebook/nora/{path}", {**token.fields, **way}).status == 403
    assert not site.manager.folder("nora").path.exists()


@pytest.mark.parametrize("way", [{}, HANDSHAKE])
def test_a_program_is_told_when_to_come_back_where_all_places_are_taken(folder, way):
    with small_site(folder, Policy("shell"), max_servers=1) as full, recording_server(full.manager, "alice"):
        answer = ask(full.port, "GET", "/notebook/bob/sync", {**full.token("bob").fields, **JSON, **way})
    assert (answer.status, json.loads(answer.text)["error"]) == (503, "not-started")
    assert int(answer.headers["Retry-After"]) == TooManyServers(1).retry_after


@pytest.mark.parametrize("way", [{}, HANDSHAKE])
@pytest.mark.parametrize(("command", "reason"), [("exec sleep 61", "within 1 seconds"), ("exit 3", "exit code 3")])
def test_a_program_is_told_to_come_back_when_the_server_did_not_come_up(folder, way, command, reason):
    python = folder / "python"
    python.write_text(f"#!/bin/sh\n{command}\n")
    python.chmod(0o755)
    with small_site(folder / "notebooks", Policy("shell"), python=str(python), start_timeout=1) as broken:
        answer = ask(broken.port, "GET", "/notebook/bob/sync", {**broken.token("bob").fields, **way})
    assert (answer.status, reason in answer.text) == (503, True)
    assert int(answer.headers["Retry-After"]) == NotStarted("").retry_after


def test_two_requests_at_once_start_one_server(demo, call, stopped):
    with ThreadPoolExecutor(3) as threads:
        answers = list(threads.map(lambda _: call("GET", "api/status").status_code, range(3)))
    assert answers == [200] * 3
    assert len([record for record in demo.manager.servers() if record.user == PROGRAM]) == 1
