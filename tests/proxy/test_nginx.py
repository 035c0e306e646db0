"""nginx passes requests on to user servers by itself, where the door says so."""

import hashlib
import http.client
import os
import socket

import pytest
import websocket

from pyramid_notebook.proxy.nginx import ASKING, GATE_HEADER, METHOD_HEADER, TARGET_HEADER, Gate
from pyramid_notebook.record import LEASE_HEADER, SECRET_HEADER, TOKEN_HEADER

from .nginx_site import World, world
from .upstreams import BASE, SECRET


@pytest.fixture(scope="module")
def site():
    with world() as made:
        yield made


def seen(answer) -> dict[str, str]:
    """Return the header fields that reached the user server."""
    return {name.lower(): value for name, value in answer.json()["headers"]}


def test_a_request_reaches_the_user_server_without_passing_through_the_site(site: World):
    fields = seen(site.ask("GET", "echo"))
    assert fields[SECRET_HEADER.lower()] == SECRET
    assert len(fields[LEASE_HEADER.lower()]) == 24  # only nginx brings a lease
    assert fields["x-forwarded-for"] == "127.0.0.1"
    assert fields["x-forwarded-proto"] == "http"
    assert fields["origin"] == site.origin
    assert fields["host"] == f"127.0.0.1:{site.nginx.port}"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
def test_every_method_passes(site: World, method: str):
    answer = site.ask(method, "echo")
    assert (answer.status_code, answer.json()["method"]) == (200, method)


def test_of_the_cookies_only_that_of_jupyter_reaches_the_user_server(site: World):
    assert seen(site.ask("GET", "echo"))["cookie"] == "_xsrf=ours"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Authorization", "Basic eDp5"),
        ("X-Forwarded-For", "1.2.3.4"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Weird", "evil"),
        ("Forwarded", "for=1.2.3.4"),
        ("X-Real-IP", "1.2.3.4"),
        ("X-Scheme", "https"),
        (SECRET_HEADER, "guess"),
        (TOKEN_HEADER, "guess"),
        (LEASE_HEADER, "guess"),
        (GATE_HEADER, "guess"),
        ("X-Pyramid-Notebook-Upstream", "unix:/etc/passwd:"),
        ("X-Pyramid-Notebook-Later", "guess"),
        ("X_Pyramid_Notebook_Secret", "guess"),
        ("Proxy-Authorization", "x"),
        ("TE", "trailers"),
        ("Keep-Alive", "timeout=1"),
    ],
)
def test_what_a_client_claims_does_not_reach_the_user_server(site: World, name: str, value: str):
    answer = site.ask("POST", "echo", headers={name: value})
    assert answer.status_code == 200
    assert value not in seen(answer).values()


@pytest.mark.parametrize(
    "path",
    [
        "echo/a%2Fb%20c?x=%20y&z=%2F", "echo/a;b=c,d", "echo//double", "echo/%c3%A9", "echo/%25%32%66", "echo?a=b?c=d",
        "echo/~user/(1)!*'", "echo?",
    ],
)  # fmt: skip
def test_a_path_reaches_the_user_server_as_it_came(site: World, path: str):
    with socket.create_connection(("127.0.0.1", site.nginx.port)) as connection:
        head = f"GET {BASE}{path} HTTP/1.1\r\nHost: 127.0.0.1:{site.nginx.port}\r\nCookie: user=alice\r\n\r\n"
        connection.sendall(head.encode())
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert f'"uri": "{BASE}{path}"'.encode() in answer.read()


@pytest.mark.parametrize(
    "path", ["../bob/echo", "./echo", "%2e%2e/bob/echo", "-/leases", "%2d/leases", "x/../-/leases", "x/%2e%2e/-/leases"]
)
def test_a_path_that_wants_to_be_misread_does_not_reach_the_user_server(site: World, path: str):
    told = len(site.upstream.told)
    with socket.create_connection(("127.0.0.1", site.nginx.port)) as connection:
        head = f"POST {BASE}{path} HTTP/1.1\r\nHost: 127.0.0.1:{site.nginx.port}\r\nCookie: user=alice\r\n"
        connection.sendall(f"{head}Origin: {site.origin}\r\nContent-Length: 2\r\n\r\n{{}}".encode())
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.status in (400, 403, 404)
    assert {} not in site.upstream.told[told:]


def test_the_notebooks_of_another_user_are_refused_and_their_server_is_not_dialled(site: World):
    errors = site.nginx.log().count("connect()")
    answer = site.ask("GET", "echo", user="bob")
    assert answer.status_code == 403
    assert "belong to somebody else" in answer.text
    assert site.nginx.log().count("connect()") == errors


