import os
import socket

import pytest
import websocket
from pyramid.request import Request

from pyramid_notebook.errors import UpstreamGone, UpstreamTimeout, WebSocketUnsupported
from pyramid_notebook.proxy.adaptors import check, find
from pyramid_notebook.proxy.headers import is_upgrade
from pyramid_notebook.proxy.relay import Relay
from pyramid_notebook.proxy.websocket import serve_websocket
from pyramid_notebook.record import SECRET_HEADER

from .conftest import running_site, until
from .upstreams import BASE, SECRET, ScriptedUpstream, TornadoUpstream, passage_of, record_at

HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "keep-alive, Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}


def connect(site, path="socket", **options):
    return websocket.create_connection(f"ws://127.0.0.1:{site.port}{BASE}{path}", timeout=10, **options)


def handshake(path):
    lines = [f"GET {BASE}{path} HTTP/1.1", "Host: x", *(f"{name}: {value}" for name, value in HANDSHAKE.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def never(environ):
    raise AssertionError("the client's socket must not be taken")


@pytest.mark.parametrize("tcp", [False, True], ids=["unix socket", "loopback port"])
def test_text_binary_and_large_messages_pass_both_ways(folder, tcp):
    upstream = TornadoUpstream(folder, tcp=tcp)
    with running_site(upstream.record) as site:
        client = connect(site)
        for message in ("text é", "x" * (1 << 20)):
            client.send(message)
            assert client.recv() == message
        data = os.urandom(1 << 20)
        client.send_binary(data)
        assert client.recv() == data
        client.close()
        until(lambda: site.facts()["pairs"] == 0)
    upstream.close()


def test_the_user_server_chooses_the_subprotocol(site):
    client = connect(site, subprotocols=["v1.kernel.websocket.jupyter.org", "other"])
    assert client.getsubprotocol() == "other"
    client.close()


def test_a_message_that_comes_with_the_handshake_answer_is_not_lost(site):
    client = connect(site, "socket?greet=1")
    assert client.recv() == "hello at once"
    client.close()


def test_what_comes_in_one_packet_with_the_101_reaches_the_client(folder):
    def speak(server, connection, number):
        server.read_head(connection)
        head = b"HTTP/1.1 101 Go\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSet-Cookie: s=1; Path=/\r\n"
        accept = b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
        connection.sendall(head + accept + b"\x81\x05first")
        connection.recv(1)

    upstream = ScriptedUpstream(folder, speak)
    with running_site(upstream.record) as site, socket.create_connection(("127.0.0.1", site.port)) as client:
        client.sendall(handshake("x%2Fy?z=%20"))
        client.settimeout(10)
        received = b""
        while not received.endswith(b"\x81\x05first"):
            received += client.recv(1000)
    assert received.startswith(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
    assert b"Set-Cookie" not in received
    assert upstream.requests[0].startswith(f"GET {BASE}x%2Fy?z=%20 HTTP/1.1\r\n".encode())
    upstream.close()


def test_the_handshake_carries_the_secret_and_no_credentials_of_the_site(site, upstream):
    upstream.opened.clear()
    credentials = {"Authorization": "Bearer t"}
    connect(site, cookie="session=s; _xsrf=x", origin="http://site.example", header=credentials).close()
    until(lambda: upstream.opened)
    seen = upstream.opened[0]
    assert (seen[SECRET_HEADER], seen["Cookie"], seen["Origin"]) == (SECRET, "_xsrf=x", "http://site.example")
    assert "Authorization" not in seen


def test_a_refusal_keeps_its_status_reason_and_body(site):
    answer = site.ask("GET", BASE + "no-socket", headers=HANDSHAKE.items())
    assert (answer.status, answer.reason, answer.content) == (403, "Not you", b"the reason is in the body")


def test_the_clients_socket_is_not_touched_unless_the_user_server_agrees(upstream, folder):
    request = Request.blank(BASE + "no-socket", headers=HANDSHAKE)
    passage = passage_of(request)
    assert serve_websocket(request, upstream.record, Relay(), passage=passage, adaptor=never).status_code == 403
    with pytest.raises(UpstreamGone):
        serve_websocket(request, record_at(path=str(folder / "none")), Relay(), passage=passage, adaptor=never)
    request = Request.blank(BASE + "silent", headers=HANDSHAKE)
    with pytest.raises(UpstreamTimeout):
        serve_websocket(request, upstream.record, Relay(), passage=passage_of(request), adaptor=never, timeout=0.2)
    upstream.blocks.put(None)


def test_a_web_server_without_an_adaptor_is_refused_before_anything_is_dialled(upstream):
    upstream.opened.clear()
    request = Request.blank(BASE + "socket", headers=HANDSHAKE, environ={"SERVER_SOFTWARE": "strange/1.0"})
    with pytest.raises(WebSocketUnsupported, match=r"strange/1\.0 gives no way.*one of: .*waitress"):
        serve_websocket(request, upstream.record, Relay(), passage=passage_of(request))
    assert upstream.opened == []


def test_an_adaptor_is_found_by_its_dotted_name_and_a_wrong_one_is_told():
    assert find({}, "pyramid_notebook.proxy.waitress.take_over").__module__ == "pyramid_notebook.proxy.waitress"
    with pytest.raises(WebSocketUnsupported, match=r"websocket_proxy = 'no\.such'"):
        find({}, "no.such")


@pytest.mark.parametrize(
    ("method", "upgrade", "connection", "expected"),
    [
        ("GET", "websocket", "Upgrade", True),
        ("GET", "WebSocket", "keep-alive, upgrade", True),
        ("POST", "websocket", "Upgrade", False),
        ("GET", "h2c", "Upgrade", False),
        ("GET", "websocket", "close", False),
        ("GET", "websockets", "upgrade", False),
        ("GET", "", "", False),
    ],
)
def test_only_a_get_that_asks_for_a_websocket_is_an_upgrade(method, upgrade, connection, expected):
    request = Request.blank("/", method=method, headers={"Upgrade": upgrade, "Connection": connection})
    assert is_upgrade(request.environ) is expected


@pytest.mark.parametrize("early", [b"\x81\x85", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_a_client_that_does_not_wait_for_the_answer_is_refused(site, early):
    with socket.create_connection(("127.0.0.1", site.port)) as client:
        client.sendall(handshake("socket") + early)
        client.settimeout(10)
        assert client.recv(1000).startswith(b"HTTP/1.1 400")


def test_closing_an_owners_sockets_ends_them_on_both_sides(site):
    clients = [connect(site) for _ in range(3)]
    assert site.facts()["pairs"] == 3
    assert site.ask("GET", "/-/close").content == b"3"
    for client in clients:
        with pytest.raises((websocket.WebSocketException, OSError)):
            client.recv()
        client.close()
    assert site.facts()["pairs"] == 0


def test_a_thousand_sockets_leave_no_descriptor_and_no_word_in_the_log(upstream):
    with running_site(upstream.record) as site:
        for _ in range(20):
            connect(site).close()
        until(lambda: site.facts()["pairs"] == 0)
        before = site.facts()["descriptors"]
        for number in range(1000):
            client = connect(site)
            client.send("x")
            assert client.recv() == "x"
            if number % 2:
                client.close()
            else:
                client.shutdown()
        until(lambda: site.facts()["pairs"] == 0)
        until(lambda: site.facts()["descriptors"] <= before)
        # on a busy machine a request waits for a thread, of which waitress tells
        assert [line for line in site.log().splitlines() if "waitress.queue" not in line] == []


def test_a_thousand_open_sockets_do_not_hinder_requests(upstream):
    with running_site(upstream.record) as site:
        clients = [connect(site) for _ in range(1000)]
        assert site.ask("GET", BASE + "echo").status == 200
        for client in clients[::100]:
            client.send("still here")
            assert client.recv() == "still here"
        for client in clients:
            client.shutdown()
        until(lambda: site.facts()["pairs"] == 0)


def test_the_start_tells_of_a_web_server_without_an_adaptor() -> None:
    with pytest.raises(WebSocketUnsupported, match=r"strange/1\.0 gives no way"):
        check({"SERVER_SOFTWARE": "strange/1.0"})


def test_the_start_rehearses_with_the_server_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyramid_notebook.proxy.waitress._rehearse", lambda: "it keeps hold of sockets")
    with pytest.raises(WebSocketUnsupported, match="keeps hold of sockets"):
        check({"waitress.client_disconnected": None})
