"""What the adaptors of gunicorn and uWSGI have in common, with real servers; tests/servers has more."""

import os
import signal
import socket
from contextlib import suppress
from http.client import HTTPException

import psutil
import pytest
from websockets.exceptions import ConnectionClosed

from pyramid_notebook.errors import WebSocketUnsupported
from pyramid_notebook.proxy import adaptors
from tests.servers.client import HANDSHAKE, ask, connected, websocket
from tests.servers.user_servers import until, user_server
from tests.servers.ways import serving

MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def alice():
    with user_server() as server:
        yield server


@pytest.fixture(scope="module", params=["gunicorn", "uwsgi"])
def served(request, alice):
    with serving(request.param, alice) as running:
        ask(running, "GET", "echo")
        with websocket(running, "socket"):  # tests count descriptors: those that stay from the first on are there now
            pass
        until(lambda: running.facts()["pairs"] == 0, "it is closed")
        yield running


def test_text_binary_and_a_large_message_pass_both_ways(served):
    with websocket(served, "socket") as client:
        for message in ("text é", os.urandom(MEGABYTE), "x" * MEGABYTE, b""):
            client.send(message)
            assert client.recv(10) == message


def test_the_user_server_chooses_the_subprotocol(served):
    with websocket(served, "socket", subprotocols=["v1.kernel.websocket.jupyter.org", "other"]) as client:
        assert client.subprotocol == "other"


def test_what_comes_with_the_answer_to_the_handshake_is_not_lost(served):
    with websocket(served, "socket?greet") as client:
        assert client.recv(10) == "hello at once"


def test_a_refused_handshake_keeps_its_status_words_and_body(served, alice):
    path = alice.answer("HTTP/1.1 403 Not you\nContent-Length: 6\nX-Why: so", b"reason")
    answer = ask(served, "GET", path, HANDSHAKE)
    assert (answer.status, answer.reason, answer.body, answer.one("X-Why")) == (403, "Not you", b"reason", "so")


def test_a_handshake_with_a_body_is_refused(served):
    answer = ask(served, "GET", "socket", HANDSHAKE, b"body")
    assert answer.status == 400


def test_more_websockets_than_gunicorn_counts_leave_no_descriptor(served):
    number = 2100 if served.way == "gunicorn" else 1000  # worker_connections is 2000
    before = served.facts()["descriptors"]
    for index in range(number):
        with websocket(served, "socket") as client:
            client.send("x")
            assert client.recv(10) == "x"
            if index % 2:
                client.socket.shutdown(socket.SHUT_RDWR)
    until(lambda: served.facts()["pairs"] == 0, "the last websocket is closed")
    until(lambda: served.facts()["descriptors"] <= before + 2, "all descriptors are closed")
    assert "Traceback" not in served.log()


def test_a_client_that_does_not_read_is_hung_up_on_when_it_may_pass_no_more(served, alice):
    size = 256 * MEGABYTE
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size
    path = alice.script(("send", head), ("blocks", MEGABYTE, 256))
    before = served.facts()["descriptors"]
    with connected(served, receive_buffer=4096) as client:
        client.ask("GET", path)
        alice.until(path, lambda known: known["sent"], "the answer is on its way")
        try:
            served.disable("alice")
            alice.until(path, lambda known: known["done"], "nobody waits for the client any more")
        finally:
            (served.folder / "disabled" / "alice").unlink()
        assert len(client.rest()) < size
    until(lambda: served.facts()["descriptors"] <= before, "all descriptors are closed")


@pytest.mark.parametrize("way", ["gunicorn", "uwsgi"])
def test_a_reload_ends_websockets_and_new_ones_are_served_by_new_workers(alice, way):
    with serving(way, alice) as served, websocket(served, "socket") as client:
        client.send("x")
        assert client.recv(10) == "x"
        old = served.facts()["pid"]
        # uWSGI's master starts itself anew, which that of the wheel cannot do in a virtual environment
        os.kill(served.process.pid if way == "gunicorn" else old, signal.SIGHUP)
        with pytest.raises(ConnectionClosed):
            client.recv(20)
        until(lambda: worker_of(served) not in (None, old), "a new worker answers", seconds=10)
        with websocket(served, "socket") as another:
            another.send("y")
            assert another.recv(10) == "y"
        assert "Fatal Python error" not in served.log()


def worker_of(served):
    """Return who answers; a worker of uWSGI that ends hangs up on those whose request it has not begun to read."""
    with suppress(OSError, HTTPException):
        return served.facts()["pid"]
    return None


@pytest.mark.parametrize("way", ["gunicorn", "uwsgi"])
def test_a_server_that_is_told_to_end_does_so_with_websockets_open(alice, way):
    with serving(way, alice) as served, websocket(served, "socket") as client:
        pids = served.pids()
        served.process.send_signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosed):
            client.recv(20)
        served.process.wait(10)
        until(lambda: not any(map(psutil.pid_exists, pids)), "all its processes have ended")


def test_a_web_server_without_an_adaptor_is_told_which_have_one():
    with pytest.raises(WebSocketUnsupported, match=r"on one of: waitress, gunicorn, uWSGI, uvicorn;"):
        adaptors.find({})


#: In a process of its own: in that of the tests, what others have left in threads comes and goes.
TAKEN = """
import os, socket, sys
import psutil
from pyramid_notebook.proxy.descriptors import take
before = psutil.Process().num_fds()
browser, accepted = socket.socketpair()
with browser, accepted:
    taken = take(accepted.fileno(), early=b"early", swallows=sys.argv[1] == "swallows")
    with taken.socket:
        try:
            os.write(accepted.fileno(), b"theirs")
        except BrokenPipeError:
            print("EPIPE")
        accepted.close()
        taken.socket.sendall(b"ours")
    print(browser.recv(100), browser.recv(100), taken.early)
print(psutil.Process().num_fds() - before)
"""
NOT_TAKEN = """
import os, socket
import psutil
from pyramid_notebook.proxy.descriptors import take
def fail(*_arguments, **_options):
    raise OSError("no room")
os.dup2 = fail
browser, accepted = socket.socketpair()
with browser, accepted:
    before = psutil.Process().num_fds()
    try:
        take(accepted.fileno())
    except OSError as error:
        print(error, psutil.Process().num_fds() - before)
    accepted.sendall(b"theirs")
    print(browser.recv(100))
"""


@pytest.mark.parametrize(("dead_end", "told"), [("swallows", ""), ("refuses", "EPIPE\n")])
def test_a_connection_that_was_taken_is_ours_alone(run_python, dead_end, told):
    done = run_python(TAKEN, dead_end)
    assert (done.returncode, done.stdout) == (0, f"{told}b'ours' b'' b'early'\n0\n"), done.stderr


def test_a_connection_that_cannot_be_taken_leaves_no_descriptor(run_python):
    done = run_python(NOT_TAKEN)
    assert (done.returncode, done.stdout) == (0, "no room 0\nb'theirs'\n"), done.stderr
