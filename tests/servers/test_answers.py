"""What a user server answers reaches the client as it was answered."""

from __future__ import annotations

import gzip
import json
from http.client import HTTPException

import brotli  # type: ignore[import-untyped]
import pytest

from .client import ask, connected
from .limits import limit
from .user_servers import UserServer
from .ways import Served

_TEXT = b"hello from the user server " * 500


@pytest.mark.parametrize("status", [200, 201, 202, 203, 404, 409, 418, 429, 500, 503, 507])
def test_every_status_and_its_body_reach_the_client(served: Served, alice: UserServer, status: int) -> None:
    path = alice.answer(f"HTTP/1.1 {status} As It Came\nContent-Length: 4\nX-Own: 1", b"body")
    answer = ask(served, "GET", path)
    assert (answer.status, answer.body, answer.one("X-Own")) == (status, b"body", "1")
    words = limit(served.way, "the words beside a status reach the client")
    assert (answer.reason == "As It Came") is (words is None)


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_a_body_leaves_the_connection_in_step(served: Served, alice: UserServer, status: int) -> None:
    path = alice.answer(f'HTTP/1.1 {status} Nothing\nETag: "x"')
    with connected(served) as client:
        client.ask("GET", path)
        answer = client.answer()
        assert (answer.status, answer.body, answer.one("ETag")) == (status, b"", '"x"')
        if "close" not in answer.one("Connection").lower():
            client.ask("GET", "echo")
            assert client.answer().status == 200


def test_a_condition_reaches_the_user_server_and_its_304_the_client(served: Served, alice: UserServer) -> None:
    path = alice.answer('HTTP/1.1 304 Not Modified\nETag: W/"abc"\nCache-Control: no-cache')
    conditions = [("If-None-Match", 'W/"abc"'), ("If-Modified-Since", "Sat, 01 Jan 2000 00:00:00 GMT")]
    answer = ask(served, "GET", path, conditions)
    assert (answer.status, answer.one("ETag"), answer.one("Cache-Control")) == (304, 'W/"abc"', "no-cache")
    sent = {name.lower(): value for name, value in alice.seen(path)[0]["headers"]}
    assert (sent["if-none-match"], sent["if-modified-since"]) == ('W/"abc"', "Sat, 01 Jan 2000 00:00:00 GMT")


def test_a_range_reaches_the_user_server_and_its_206_the_client(served: Served, alice: UserServer) -> None:
    path = alice.answer("HTTP/1.1 206 Partial Content\nContent-Range: bytes 2-5/10\nContent-Length: 4", b"2345")
    answer = ask(served, "GET", path, [("Range", "bytes=2-5"), ("If-Range", '"x"')])
    assert (answer.status, answer.one("Content-Range"), answer.body) == (206, "bytes 2-5/10", b"2345")
    sent = {name.lower(): value for name, value in alice.seen(path)[0]["headers"]}
    assert (sent["range"], sent["if-range"]) == ("bytes=2-5", '"x"')


