"""What a user server answers at the addresses of the channel, and what of it reaches a kernel."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator

import pytest
import websocket

from pyramid_notebook.channel.display import STATIC, version
from pyramid_notebook.channel.hub import Hub
from pyramid_notebook.channel.protocol import VERSION
from pyramid_notebook.proxy.connection import dial
from pyramid_notebook.record import SECRET_HEADER, TOKEN_HEADER
from tests.running import wait_until

from .listening import (
    HANDSHAKE,
    ORIGIN,
    SECONDS,
    Speak,
    answer_of,
    answering,
    ask,
    chunked,
    echo,
    listening,
    page,
    switch,
    taken,
)
from .user_server import Way, way_to_a_kernel

NOBODY = "11111111-2222-4333-8444-555555555555"


@pytest.fixture(scope="module")
def way() -> Iterator[Way]:
    with way_to_a_kernel() as running:
        yield running


def answer(way: Way, path: str, fields: dict[str, str | list[str]], method: str = "GET", body: bytes = b"", **options):
    """Return status, header fields and text of an answer."""
    with ask(way.server, method, path, fields, body, **options) as connection:
        got = answer_of(connection, method)
        return got.status, got.headers, "" if got.status == 101 else got.read().decode()


def handshake(way: Way, **changed: str | list[str] | None) -> dict[str, str | list[str]]:
    """Return the fields of a page's handshake, with some of them changed or, for None, left out."""
    fields = {**page(way.server), **HANDSHAKE, **{name.replace("_", "-"): value for name, value in changed.items()}}
    return {name: value for name, value in fields.items() if value is not None}


def test_a_handshake_of_a_page_is_let_through(way):
    with way.listening(echo) as kernel:
        status, headers, _ = answer(way, way.socket, handshake(way))
    assert status == 101
    assert sorted(headers.items()) == [
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),  # RFC 6455 section 1.3
        ("Upgrade", "websocket"),
    ]
    assert kernel.connections == 1


def test_a_page_and_the_hub_of_a_kernel_find_each_other(way):
    hub = Hub(way.kernel, way.path)
    hub.start()
    client = websocket.WebSocket()
    try:
        address = f"ws://localhost{way.server.record.base_url}{way.socket}"
        secret = {SECRET_HEADER: way.server.record.secret}
        client.connect(address, socket=dial(way.server.record, SECONDS), header=secret, origin=ORIGIN)
        client.send(json.dumps({"type": "hello", "version": VERSION, "page": "one", "title": "A page"}))
        welcome = json.loads(client.recv())
        assert (welcome["type"], welcome["kernel"]) == ("welcome", way.kernel)
    finally:
        client.close()
        hub.stop()


REFUSED = {
    "without the door's secret": (403, {SECRET_HEADER: None}),
    "with another secret": (403, {SECRET_HEADER: "guess"}),
    "with a token": (403, {TOKEN_HEADER: "a-token"}),
    "without an origin": (403, {"Origin": None}),
    "with an empty origin": (403, {"Origin": ""}),
    "of the origin null": (403, {"Origin": "null"}),
    "of a foreign origin": (403, {"Origin": "https://evil.example"}),
    "of another port": (403, {"Origin": f"{ORIGIN}:8888"}),
    "of a look-alike": (403, {"Origin": f"{ORIGIN}.evil.example"}),
    "of another scheme": (403, {"Origin": "ws://localhost"}),
    "of two origins": (403, {"Origin": [ORIGIN, ORIGIN]}),
    "of a list of origins": (403, {"Origin": f"{ORIGIN}, {ORIGIN}"}),
    "for another host": (403, {"Host": "evil.example"}),
    "that wants no websocket": (426, {"Upgrade": None}),
    "for another protocol": (426, {"Upgrade": "websockets"}),
    "for two protocols": (426, {"Upgrade": "h2c, websocket"}),
    "that wants no switch": (426, {"Connection": "keep-alive"}),
    "of another version": (426, {"Sec-WebSocket-Version": "8"}),
    "without a key": (400, {"Sec-WebSocket-Key": None}),
    "with two keys": (400, {"Sec-WebSocket-Key": [HANDSHAKE["Sec-WebSocket-Key"]] * 2}),
    "with a short key": (400, {"Sec-WebSocket-Key": "dGhlIHNhbXBsZQ=="}),
}


@pytest.mark.parametrize(("status", "changed"), REFUSED.values(), ids=REFUSED)
def test_a_handshake_that_is_refused_leaves_no_trace_in_the_kernel(way, status, changed):
    with way.listening(echo) as kernel:
        got, headers, text = answer(way, way.socket, handshake(way, **changed))
    assert got == status
    assert text.endswith(".\n")
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    if status == 426:
        assert (headers["Upgrade"], headers["Sec-WebSocket-Version"]) == ("websocket", "13")
    assert kernel.connections == 0


