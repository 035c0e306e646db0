"""Rows 9 and 10: what a user server gets to know of the site, what it can do to it, and who gets around the door."""

from __future__ import annotations

import http.client
import os
import re
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from pyramid_notebook import processes
from pyramid_notebook.record import SECRET_HEADER, TOKEN_HEADER
from tests.door.sites import HANDSHAKE, JSON, SECRET, recording_server

from .attackers import head_of, is_passed, pairs, send
from .rows import both_ways

CANARY = "canary-of-the-site"
#: Fields in which sites and the servers before them carry credentials.
CREDENTIALS = {
    "Authorization": f"Basic {CANARY}",
    "Proxy-Authorization": f"Basic {CANARY}",
    "X-CSRF-Token": CANARY,
    "Cookie": f"auth_tkt={CANARY}; __Host-session={CANARY}; csrf_token={CANARY}; remember={CANARY}; _xsrf2={CANARY}",
    "Cookie2": f"$Version=1; session={CANARY}",
    "Forwarded": f"for={CANARY}",
    "X-Forwarded-User": CANARY,
    "X-Forwarded-Access-Token": CANARY,
    SECRET_HEADER: CANARY,
    TOKEN_HEADER: CANARY,
    f"{SECRET_HEADER}-2": CANARY,
    SECRET_HEADER.upper(): CANARY,
    SECRET_HEADER.replace("-", "_"): CANARY,
}


@pytest.mark.row(9)
@both_ways
@pytest.mark.parametrize("field", CREDENTIALS)
def test_no_credential_of_the_site_reaches_a_user_server(demo, theirs, signed_in, field, way):
    own = signed_in("user")
    session = own["Cookie"]
    fields = [("Origin", demo.url), ("Cookie", session)]
    if field == "Cookie":
        fields[1] = ("Cookie", f"{CREDENTIALS[field]}; {session}; {CREDENTIALS[field]}")
    else:
        fields.append((field, CREDENTIALS[field]))
    for target in ("/notebook/user/api/contents", "/notebook/user/api/contents?x=1"):
        assert is_passed(send(demo.port, way, target, fields, method="POST"), way)
    for head in theirs.requests:
        text = head.decode("latin-1")
        assert CANARY not in text
        assert session.partition("=")[2] not in text
        assert re.findall(f"(?i)\r\n{SECRET_HEADER}: (.*)\r\n", text) == [SECRET]
    assert len(theirs.requests) == 2


@pytest.mark.row(9)
@both_ways
@pytest.mark.parametrize("name", ["Authorization", "Cookie", SECRET_HEADER, "X-Forwarded-Proto", "Host"])
def test_a_client_cannot_name_a_field_as_its_connections_own_to_have_ours_dropped(demo, theirs, signed_in, name, way):
    fields = [*pairs(signed_in("user")), ("Authorization", f"Basic {CANARY}")]
    upgrade = "Upgrade, " if way == "websocket" else ""
    fields.append(("Connection", f"{upgrade}{name}"))
    send(demo.port, way, "/notebook/user/api/contents", fields)
    for head in theirs.requests:
        text = head.decode("latin-1")
        assert CANARY not in text
        assert f"{SECRET_HEADER}: {SECRET}".lower() in text.lower()
        assert "\r\nhost: " in text.lower()


@pytest.mark.row(9)
@both_ways
@pytest.mark.parametrize("name", ["access_token", "token", "x", "_xsrf", "session_id"])
def test_no_token_of_ours_reaches_a_user_server_in_an_address(site, alices, name, way):
    token = site.token("alice")
    for fields in (token.fields, {"X-User": "alice", "Origin": site.url}):
        answer = send(site.port, way, f"/notebook/alice/api/contents?{name}={token.secret}", {**JSON, **fields})
        assert answer.status == 400
    assert alices.requests == []


COOKIES = [
    "session=stolen; Path=/",
    "session=stolen; Path=/; HttpOnly; SameSite=Lax",
    "session=stolen",
    "session=stolen; Path=",
    "session=stolen; Path=/notebook",
    "session=stolen; Path=/notebook/",
    "session=stolen; Path=/notebook/user2/",
    "session=stolen; Path=/notebook/use",
    "session=stolen; Path=/notebook/user/; Path=/",
    "session=stolen; Path=/; Path=/notebook/user/",
    "session=stolen; path =/",
    "session=stolen; Path=/notebook/user/; Domain=localhost",
    "session=stolen; Path=/notebook/user/; Domain=",
    "session=; Path=/; Max-Age=0",
    "session=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
    "=session=stolen; Path=/notebook/user/",
    "=__Host-session=stolen; Path=/notebook/user/",
    "__Host-session=stolen; Path=/; Secure",
    "csrf_token=stolen; Path=/",
    "nothing",
]


def sets_cookies(cookies: list[str], *more: str):
    def speak(upstream, connection, number):
        head = upstream.read_head(connection)
        fields = "".join(f"{line}\r\n" for line in (*(f"Set-Cookie: {cookie}" for cookie in cookies), *more))
        if b"upgrade: websocket" in head.lower():
            accept = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
            start = f"HTTP/1.1 101 Go\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{accept}\r\n"
        else:
            start = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n"
        connection.sendall(f"{start}{fields}\r\n".encode())
        connection.recv(1)

    return speak


@pytest.mark.row(9)
@both_ways
@pytest.mark.parametrize("cookie", COOKIES)
def test_a_user_server_sets_no_cookie_that_leaves_its_own_path(demo, signed_in, cookie, way):
    with recording_server(demo.manager, "user", speak=sets_cookies([cookie])):
        answer = send(demo.port, way, "/notebook/user/x", signed_in("user"))
    assert is_passed(answer, way)
    assert answer.headers.get_all("Set-Cookie") is None