@pytest.mark.parametrize(
    ("coding", "body"), [("gzip", gzip.compress(_TEXT, mtime=0)), ("br", brotli.compress(_TEXT))], ids=["gzip", "br"]
)
@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_compressed_body_passes_as_it_is(
    served: Served, alice: UserServer, coding: str, body: bytes, *, is_chunked: bool
) -> None:
    head = f"HTTP/1.1 200 OK\nContent-Encoding: {coding}\nVary: Accept-Encoding\n"
    if is_chunked:
        path = alice.answer(f"{head}Transfer-Encoding: chunked", b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
    else:
        path = alice.answer(f"{head}Content-Length: {len(body)}", body)
    answer = ask(served, "GET", path, [("Accept-Encoding", "gzip, br")])
    assert (answer.one("Content-Encoding"), answer.one("Vary"), answer.body) == (coding, "Accept-Encoding", body)
    assert ["Accept-Encoding", "gzip, br"] in [[name.title(), value] for name, value in alice.seen(path)[0]["headers"]]


def test_what_a_client_does_not_accept_is_not_asked_for(served: Served, alice: UserServer) -> None:
    seen = json.loads(ask(served, "GET", "echo").body)
    assert not {"accept", "accept-encoding", "user-agent", "content-type"} & {key.lower() for key, _ in seen["headers"]}


@pytest.mark.parametrize("trailer", [b"", b"X-Late: 1\r\n"])
def test_a_chunked_answer_reaches_the_client_whole(served: Served, alice: UserServer, trailer: bytes) -> None:
    parts = [b"one", b"x" * 100_000, b"three"]
    body = b"".join(b"%x;note=1\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n" + trailer + b"\r\n"
    path = alice.answer("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", body)
    assert ask(served, "GET", path).body == b"".join(parts)


def test_an_answer_that_ends_with_its_connection_reaches_the_client_whole(served: Served, alice: UserServer) -> None:
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
    path = alice.script(("send", head), ("blocks", 10_000, 10), ("close",))
    assert len(ask(served, "GET", path).body) == 100_000


def test_an_old_client_gets_no_chunks(served: Served, alice: UserServer) -> None:
    path = alice.answer("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"5\r\nhello\r\n0\r\n\r\n")
    with connected(served) as client:
        client.ask("GET", path, version="1.0")
        head, _, body = client.rest().partition(b"\r\n\r\n")
    assert b" 200 " in head[:20]
    if limit(served.way, "an HTTP/1.0 client gets no chunks"):
        assert (b"chunked" in head.lower(), body) == (True, b"5\r\nhello\r\n0\r\n\r\n")
    else:
        assert (b"chunked" in head.lower(), body) == (False, b"hello")


def test_what_comes_before_the_answer_does_not_count_as_it(served: Served, alice: UserServer) -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
    path = alice.script(("send", early), ("send", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"))
    answer = ask(served, "GET", path)
    if limit(served.way, "what comes before an answer is not taken for it"):
        assert answer.status == 103
    else:
        assert (answer.status, answer.body) == (200, b"body")


def test_fields_of_one_name_stay_apart(served: Served, alice: UserServer) -> None:
    path = alice.answer(
        "HTTP/1.1 200 OK\nContent-Length: 0\nLink: </a>; rel=x\nLink: </b>; rel=y\nWWW-Authenticate: Basic\n"
        "WWW-Authenticate: Other"
    )
    answer = ask(served, "GET", path)
    assert answer.all("Link") == ["</a>; rel=x", "</b>; rel=y"]
    assert answer.all("WWW-Authenticate") == ["Basic", "Other"]


def test_a_field_of_32_kilobytes_reaches_the_client(served: Served, alice: UserServer) -> None:
    path = alice.answer(f"HTTP/1.1 200 OK\nContent-Length: 0\nX-Long: {'x' * 32_000}")
    assert len(ask(served, "GET", path).one("X-Long")) == 32_000


def test_date_and_server_are_told_once_and_the_server_is_the_sites(served: Served, alice: UserServer) -> None:
    path = alice.answer(
        "HTTP/1.1 200 OK\nContent-Length: 0\nServer: TornadoServer/6\nDate: Sat, 01 Jan 2000 00:00:00 GMT"
    )
    answer = ask(served, "GET", path)
    assert answer.one("Date") != ""
    assert "Tornado" not in answer.one("Server")


def test_cookies_of_the_user_server_stay_within_its_base_url(served: Served, alice: UserServer) -> None:
    path = alice.answer(
        "HTTP/1.1 200 OK\nContent-Length: 0\nSet-Cookie: user=mallory; Path=/\nSet-Cookie: a=1\n"
        f"Set-Cookie: b=2; Path={served.base}; HttpOnly\nSet-Cookie: c=3; Path={served.base}; Domain=127.0.0.1\n"
        f"Set-Cookie: d=4; Path={served.base}tree\nSet-Cookie: e=5; Path=/notebook/bob/"
    )
    kept = ask(served, "GET", path).all("Set-Cookie")
    if limit(served.way, "each cookie within the base URL passes"):
        assert kept == []
    else:
        assert kept == [f"b=2; Path={served.base}; HttpOnly", f"d=4; Path={served.base}tree"]


@pytest.mark.parametrize(
    "location",
    ["/notebook/alice/tree?x=%2F#a", "tree/%C3%A9", "?only=query", "http://elsewhere.example/x", "//other/x"],
)
@pytest.mark.parametrize("status", [201, 301, 302, 303, 307, 308])
def test_a_redirect_leads_where_the_user_server_said(
    served: Served, alice: UserServer, status: int, location: str
) -> None:
    path = alice.answer(f"HTTP/1.1 {status} There\nLocation: {location}\nContent-Length: 0")
    answer = ask(served, "GET", path)
    assert (answer.status, answer.one("Location")) == (status, location)


@pytest.mark.parametrize("framing", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("end", ["close", "reset"])
def test_an_answer_that_breaks_off_is_seen_to_have_broken_off(
    served: Served, alice: UserServer, framing: str, end: str
) -> None:
    head = f"HTTP/1.1 200 OK\r\n{framing}\r\n\r\n".encode()
    part = b"5\r\nfirst\r\n" if "chunked" in framing else b"first"
    path = alice.script(("send", head + part), ("hold",), (end,))
    with connected(served) as client:
        client.ask("GET", path)
        response = client.begin()
        assert response.read1(5) == b"first"
        alice.go_on(path)
        with pytest.raises((HTTPException, OSError)):
            response.read()


@pytest.mark.parametrize(
    "answer",
    [
        b"", b"HTTP/1.1 200 O", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nX-Half: ",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabcde",
    ],
)  # fmt: skip
def test_an_answer_that_makes_no_sense_is_told_as_a_fault_of_the_user_server(
    served: Served, alice: UserServer, answer: bytes
) -> None:
    path = alice.script(("send", answer), ("close",))
    with connected(served) as client:
        client.ask("GET", path)
        if answer.startswith(b"nonsense") and limit(
            served.way, "an answer without a status line is a fault of the user server"
        ):
            assert client.socket.recv(1 << 16) == answer
            return
        told = client.answer()
    assert told.status in (200, 502, 503)
    assert told.status != 200 or told.body == b"abcde"


@pytest.mark.parametrize("field", ["X-A: a\rSet-Cookie: user=mallory; Path=/", "X-A: a\x00b", "X A: 1", "X-A\x0b: 1"])
def test_a_field_that_could_split_an_answer_does_not_reach_the_client(
    served: Served, alice: UserServer, field: str
) -> None:
    path = alice.answer(f"HTTP/1.1 200 OK\nContent-Length: 4\n{field}\nX-Last: 1", b"body")
    answer = ask(served, "GET", path)
    assert answer.status in (200, 502, 503)
    assert not answer.all("Set-Cookie")
    assert all(value.isprintable() for _name, value in answer.fields)


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_an_answer_without_a_body_that_tells_a_length_leaves_the_connection_usable(
    served: Served, alice: UserServer, status: str
) -> None:
    path = alice.answer(f"HTTP/1.1 {status}\nContent-Length: 5")
    with connected(served) as client:
        for _ in range(2):
            client.ask("GET", path)
            answer = client.answer()
            assert answer.status == int(status[:3])
            if answer.one("Connection").lower() == "close":
                break
