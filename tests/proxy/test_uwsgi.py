import socket
import sys
from types import SimpleNamespace

import pytest
from pyramid.httpexceptions import HTTPBadRequest
from websockets.frames import Frame, Opcode

from pyramid_notebook.errors import WebSocketUnsupported
from pyramid_notebook.proxy import adaptors
from pyramid_notebook.proxy import uwsgi as adaptor
from tests.servers.client import HANDSHAKE, connected
from tests.servers.user_servers import user_server
from tests.servers.ways import serving


@pytest.fixture(scope="module")
def alice():
    with user_server() as server:
        yield server


@pytest.fixture(scope="module")
def served(alice):
    with serving("uwsgi", alice, websocket_proxy="pyramid_notebook.uwsgi.serve_websocket") as running:
        yield running


@pytest.fixture
def uwsgi(monkeypatch):
    """The module that uWSGI has in its processes, and a connection of it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        accepted, _address = listener.accept()
        with client, accepted:
            server = SimpleNamespace(
                has_threads=1,
                loop=None,
                opt={"http-socket": f"127.0.0.1:{listener.getsockname()[1]}".encode(), "threads": b"8"},
                buffer_size=4096,
                connection_fd=accepted.fileno,
                chunked_read=lambda: b"",
                chunked_read_nb=lambda: None,
                client=client,
                port=listener.getsockname()[1],
            )
            monkeypatch.setitem(sys.modules, "uwsgi", server)
            yield server


@pytest.mark.parametrize(
    "early",
    [Frame(Opcode.TEXT, b"x").serialize(mask=True), b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"],
    ids=["a frame", "a request"],
)
def test_a_client_that_does_not_wait_for_the_answer_is_refused(served, early):
    with connected(served) as client:
        fields = "".join(f"{name}: {value}\r\n" for name, value in [*served.headers.items(), *HANDSHAKE])
        host = f"127.0.0.1:{served.port}"
        client.send(f"GET {served.base}socket HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n".encode() + early)
        assert client.rest().startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("chunks", [b"!\r\n", b"5;a=b\r\nhello\r\n0\r\n\r\n", b"-1\r\nhello\r\n0\r\n\r\n"])
def test_a_chunk_that_uwsgi_does_not_understand_is_refused(served, chunks):
    with connected(served) as client:
        client.ask("PUT", "echo", [("Transfer-Encoding", "chunked")])
        client.send(chunks)
        assert client.rest().startswith(b"HTTP/1.1 400 ")


def test_a_body_with_two_lengths_is_refused(served, alice):
    with connected(served) as client:
        client.ask("PUT", "echo/both", [("Transfer-Encoding", "chunked"), ("Content-Length", "5")])
        client.send(b"5\r\nhello\r\n0\r\n\r\n")
        assert client.rest().startswith(b"HTTP/1.1 400 ")
    assert not alice.seen("echo/both")


def test_another_transfer_coding_is_refused(served, alice):
    with connected(served) as client:
        client.ask("PUT", "echo/coded", [("Transfer-Encoding", "gzip, chunked")])
        client.send(b"5\r\nhello\r\n0\r\n\r\n")
        assert client.rest().startswith(b"HTTP/1.1 501 ")
    assert not alice.seen("echo/coded")


def test_who_may_not_pass_is_not_asked_to_send_the_body(served):
    with connected(served) as client:
        client.ask("PUT", "echo", [("Content-Length", "5"), ("Expect", "100-continue")], user="-")
        assert client.begin().status in (401, 403)


def test_an_answer_without_a_length_that_breaks_off_ends_with_a_reset(served, alice):
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n"
    path = alice.script(("send", head), ("hold",), ("close",))
    with connected(served) as client:
        client.ask("GET", path)
        response = client.begin()
        assert response.read1(5) == b"first"
        alice.go_on(path)
        with pytest.raises(ConnectionResetError):
            response.read()


def test_the_documented_name_leads_to_the_adaptor():
    found = adaptors.find({}, "pyramid_notebook.uwsgi.serve_websocket")
    assert found is adaptor.take_over
    assert adaptors.find({"uwsgi.version": b"2"}) is found


def test_a_process_that_is_not_of_uwsgi_is_told_so_at_the_start():
    with pytest.raises(WebSocketUnsupported, match="not one of uWSGI's"):
        adaptors.check({"waitress.client_disconnected": None}, "pyramid_notebook.uwsgi.serve_websocket")


def test_a_uwsgi_that_has_what_is_needed_passes_the_check(uwsgi, caplog):
    adaptor.check()
    assert caplog.text == ""


@pytest.mark.parametrize("name", ["connection_fd", "chunked_read", "opt"])
def test_a_uwsgi_that_lacks_something_fails_the_check(uwsgi, name):
    delattr(uwsgi, name)
    with pytest.raises(WebSocketUnsupported, match=f"installed uWSGI .* no {name}"):
        adaptor.check()


@pytest.mark.parametrize("change", [{"has_threads": 0}, {"loop": b"gevent"}])
def test_a_uwsgi_without_threads_is_refused(uwsgi, change):
    vars(uwsgi).update(change)
    for refused in (adaptor.check, lambda: adaptor.take_over({})):
        with pytest.raises(WebSocketUnsupported, match="uWSGI with threads"):
            refused()


def test_uwsgis_own_router_is_warned_of_once(uwsgi, caplog):
    adaptor._warn_of_router.cache_clear()
    uwsgi.opt["http"] = b":8080"
    adaptor.check()
    adaptor.check()
    assert [record.getMessage().partition(",")[0] for record in caplog.records] == ["Use http-socket"]


def test_tls_that_ends_in_uwsgi_is_refused(uwsgi):
    uwsgi.opt = {"https-socket": [f"127.0.0.1:{uwsgi.port},cert.pem,key.pem".encode()]}
    with pytest.raises(WebSocketUnsupported, match="uWSGI ends TLS itself"):
        adaptor.take_over({})


def test_only_a_client_of_http_is_invited_to_send_its_body(uwsgi):
    environ = {"wsgi.input": None, "HTTP_TRANSFER_ENCODING": "chunked"}
    adaptor.handle_of(environ).invite()
    assert uwsgi.client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    with pytest.raises(HTTPBadRequest):
        adaptor.handle_of({**environ, "CONTENT_LENGTH": "5"})
    uwsgi.opt = {"socket": uwsgi.opt["http-socket"]}
    assert adaptor.handle_of({**environ, "CONTENT_LENGTH": "5"}).invite is None


def test_hanging_up_resets_the_connection(uwsgi):
    adaptor.handle_of({"wsgi.input": None}).hang_up()
    assert uwsgi.client.recv(100) == b""


def test_a_body_that_uwsgi_has_read_already_is_not_waited_for(uwsgi):
    body = type("_Input", (), {"__module__": "uwsgi"})()
    assert adaptor.handle_of({"wsgi.input": body}).read is not None
    uwsgi.opt["post-buffering"] = b"1"
    assert adaptor.handle_of({"wsgi.input": body}).read is None