BODIES = {
    "a body": ({"Content-Length": "5"}, b"hello"),
    "chunks": ({"Transfer-Encoding": "chunked"}, b"5\r\nhello\r\n0\r\n\r\n"),
}


@pytest.mark.parametrize(("fields", "body"), BODIES.values(), ids=BODIES)
def test_a_handshake_with_a_body_is_refused(way, fields, body):
    with way.listening(echo) as kernel:
        status, _, text = answer(way, way.socket, handshake(way, **fields), body=body)
    assert (status, text) == (400, "The handshake of a websocket is a request of HTTP/1.1 without a body.\n")
    assert kernel.connections == 0


def test_a_handshake_of_http_1_0_is_refused(way):
    with way.listening(echo) as kernel:
        assert answer(way, way.socket, handshake(way), version="1.0")[0] in (400, 426)
    assert kernel.connections == 0


def test_nothing_of_the_pages_request_reaches_the_kernel_but_the_key_of_its_handshake(way):
    more = {"Authorization": "Bearer x", "User-Agent": "browser", "Sec-WebSocket-Extensions": "permessage-deflate",
            "Sec-WebSocket-Protocol": "a", "X-Forwarded-For": "192.0.2.1", "Referer": ORIGIN}  # fmt: skip
    with way.listening(echo) as kernel:
        assert answer(way, f"{way.socket}?token=x", handshake(way, **more))[0] == 101
    assert kernel.heads[0].startswith(b"GET /socket HTTP/1.1\r\n")
    assert kernel.fields() == {"Host": "kernel", **HANDSHAKE}


def test_nothing_of_the_pages_request_for_a_stream_reaches_the_kernel_but_its_ticket(way):
    with way.listening(answering(chunked(b"abc"))) as kernel:
        status, _, text = answer(way, f"{way.stream}?a=b", {**page(way.server), "Range": "bytes=0-1", "X-A": "b"})
    assert (status, text) == (200, "abc")
    assert kernel.heads[0].startswith(b"GET /streams/ticket-1 HTTP/1.1\r\n")
    assert kernel.fields() == {"Host": "kernel", "Connection": "close"}


SAID = (
    "Set-Cookie: session=stolen\r\nX-Of-The-Kernel: 1\r\nAccess-Control-Allow-Origin: *\r\nContent-Type: text/html\r\n"
)


def test_a_kernel_sets_no_cookie_and_no_other_field_of_the_answer_to_a_handshake(way):
    def speak(connection: socket.socket, head: bytes) -> None:
        connection.sendall(switch(head, f"{SAID}Sec-WebSocket-Protocol: a\r\n"))
        connection.recv(1)

    with way.listening(speak):
        status, headers, _ = answer(way, way.socket, handshake(way))
    assert status == 101
    assert sorted(headers.keys()) == ["Connection", "Sec-WebSocket-Accept", "Upgrade"]


def test_a_kernel_sets_no_cookie_and_no_other_field_of_the_answer_with_a_stream(way):
    speak = answering(chunked(b"ok", head=f"HTTP/1.1 200 Mine\r\n{SAID}".rstrip()))
    with way.listening(speak), ask(way.server, "GET", way.stream, page(way.server)) as connection:
        got = answer_of(connection)
        assert (got.status, got.reason, got.read()) == (200, "OK", b"ok")
    assert got.headers["Content-Type"] == "application/octet-stream"
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    assert got.headers["Cache-Control"] == "no-store"
    assert not {"Set-Cookie", "X-Of-The-Kernel", "Access-Control-Allow-Origin"}.intersection(got.headers)


@pytest.mark.parametrize("kernel", [NOBODY, "k1", "a" * 36, NOBODY.upper(), f"{NOBODY}0", "%2e%2e", "..", ""])
@pytest.mark.parametrize("rest", ["socket", "streams/ticket-1"])
def test_a_kernel_that_the_user_does_not_have_is_404(way, kernel, rest):
    assert answer(way, f"channel/{kernel}/{rest}", handshake(way))[0] == 404


def test_a_kernel_that_listens_but_was_shut_down_is_404(way):
    other = Way(way.server, way.server.request("POST", "api/kernels", {"name": "python3"})["id"])
    way.server.request("DELETE", f"api/kernels/{other.kernel}")
    with other.listening(echo) as kernel:
        status, _, text = answer(way, other.socket, handshake(way))
    assert (status, text) == (404, "There is no such kernel; it was shut down.\n")
    assert kernel.connections == 0


def check_unavailable(way: Way) -> None:
    for path in (way.socket, way.stream):
        status, _, text = answer(way, path, handshake(way))
        assert (status, text) == (503, "This kernel has no open channel. Run the cell that opens it again.\n")


