"""The channel under attack, through the real door of the demo site: the kernel hears nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pyramid_notebook.channel.places import socket_of
from pyramid_notebook.scopes import Scope, parse_grants
from pyramid_notebook.settings import Settings
from pyramid_notebook.tokens.database import open_store
from tests.channel.listening import Listening, echo, listening
from tests.door.sites import HANDSHAKE, Answer, cookies_of
from tests.running import Site, wait_until

from .attackers import connect, head_of, read_answer, send
from .conftest import Owner, launched

FOREIGN = [
    [],
    [""],
    ["null"],
    ["https://evil.example"],
    ["http://localhost:9999"],
    ["http://127.0.0.1:{port}"],
    ["https://localhost:{port}"],
    ["http://localhost:{port}.evil.example"],
    ["http://localhost:{port}/"],
    ["http://localhost:{port}", "https://evil.example"],
    ["https://evil.example", "http://localhost:{port}"],
    ["http://localhost:{port}, https://evil.example"],
]


class Channel:
    """The addresses of a kernel's channel, and what stands for the kernel's end of it."""

    def __init__(self, demo: Site, owner: Owner, kernel: str, heard: Listening) -> None:
        self.demo, self.owner, self.kernel, self.heard = demo, owner, kernel, heard
        self.socket = f"{owner.base}channel/{kernel}/socket"
        self.stream = f"{owner.base}channel/{kernel}/streams/ticket-1"

    @property
    def fields(self) -> dict[str, str]:
        """What a page of the owner sends."""
        return {"Origin": self.demo.origin, **cookies_of(self.owner.session)}

    def shake(self, fields: dict[str, str] | list[tuple[str, str]], target: str = "") -> Answer:
        """Send a handshake."""
        return send(self.demo.port, "websocket", target or self.socket, fields)


@pytest.fixture(scope="module")
def kernel(demo: Site, owner: Owner) -> str:
    """A kernel of the owner, who is an administrator of the site."""
    fields = {"X-XSRFToken": owner.xsrf}
    answer = owner.session.post(f"{demo.url}{owner.base}api/kernels", json={}, headers=fields, timeout=60)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


@pytest.fixture(scope="module")
def rival(demo: Site) -> Owner:
    """The neighbour, whose server runs now, whatever other attacks have done to it."""
    return launched(demo, "user2")


@pytest.fixture
def channel(demo: Site, owner: Owner, kernel: str) -> Iterator[Channel]:
    with listening(socket_of(kernel, Path(owner.record.scratch)), echo) as heard:
        yield Channel(demo, owner, kernel, heard)


@pytest.mark.row(2, "websocket")
def test_the_owners_page_is_let_through_and_the_kernel_learns_nothing_of_them(channel):
    assert channel.shake(channel.fields).status == 101
    assert channel.heard.fields() == {"Host": "kernel", **HANDSHAKE}


@pytest.mark.row(3, "websocket")
def test_a_page_of_a_foreign_origin_opens_no_channel_with_the_owners_cookies(channel):
    cookies = list(cookies_of(channel.owner.session).items())
    for origins in FOREIGN:
        sent = [("Origin", origin.replace("{port}", str(channel.demo.port))) for origin in origins]
        assert channel.shake([*cookies, *sent]).status in (400, 403), origins
    assert channel.heard.connections == 0


@pytest.mark.row(3, "http")
@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
def test_a_foreign_page_fetches_no_stream_with_the_owners_cookies(channel, site):
    cookies = cookies_of(channel.owner.session)
    assert send(channel.demo.port, "http", channel.stream, {**cookies, "Sec-Fetch-Site": site}).status == 403
    foreign = {**cookies, "Origin": "https://evil.example"}
    assert send(channel.demo.port, "http", channel.stream, foreign).status == 403
    assert channel.heard.connections == 0


@pytest.mark.row(2)
@pytest.mark.parametrize("way", ["http", "websocket"])
def test_strangers_open_no_channel(channel, neighbour, signed_in, way):
    strangers = {
        "nobody": {"Origin": channel.demo.origin},
        "another user": {"Origin": channel.demo.origin, **cookies_of(neighbour.session)},
        "a user without the permission": signed_in("guest"),
        "a password": {"Origin": channel.demo.origin, "Authorization": "Basic YWRtaW46cGFzc3dvcmQ="},
        "the secret of a guess": {"Origin": channel.demo.origin, "X-Notebook-Secret": "guess"},
    }
    for name, fields in strangers.items():
        answer = send(channel.demo.port, way, channel.socket if way == "websocket" else channel.stream, fields)
        assert answer.status in (401, 403) or (answer.status == 302 and "/login" in answer.location), name
    assert channel.heard.connections == 0


@pytest.mark.row(2)
@pytest.mark.parametrize("way", ["http", "websocket"])
def test_no_token_of_the_owner_opens_the_channel_whatever_its_scope(channel, way):
    tokens = open_store(Settings(notebook_folder=str(channel.demo.folder / "notebooks")))
    try:
        for grants in (*(scope.value for scope in Scope), " ".join(scope.value for scope in Scope)):
            _, secret = tokens.create("admin", "a program", parse_grants(grants), 3600)
            bearer = {"Authorization": f"Bearer {secret}"}
            for fields in (bearer, bearer | channel.fields):
                for target in (channel.socket, channel.stream):
                    assert send(channel.demo.port, way, target, fields).status in (401, 403), grants
    finally:
        tokens.close()
    assert channel.heard.connections == 0


@pytest.mark.row(27)
@pytest.mark.parametrize("way", ["http", "websocket"])
def test_a_neighbour_does_not_reach_the_kernel_through_a_server_of_their_own(channel, rival, way):
    fields = {"Origin": channel.demo.origin, **cookies_of(rival.session)}
    for rest in ("socket", "streams/ticket-1")[way == "http" :]:
        answer = send(channel.demo.port, way, f"{rival.base}channel/{channel.kernel}/{rest}", fields)
        assert answer.status == 404, rest
    assert channel.heard.connections == 0


TRICKS = [
    "channel/../channel/{kernel}/socket",
    "channel/{kernel}/x/../socket",
    "channel/{kernel}/socket/",
    "channel//{kernel}/socket",
    "channel/%2e%2e/{kernel}/socket",
    "channel%2f{kernel}%2fsocket",
    "channel/{kernel}%2fsocket",
    "channel/{kernel}/%73ocket",
    "%63hannel/{kernel}/socket",
    "channel/..%2fchannel-{kernel}/socket",
    "channel/channel-{kernel}/socket",
    "channel/{kernel}~/socket",
    "channel/{kernel}%00/socket",
    "channel/{kernel};x/socket",
    "channel/{KERNEL}/socket",
    "channel/{kernel}/socket%0d%0aX-A:%20b",
    "channel/{kernel}/streams/../socket",
    "channel/{kernel}/streams/a%2fb",
    "channel/{kernel}/streams/%2e%2e%2fsocket",
    "channel/{kernel}/streams/a%20HTTP/1.1",
    "channel/{kernel}/streams/" + "a" * 65,
    "channel/{kernel}/streams/\xe9",
]


@pytest.mark.row(27, "websocket")
@pytest.mark.parametrize("number", range(len(TRICKS)))
def test_paths_that_only_look_like_a_channel_lead_nowhere(channel, number):
    trick = TRICKS[number].replace("{kernel}", channel.kernel).replace("{KERNEL}", channel.kernel.upper())
    for way in ("websocket", "http"):
        answer = send(channel.demo.port, way, channel.owner.base + trick, channel.fields)
        assert answer.status in (301, 302, 400, 403, 404, 426), (trick, answer.status)
    assert channel.heard.connections == 0


SMUGGLED = b"GET /socket HTTP/1.1\r\nHost: kernel\r\nX-Smuggled: 1\r\n\r\n"
BODIES = {
    "a body": [("Content-Length", str(len(SMUGGLED)))],
    "chunks": [("Transfer-Encoding", "chunked")],
    "two lengths": [("Content-Length", "0"), ("Content-Length", str(len(SMUGGLED)))],
    "both": [("Content-Length", "4"), ("Transfer-Encoding", "chunked")],
    "a chunked look-alike": [("Transfer-Encoding", "xchunked")],
    "a negative length": [("Content-Length", "-1")],
    "a length in words": [("Content-Length", "0x10")],
}


@pytest.mark.row(2, "websocket")
@pytest.mark.parametrize("framing", BODIES.values(), ids=BODIES)
def test_a_handshake_with_a_body_smuggles_nothing_into_the_kernel(channel, framing):
    fields = [("Host", f"localhost:{channel.demo.port}"), *channel.fields.items(), *HANDSHAKE.items(), *framing]
    chunked = any(name == "Transfer-Encoding" for name, _ in framing)
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED) if chunked else SMUGGLED
    with connect(channel.demo.port) as connection:
        connection.sendall(head_of("GET", channel.socket, fields) + body)
        assert read_answer(connection).status in (400, 411, 501)
    assert channel.heard.connections == 0


@pytest.mark.row(2, "websocket")
def test_a_request_that_follows_a_refused_handshake_is_one_of_its_own(channel):
    host = ("Host", f"localhost:{channel.demo.port}")
    refused = head_of("GET", channel.socket, [host, ("Origin", "https://evil.example"), *HANDSHAKE.items()])
    with connect(channel.demo.port) as connection:
        connection.sendall(refused + head_of("GET", channel.socket, [host, *HANDSHAKE.items()]))
        assert read_answer(connection).status in (401, 403)
    assert channel.heard.connections == 0


@pytest.mark.row(2, "websocket")
def test_bytes_that_do_not_wait_for_the_answer_to_a_handshake_never_reach_the_kernel(channel):
    fields = [("Host", f"localhost:{channel.demo.port}"), *channel.fields.items(), *HANDSHAKE.items()]
    with connect(channel.demo.port) as connection:
        connection.sendall(head_of("GET", channel.socket, fields) + SMUGGLED)
        assert read_answer(connection).status == 400
    wait_until(lambda: channel.heard.open == 0, "the kernel was hung up on")
    assert all(head.startswith(b"GET /socket ") for head in channel.heard.heads)
    assert not any(b"Smuggled" in head for head in channel.heard.heads)