@pytest.mark.row(9)
@both_ways
def test_whatever_cookies_a_user_server_sets_its_user_stays_who_they_are(demo, signed_in, way):
    """The attacker's own session, set at the one path where a user server may set cookies."""
    attacker = signed_in("user2")["Cookie"]
    cookies = [f"{attacker}; Path={path}" for path in ("/notebook/user/", "/notebook/user", "/notebook/user/api/")]
    session = demo.session("user")
    with recording_server(demo.manager, "user", speak=sets_cookies(cookies)):
        fields = {"Cookie": f"session={session.cookies['session']}", "Origin": demo.url}
        answer = send(demo.port, way, "/notebook/user/x", fields)
        for value in answer.headers.get_all("Set-Cookie") or []:
            path = value.rpartition("Path=")[2]
            stolen = value.partition("=")[2].partition(";")[0]
            session.cookies.set("session", stolen, domain="localhost.local", path=path)
        prepared = session.prepare_request(requests.Request("GET", f"{demo.url}/notebook/user/api/x"))
        again = {"Cookie": str(prepared.headers["Cookie"]), "Origin": demo.url}
        assert is_passed(send(demo.port, way, "/notebook/user/api/x", again), way)
        assert send(demo.port, way, "/notebook/user2/api/x", again).status == 403
    assert "<h1>user</h1>" in session.get(f"{demo.url}/account", timeout=10).text


@pytest.mark.row(9)
@both_ways
def test_a_user_server_speaks_for_nothing_but_itself(demo, signed_in, way):
    fields = [
        'Clear-Site-Data: "*"',
        "Strict-Transport-Security: max-age=1",
        "Service-Worker-Allowed: /",
        'Alt-Svc: h3=":443"',
        "Set-Cookie2: session=stolen; Path=/",
        f"{SECRET_HEADER}: {SECRET}",
        f"{TOKEN_HEADER}: x",
        "Server: mine",
    ]
    with recording_server(demo.manager, "user", speak=sets_cookies([], *fields)):
        answer = send(demo.port, way, "/notebook/user/x", signed_in("user"))
    assert is_passed(answer, way)
    names = {name.lower() for name in answer.headers}
    assert not names & ({field.partition(":")[0].lower() for field in fields} - {"server"})
    assert answer.headers.get("Server") != "mine"


WRONG_SECRETS = ["", "x", "x" * 43, "null", "None", "{}", "*"]
PRIVATE = [
    *("api/contents", "api/kernels", "api/status", "api/terminals", "tree", "files/x", "lab", "-/status", "-/context"),
]


def straight(path: str, way: str, target: str, fields) -> int:
    """Send a request to a unix socket, without a door, and return the status."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(30)
        connection.connect(path)
        more = HANDSHAKE.items() if way == "websocket" else ()
        connection.sendall(head_of("GET", target, [("Host", "localhost"), *pairs(fields), *more]))
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return answer.status


@pytest.mark.row(10)
@both_ways
def test_a_user_server_asks_for_its_own_secret_even_on_its_socket(owner, neighbour, way):
    secrets = [*WRONG_SECRETS, neighbour.record.secret, owner.record.secret[:-1], f"{owner.record.secret}x"]
    wrong = [{SECRET_HEADER: secret} for secret in secrets]
    wrong += [{}, {TOKEN_HEADER: "x"}, {"Authorization": f"token {owner.record.secret}"}, {"Cookie": owner.cookie}]
    kernels = owner.session.get(f"{owner.session.headers['Origin']}{owner.base}api/kernels", timeout=30).json()
    sockets = [f"api/kernels/{kernels[0]['id']}/channels", "terminals/websocket/1", "api/events/subscribe"]
    for path in sockets if way == "websocket" else PRIVATE:
        for fields in wrong:
            sent = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin", **fields}
            assert straight(owner.record.socket, way, f"{owner.base}{path}", sent) in (302, 403, 405), (path, fields)
    right = {SECRET_HEADER: owner.record.secret, "Origin": "http://localhost"}
    target = sockets[0] if way == "websocket" else PRIVATE[0]
    assert straight(owner.record.socket, way, f"{owner.base}{target}", right) == (101 if way == "websocket" else 200)


CONNECT = """
import socket, sys
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect(sys.argv[1])
    connection.sendall(sys.argv[2].encode().decode("unicode_escape").encode())
    print(connection.recv(100))
"""


@pytest.mark.row(10)
@both_ways
def test_another_unix_user_does_not_even_connect(owner, way):
    folder, path = Path(owner.record.scratch), Path(owner.record.socket)
    assert [stat.S_IMODE(item.stat().st_mode) & 0o777 for item in (folder, path)] == [0o700, 0o600]
    if os.geteuid() != 0:  # nobody else can be tried: the modes have to say it
        return
    more = HANDSHAKE.items() if way == "websocket" else ()
    # they even know the secret
    fields = [("Host", "localhost"), (SECRET_HEADER, owner.record.secret), ("Origin", "http://localhost"), *more]
    head = head_of("GET", f"{owner.base}api/kernels", fields).decode().replace("\r\n", "\\r\\n")
    python = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
    identity = ["--reuid=65534", "--regid=65534", "--clear-groups"]
    done = subprocess.run(
        ["setpriv", *identity, python, "-c", CONNECT, str(path), head],
        capture_output=True,
        text=True,
        cwd="/",
        timeout=30,
        check=False,
    )
    assert "PermissionError" in done.stderr
    assert done.stdout == ""


@pytest.mark.row(10, "http", "websocket")
def test_no_process_of_a_user_server_listens_where_anybody_could_connect(owner):
    members = processes.members(owner.record)
    assert members
    assert [item for process in members for item in process.net_connections("inet")] == []