def test_a_kernel_without_a_channel_is_503(way):
    check_unavailable(way)


def test_the_socket_of_a_kernel_that_died_is_503(way):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(way.path))
    try:
        for path in (way.socket, way.stream):
            assert answer(way, path, handshake(way))[0] == 503
    finally:
        way.path.unlink()


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_is_no_socket_is_not_dialled(way, kind, folder):
    target = folder / "elsewhere"
    with listening(target, echo) as kernel:
        {"file": way.path.touch, "folder": way.path.mkdir, "link": lambda: way.path.symlink_to(target)}[kind]()
        try:
            check_unavailable(way)
        finally:
            (way.path.rmdir if kind == "folder" else way.path.unlink)()
    assert kernel.connections == 0


def wrong_accept(connection: socket.socket, head: bytes) -> None:
    connection.sendall(switch(head.replace(b"dGhl", b"eGhl")))


FAULTS: dict[str, Speak] = {
    "garbage": answering(b"\x00\x01 hello\r\n\r\n"),
    "another protocol": answering(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "nothing": answering(b""),
    "half a head": answering(b"HTTP/1.1 101 Switching Protocols\r\nUpgr"),
    "a huge head": answering(b"HTTP/1.1 101 Switching Protocols\r\nX-Long: " + b"x" * 1_000_000),
    "a wait": answering(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "a redirect": answering(b"HTTP/1.1 302 Found\r\nLocation: https://evil.example/\r\nContent-Length: 0\r\n\r\n"),
    "an error": answering(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"),
}


@pytest.mark.parametrize("path", ["socket", "stream"])
@pytest.mark.parametrize("speak", FAULTS.values(), ids=FAULTS)
def test_a_kernel_that_answers_with_nonsense_is_503(way, speak, path):
    with way.listening(speak) as kernel:
        status, headers, text = answer(way, getattr(way, path), handshake(way))
        assert (status, headers["Location"]) == (503, None)
        assert text in (
            "The kernel does not let pages connect.\n",
            "This kernel has no open channel. Run the cell that opens it again.\n",
            "The kernel has no open channel. Run the cell that opens it again.\n",
        )
        wait_until(lambda: kernel.open == 0, "the kernel was hung up on")


@pytest.mark.parametrize(
    "speak", [answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), wrong_accept], ids=["200", "wrong accept"]
)
def test_a_kernel_that_does_not_agree_to_the_websocket_is_503(way, speak):
    with way.listening(speak):
        status, _, text = answer(way, way.socket, handshake(way))
    assert (status, text) == (503, "The kernel does not let pages connect.\n")


def test_a_kernel_that_does_not_answer_is_503_after_five_seconds(way):
    with way.listening(lambda connection, _head: connection.recv(1) and None) as kernel:
        assert answer(way, way.socket, handshake(way))[0] == 503
        wait_until(lambda: kernel.open == 0, "the kernel was hung up on")


@pytest.mark.parametrize("path", ["socket", "stream"])
def test_a_page_that_leaves_while_the_kernel_is_silent_takes_its_connection_along(way, path):
    with way.listening(lambda connection, _head: connection.recv(1) and None) as kernel:
        connection = ask(way.server, "GET", getattr(way, path), handshake(way))
        wait_until(lambda: kernel.heads, "the kernel was asked")
        connection.close()
        wait_until(lambda: kernel.open == 0, "the kernel was hung up on", seconds=3)


def test_a_page_that_leaves_a_stream_which_stands_still_takes_its_connection_along(way):
    def stand_still(connection: socket.socket, _head: bytes) -> None:
        connection.sendall(chunked(end=b""))
        with taken(connection) as (stream, _early):
            stream.sendall(b"3\r\nabc\r\n")
            stream.recv(1)

    with way.listening(stand_still) as kernel:
        connection = ask(way.server, "GET", way.stream, page(way.server))
        assert answer_of(connection).read1(3) == b"abc"
        connection.close()
        wait_until(lambda: kernel.open == 0, "the kernel was hung up on", seconds=3)


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_other_method_is_told_which_one_there_is_and_the_kernel_nothing(way, method):
    with way.listening(echo) as kernel:
        for path in (way.socket, way.stream):
            status, headers, text = answer(way, path, {**handshake(way), "Content-Length": "0"}, method)
            assert (status, headers["Allow"]) == (405, "GET")
            assert text == ("" if method == "HEAD" else "This address takes GET only.\n")
            assert headers["Access-Control-Allow-Origin"] is None
    assert kernel.connections == 0


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none", "x", "same-origin, cross-site"])
def test_a_foreign_page_fetches_no_stream(way, site):
    with way.listening(echo) as kernel:
        own = {**page(way.server), "Sec-Fetch-Site": site}
        foreign = {**page(way.server), "Sec-Fetch-Site": "same-origin", "Origin": "https://evil.example"}
        program = {**page(way.server), TOKEN_HEADER: "a-token"}
        nobody = {"Origin": ORIGIN}
        for fields in (own, foreign, program, nobody):
            assert answer(way, way.stream, fields)[0] == 403
    assert kernel.connections == 0


def test_a_page_fetches_a_stream_with_what_its_browser_sends(way):
    fields = page(way.server) | {"Sec-Fetch-Site": "same-origin"}
    del fields["Origin"]
    with way.listening(answering(chunked(b"abc"))):
        assert answer(way, way.stream, fields)[::2] == (200, "abc")


def test_a_stream_that_nobody_offers_any_more_is_404(way):
    hub = Hub(way.kernel, way.path)
    hub.start()
    try:
        status, _, text = answer(way, way.stream, page(way.server))
    finally:
        hub.stop()
    assert (status, text) == (404, "There is no such stream, or it was fetched before.\n")


@pytest.mark.parametrize("end", [b"", b"nonsense\r\n", b"9\r\nabc", b"0\r\n"])
def test_a_stream_that_breaks_off_in_the_kernel_breaks_off_in_the_page(way, end):
    with (
        way.listening(answering(chunked(b"abc", end=end))),
        ask(way.server, "GET", way.stream, page(way.server)) as connection,
    ):
        got = answer_of(connection)
        if end != b"0\r\n":  # here the last piece has been told, and http.client asks for no more
            with pytest.raises(http.client.IncompleteRead):
                got.read()
        else:
            assert got.read() == b"abc"
        assert connection.recv(1) == b""


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\n\r\nabc",
        chunked(b"a", head="HTTP/1.1 500 No"),
    ],
    ids=["sized", "until the end", "500"],
)
def test_a_kernel_that_sends_a_stream_in_another_way_is_503(way, said):
    with way.listening(answering(said)) as kernel:
        status, _, text = answer(way, way.stream, page(way.server))
        assert (status, text) == (503, "This kernel has no open channel. Run the cell that opens it again.\n")
        wait_until(lambda: kernel.open == 0, "the kernel was hung up on")