def test_who_is_not_signed_in_is_told_so_by_the_site(site: World):
    answer = site.ask("GET", "echo", user="")
    assert answer.status_code == 403
    assert "Sign in" in answer.text


def test_what_one_user_may_is_not_kept_for_another(site: World):
    for _ in range(3):
        assert site.ask("GET", "echo").status_code == 200
        assert site.ask("GET", "echo", user="bob").status_code == 403
        assert site.ask("GET", "echo", user="").status_code == 403


def test_many_reads_ask_the_door_once(site: World):
    site.ask("GET", "echo", headers={"User-Agent": "many"})
    leases = {
        seen(site.ask("GET", f"echo/{number}", headers={"User-Agent": "many"}))[LEASE_HEADER.lower()]
        for number in range(20)
    }
    assert len(leases) <= 3  # where the machine is slow, an answer is too old


def test_a_field_by_which_a_site_may_know_somebody_keeps_the_answer_from_others(site: World):
    answers = [site.ask("GET", "echo", headers={"X-Api-Key": "k", "User-Agent": "key"}) for _ in range(4)]
    assert len({seen(answer)[LEASE_HEADER.lower()] for answer in answers}) == 4


def test_a_foreign_page_can_neither_change_something_nor_open_a_websocket(site: World):
    assert site.ask("POST", "echo", headers={"Origin": "http://evil.example"}).status_code == 403
    opened = len(site.upstream.opened)
    with (
        pytest.raises(websocket.WebSocketBadStatusException),
        site.websocket(headers={"Origin": "http://evil.example"}),
    ):
        pass
    assert len(site.upstream.opened) == opened


def test_the_secret_never_reaches_the_browser(site: World):
    for path in ("echo", "status/204", "status/302", "status/500", "no-socket", "orders", "-/leases", "static/none.js"):
        answer = site.ask("GET", path)
        assert SECRET not in str(answer.headers)
        assert path == "echo" or SECRET not in answer.text
    for path in ("/notebook/-/auth", "/.pyramid_notebook/auth"):
        answer = site.ask("GET", path)
        assert answer.status_code == 404
        assert SECRET not in str(answer.headers) + answer.text
    assert SECRET not in site.nginx.log()


def test_cookies_and_fields_of_the_user_server_that_reach_too_far_are_dropped(site: World):
    answer = site.ask("GET", "echo")
    assert answer.headers["Set-Cookie"] == f"_xsrf=theirs; Path={BASE}"
    assert answer.headers["Server"] == "nginx"
    assert "Service-Worker-Allowed" not in answer.headers
    assert SECRET_HEADER not in answer.headers


def test_a_user_server_cannot_give_orders_to_nginx(site: World):
    for headers in ({}, {"X-Forwarded-Weird": "so the site passes it on"}):
        answer = site.ask("GET", "orders", headers=headers)
        assert (answer.status_code, answer.text) == (200, "an order")
        assert "X-Sendfile" not in answer.headers


@pytest.mark.parametrize("start", ["\r\n", "\r\n\r\n", "x", " ", "x" * 100_000, "HTHTTPTP/1.1 200 OK\r\n"])
def test_an_answer_without_a_status_line_cannot_pass_for_one_with_fields(site: World, start: str):
    heads = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/\r\n\r\nICY 200 OK\r\nhttp/1.0 200 OK\r\n"
    site.upstream.raw = start.encode() + heads
    with socket.create_connection(("127.0.0.1", site.nginx.port), timeout=20) as connection:
        head = f"GET {BASE}raw HTTP/1.1\r\nHost: 127.0.0.1:{site.nginx.port}\r\nCookie: user=alice\r\n\r\n"
        connection.sendall(head.encode())
        received = b""
        while not received.endswith(b" 200 OK\r\n") or len(received) < len(site.upstream.raw) - 30:
            received += connection.recv(1 << 16)
    assert b"HTTP" not in received.upper()
    assert b"ICY" not in received.upper()


@pytest.mark.parametrize("status", [201, 302, 400, 401, 403, 404, 418, 500, 502, 503, 504])
def test_a_status_of_the_user_server_reaches_the_client(site: World, status: int):
    answer = site.ask("GET", f"status/{status}")
    assert (answer.status_code, answer.reason) == (status, "As it came")
    if status == 302:
        assert answer.headers["Location"] == f"{BASE}elsewhere?x=%2F"


