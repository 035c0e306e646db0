"""The self-test without a browser: who may use it, and what it answers to scripts."""

from __future__ import annotations

import json
import os
import socket
import threading

import pytest
import websocket
from hypothesis import given, settings
from hypothesis import strategies as st

from pyramid_notebook.selftest import echo
from pyramid_notebook.selftest.diagnosis import UPLOAD_BYTES
from tests.door.sites import HANDSHAKE, HTML, JSON, Policy, ask, small_site
from tests.running import wait_until

ADDRESS = "/notebook/-/selftest"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("selftest") / "notebooks"
    with small_site(folder, Policy("notebook_admin")) as running:
        yield running


def verdict(site, **query):
    text = "&".join(f"{name}={value}" for name, value in query.items())
    answer = site.ask("GET", f"{ADDRESS}?{text}", JSON, user="ann")
    assert answer.status == 200, answer.text
    return json.loads(answer.text)


def test_a_script_gets_json_and_a_person_a_page(site):
    told = verdict(site)
    assert told["faults"] == []
    assert (told["facts"]["server"], told["facts"]["host"]) == ("waitress", f"localhost:{site.port}")
    page = site.ask("GET", ADDRESS, HTML, user="ann")
    assert (page.status, "Self-test" in page.text, page.headers["X-Frame-Options"]) == (200, True, "DENY")
    for name in ("selftest.js", "page.css"):
        assert site.ask("GET", f"{ADDRESS}/{name}", user="ann").status == 200
        assert f'"{ADDRESS}/{name}"' in page.text


@pytest.mark.parametrize("target", ["", "/stream", "/upload", "/websocket", "/selftest.js"])
def test_only_those_with_the_permission_may_use_it(site, target):
    method = "POST" if target == "/upload" else "GET"
    with small_site(site.manager.root, Policy("shell")) as other:
        assert other.ask(method, ADDRESS + target, user="ann").status == 403
        assert other.ask("GET", ADDRESS + target, HANDSHAKE, user="ann").status == 403
    token = site.token("ann").fields
    assert ask(site.port, method, ADDRESS + target, token).status == 403
    assert ask(site.port, method, ADDRESS + target, {"Origin": site.url}).status == 403


def test_an_upload_is_counted_and_must_come_from_the_sites_own_page(site):
    answer = site.ask("POST", f"{ADDRESS}/upload", user="ann", body=b"x" * 300_000)
    assert json.loads(answer.text) == {"bytes": 300_000}
    foreign = {"Origin": "https://evil.example"}
    assert site.ask("POST", f"{ADDRESS}/upload", foreign, user="ann", body=b"x").status == 403


@pytest.mark.parametrize(
    ("method", "target"), [("POST", ""), ("GET", "/upload"), ("POST", "/stream"), ("PUT", "/websocket")]
)
def test_other_methods_are_refused(site, method, target):
    assert site.ask(method, ADDRESS + target, user="ann").status == 405


def test_there_are_no_other_probes(site):
    assert site.ask("GET", f"{ADDRESS}/nothing", user="ann").status == 404


def connect(site, target, **options):
    return websocket.create_connection(
        f"{site.url.replace('http', 'ws')}{target}", header={"X-User": "ann"}, origin=site.url, timeout=20, **options
    )


def test_a_websocket_sends_back_what_comes_and_what_came_of_it_is_remembered(site):
    target = verdict(site)["probes"]["websocket"]
    connection = connect(site, target)
    connection.send("Grüße")
    assert connection.recv() == "Grüße"
    connection.send_binary(bytes(range(256)) * 8192)
    assert b"".join([connection.recv()]) == bytes(range(256)) * 8192
    connection.ping("x")
    connection.close(1000, timeout=5)
    told = verdict(site, websocket=target.partition("name=")[2])
    assert told["handshake"]["upgrade"].lower() == "websocket"
    assert told["handshake"]["outcome"] == ""


def test_a_handshake_that_lost_its_fields_is_remembered_with_what_is_missing(site):
    target = verdict(site)["probes"]["websocket"]
    assert site.ask("GET", target, user="ann").status == 426
    seen = json.dumps({"origin": site.url, "opened": False}).replace(" ", "")
    told = verdict(site, websocket=target.partition("name=")[2], seen=seen)
    assert [fault["name"] for fault in told["faults"]] == ["upgrade"]


def test_a_foreign_page_opens_no_websocket(site):
    target = verdict(site)["probes"]["websocket"]
    assert site.ask("GET", target, HANDSHAKE | {"Origin": "https://evil.example"}, user="ann").status == 403
    told = verdict(site, websocket=target.partition("name=")[2])
    assert "does not come from a page of this site" in told["handshake"]["outcome"]


@pytest.mark.parametrize("name", ["../../../etc/passwd", "x", "", "A" * 32, "%2e%2e", "0" * 33])
def test_no_name_leads_out_of_the_folder(site, name):
    site.ask("GET", f"{ADDRESS}/websocket?name={name}", user="ann")
    assert verdict(site, websocket=name)["handshake"] is None


def test_what_is_old_is_forgotten(site):
    first, second = (verdict(site)["probes"]["websocket"] for _ in range(2))
    site.ask("GET", first, user="ann")
    name = first.partition("name=")[2]
    os.utime(site.manager.root / ".selftest" / name, (0, 0))
    site.ask("GET", second, user="ann")
    assert verdict(site, websocket=name)["handshake"] is None


@pytest.mark.parametrize("seen", ["[]", "1", "x", "%7B"])
def test_what_cannot_be_read_is_refused_in_words(site, seen):
    answer = site.ask("GET", f"{ADDRESS}?seen={seen}", JSON, user="ann")
    assert (answer.status, "must be a JSON object" in answer.text) == (400, True)


def test_the_page_sends_as_many_bytes_as_the_site_expects(site):
    assert verdict(site)["upload_bytes"] == UPLOAD_BYTES


def test_losing_the_permission_ends_the_websocket_too(site):
    connection = connect(site, verdict(site)["probes"]["websocket"])
    site.policy.disabled.add("ann")
    try:
        connection.settimeout(6)
        with pytest.raises((websocket.WebSocketConnectionClosedException, ConnectionError)):
            connection.recv()
    finally:
        site.policy.disabled.clear()


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "notebook-echo"]


def test_nothing_stays_when_a_websocket_is_closed(site):
    connection = connect(site, verdict(site)["probes"]["websocket"])
    assert threads()
    connection.shutdown()
    wait_until(lambda: not threads(), "the thread has ended")


@given(st.binary(max_size=300))
@settings(max_examples=60)
def test_whatever_comes_instead_of_a_websocket_ends_it(data):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(5)
        theirs.settimeout(5)
        ours.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n" * data.startswith(b"\x00") + data)
        ours.shutdown(socket.SHUT_WR)
        try:
            echo.speak(theirs)
        except (echo.ProtocolError, OSError):
            return