def test_a_page_that_has_spoken_already_is_sent_no_stream(way):
    with way.listening(answering(chunked(b"abc"))) as kernel:
        early = b"GET /streams/another HTTP/1.1\r\n\r\n"
        with ask(way.server, "GET", way.stream, page(way.server), early) as connection:
            got = answer_of(connection)
            with pytest.raises(http.client.IncompleteRead):
                got.read()
        wait_until(lambda: kernel.open == 0, "the kernel was hung up on")
    assert kernel.connections == 1


def test_a_stream_is_not_sent_by_http_1_0(way):
    with way.listening(echo) as kernel:
        assert answer(way, way.stream, page(way.server), version="1.0")[0] == 505
    assert kernel.connections == 0


# the page's end


@pytest.mark.parametrize("file", sorted(STATIC.iterdir()), ids=lambda file: file.name)
def test_each_script_is_there_and_may_be_kept_by_version(way, file):
    fields = page(way.server)
    path = f"channel/static/{version()}/{file.name}"
    status, headers, text = answer(way, path, fields)
    assert (status, text) == (200, file.read_text())
    assert headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "private, max-age=31536000, immutable"
    assert headers["Access-Control-Allow-Origin"] is None
    status, told, text = answer(way, path, fields, "HEAD")
    assert (status, text, told["Content-Length"]) == (200, "", headers["Content-Length"])
    status, _, text = answer(way, path, fields | {"If-None-Match": headers["Etag"]})
    assert (status, text) == (304, "")
    assert answer(way, f"channel/static/0/{file.name}", fields)[1]["Cache-Control"] == "no-cache"


def test_nothing_but_the_scripts_is_there(way):
    for name in ("none.js", "../display.py", "%2e%2e/display.py", "..%2fdisplay.py", "channel.js/", "channel.js%00",
                 "channel.JS", "", ".", "CHANNEL.js", "errors.js.map"):  # fmt: skip
        assert answer(way, f"channel/static/{version()}/{name}", page(way.server))[0] in (301, 302, 404), name
    assert answer(way, "channel/static/x/channel.js", page(way.server))[0] == 404


def test_the_scripts_are_for_the_door_and_for_reading_only(way):
    path = f"channel/static/{version()}/channel.js"
    status, _, text = answer(way, path, {"Origin": ORIGIN})
    assert (status, text) == (403, "This is for pages of the site, which its door lets pass.\n")
    status, headers, text = answer(way, path, {**page(way.server), "Content-Length": "0"}, "POST")
    assert (status, headers["Allow"], text) == (405, "GET, HEAD", "This address takes GET, HEAD only.\n")