def test_a_large_body_streams_in_both_directions(site: World):
    length = 200 << 20
    blocks = (b"x" * (1 << 20) for _ in range(200))
    assert site.ask("PUT", "sink", data=blocks).json() == {"length": length}
    answer = site.ask("GET", f"blocks/{length}", stream=True)
    assert sum(len(block) for block in answer.iter_content(1 << 20)) == length


def test_a_body_that_the_site_answers_arrives_whole(site: World):
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    body = b"field=" + os.urandom(1 << 19).hex().encode()
    answer = site.ask("POST", "echo", data=body, headers=form).json()
    assert answer["body"] == hashlib.sha256(body).hexdigest()
    assert LEASE_HEADER.lower() not in {name.lower() for name, _value in answer["headers"]}


def test_a_token_lets_pass_by_its_scope_and_nothing_of_a_page_comes_along(site: World):
    _, token = site.token("shell")
    headers = {"Authorization": f"Bearer {token}"}
    fields = seen(site.ask("POST", "echo", headers=headers))
    assert fields[TOKEN_HEADER.lower()]
    assert not {"authorization", "cookie", "origin", "referer"}.intersection(fields)
    _, other = site.token("sync")
    for _ in range(2):
        assert site.ask("GET", "echo", headers={"Authorization": f"Bearer {other}"}).status_code == 403
        assert site.ask("GET", "echo", headers=headers).status_code == 200


def test_a_token_in_a_form_or_in_the_address_is_refused(site: World):
    _, token = site.token("shell")
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert site.ask("POST", "echo", data=f"access_token={token}", headers=form).status_code == 400
    assert site.ask("GET", "echo").status_code == 200
    assert site.ask("GET", f"echo?access_token={token}").status_code == 400


def test_a_websocket_passes_with_its_subprotocol(site: World):
    with site.websocket(subprotocols=["one", "two"]) as connection:
        assert connection.getsubprotocol() == "two"
        connection.send("hello")
        assert connection.recv() == "hello"
        connection.send_binary(b"\x00" * 1_000_000)
        assert len(connection.recv()) == 1_000_000
    assert SECRET_HEADER in site.upstream.opened[-1]


def test_a_websocket_that_the_user_server_refuses_keeps_its_status(site: World):
    with pytest.raises(websocket.WebSocketBadStatusException) as refusal, site.websocket("no-socket"):
        pass
    assert refusal.value.status_code == 403


@pytest.mark.parametrize("key", ["", "guess", "x" * 43])
def test_without_the_key_the_door_has_no_such_address(site: World, key: str):
    connection = http.client.HTTPConnection("127.0.0.1", site.site_port, timeout=10)
    headers = {GATE_HEADER: key, METHOD_HEADER: "GET", TARGET_HEADER: f"{BASE}echo", "Cookie": "user=alice"}
    connection.request("GET", "/notebook/-/auth", headers={name: value for name, value in headers.items() if value})
    answer = connection.getresponse()
    assert answer.status == 404
    assert SECRET not in str(answer.getheaders())
    connection.close()


def ask_the_door(site: World, **fields: str):
    key = Gate(site.folder)._read()
    connection = http.client.HTTPConnection("127.0.0.1", site.site_port, timeout=10)
    headers = {GATE_HEADER: key, METHOD_HEADER: "GET", "Cookie": "user=alice", **fields}
    connection.request("GET", "/notebook/-/auth", headers=headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


def test_a_question_does_nothing_itself(site: World):
    origin = {"Origin": f"http://127.0.0.1:{site.site_port}", METHOD_HEADER: "POST"}
    assert ask_the_door(site, **{TARGET_HEADER: f"{BASE}echo"}, **origin).status == 204
    for below in ("-/stop", "-/restart", "api/shutdown", "x/-/stop"):
        assert ask_the_door(site, **{TARGET_HEADER: f"{BASE}{below}"}, **origin).status == 403
    for path in ("/notebook/-/stop", "/notebook/-/open", "/notebook/-/tokens", "/facts", "", "x", f"/{BASE}echo"):
        assert ask_the_door(site, **{TARGET_HEADER: path}, **origin).status == 403
    assert site.manager.find("alice") is not None


def test_the_key_is_private_and_made_once(site: World):
    gate = Gate(site.folder)
    before = gate.file.read_text()
    gate.make()
    assert gate.file.read_text() == before
    assert gate.file.stat().st_mode & 0o777 == 0o600
    assert gate.file.parent.stat().st_mode & 0o777 == 0o700
    assert set(ASKING).isdisjoint({SECRET_HEADER, TOKEN_HEADER, LEASE_HEADER})
