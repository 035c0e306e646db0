import socket
import ssl
from io import BytesIO

import pytest
from gunicorn.workers.gthread import ThreadWorker
from pyramid.httpexceptions import HTTPBadRequest
from websockets.frames import Frame, Opcode

from pyramid_notebook.errors import WebSocketUnsupported
from pyramid_notebook.proxy import adaptors
from pyramid_notebook.proxy import gunicorn as adaptor
from tests.servers.client import HANDSHAKE, connected
from tests.servers.user_servers import user_server
from tests.servers.ways import serving


@pytest.fixture(scope="module")
def alice():
    with user_server() as server:
        yield server


@pytest.fixture(scope="module")
def served(alice):
    with serving("gunicorn", alice) as running:
        yield running


def test_the_installed_gunicorn_passes_the_start_up_check():
    adaptors.check({"gunicorn.socket": None})


#: In a process of its own: in that of the tests, what others have left in threads comes and goes.
CHECK = """
import psutil
from pyramid_notebook.proxy import gunicorn
gunicorn.check()
before = psutil.Process().num_fds()
gunicorn.check()
print(psutil.Process().num_fds() - before)
"""


def test_the_check_leaves_no_descriptor_behind(run_python):
    done = run_python(CHECK)
    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr


def test_a_gunicorn_that_keeps_counting_a_connection_fails_the_check(monkeypatch):
    monkeypatch.setattr(ThreadWorker, "finish_request", lambda self, *_about: None)
    with pytest.raises(WebSocketUnsupported, match=r"installed gunicorn .* keeps hold of sockets"):
        adaptor.check()


def test_a_gunicorn_that_hides_what_it_has_read_fails_the_check(monkeypatch):
    monkeypatch.setattr(adaptor, "_read_ahead", lambda _body: b"")
    with pytest.raises(WebSocketUnsupported, match=r"installed gunicorn .* came with the handshake"):
        adaptor.check()


def test_a_gunicorn_without_its_worker_fails_the_check(monkeypatch):
    monkeypatch.delattr(ThreadWorker, "handle")
    with pytest.raises(WebSocketUnsupported, match=r"installed gunicorn .*handle"):
        adaptor.check()


def test_a_client_that_does_not_wait_for_the_answer_loses_nothing(served):
    frame = Frame(Opcode.TEXT, b"early").serialize(mask=True)
    with connected(served) as client:
        fields = "".join(f"{name}: {value}\r\n" for name, value in [*served.headers.items(), *HANDSHAKE])
        host = f"127.0.0.1:{served.port}"
        client.send(f"GET {served.base}socket HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n".encode() + frame)
        received = b""
        while not received.endswith(b"\x81\x05early"):
            block = client.socket.recv(1000)
            assert block, received
            received += block
        assert received.startswith(b"HTTP/1.1 101 ")


@pytest.mark.parametrize("chunks", [b"x\r\n", b"5\r\nhello!!\r\n0\r\n\r\n", b"5\r\nhello\r\n0\r\nNo colon\r\n\r\n"])
def test_a_broken_chunk_is_refused_and_the_next_request_is_not_looked_for_in_it(served, alice, chunks):
    before = alice.facts()["requests"]
    with connected(served) as client:
        client.ask("PUT", "echo", [("Transfer-Encoding", "chunked")])
        client.send(chunks + f"GET {served.base}echo/smuggled HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        received = client.rest()
    assert received.startswith(b"HTTP/1.1 400 ")
    assert received.count(b"HTTP/1.1 ") == 1
    assert alice.facts()["requests"] <= before + 1
    assert not alice.seen("echo/smuggled")


def test_what_is_left_of_a_chunked_body_is_not_taken_for_the_next_request(served, alice):
    head = b"HTTP/1.1 413 Enough\r\nContent-Length: 4\r\nConnection: close\r\n\r\n"
    path = alice.script(("send", head + b"stop"), ("close",))
    smuggled = f"GET {served.base}echo/hidden HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    with connected(served) as client:
        client.ask("PUT", path, [("Transfer-Encoding", "chunked")])
        client.send(b"%x\r\n%s\r\n" % (len(smuggled), smuggled) * 50 + b"0\r\n\r\n")
        assert client.answer().status == 413
        client.ask("GET", "echo/after", [("Connection", "close")])
        client.rest()
    assert not alice.seen("echo/hidden")


def test_tls_that_ends_in_gunicorn_is_refused():
    plain, other = socket.socketpair()
    with other, tls(plain) as connection, pytest.raises(WebSocketUnsupported, match="gunicorn ends TLS itself"):
        adaptor.take_over({"gunicorn.socket": connection})


def tls(connection):
    return ssl.create_default_context().wrap_socket(connection, server_hostname="x", do_handshake_on_connect=False)


def test_workers_with_sockets_of_their_own_are_refused():
    with pytest.raises(WebSocketUnsupported, match="--worker-class gthread"):
        adaptor.take_over({"gunicorn.socket": object()})


def test_a_handshake_of_another_version_of_http_is_refused():
    near, far = socket.socketpair()
    with near, far, pytest.raises(HTTPBadRequest):
        adaptor.take_over({"gunicorn.socket": near, "SERVER_PROTOCOL": "HTTP/2.0"})


def test_a_body_that_the_site_has_put_in_place_of_gunicorns_is_no_obstacle():
    near, far = socket.socketpair()
    with near, far:
        environ = {"gunicorn.socket": near, "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.input": BytesIO()}
        handle = adaptor.handle_of(environ)
        assert (handle.read, handle.chunks) == (None, None)
        with adaptor.take_over(environ).socket as client:
            client.sendall(b"ours")
        assert far.recv(100) == b"ours"


def test_hanging_up_on_tls_sends_nothing_in_plain_text():
    plain, other = socket.socketpair()
    with other, tls(plain) as connection:
        adaptor.handle_of({"gunicorn.socket": connection, "wsgi.input": None}).hang_up()
        assert connection._sslobj is not None
        assert other.recv(100) == b""
