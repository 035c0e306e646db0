"""What becomes of a site that does not answer as it should."""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pyramid_notebook.errors import SiteError, SiteUnreachable
from pyramid_notebook.sync.client import transport
from pyramid_notebook.sync.client.patience import Patience
from pyramid_notebook.sync.client.refusals import Refusal
from pyramid_notebook.sync.client.sites import Site
from pyramid_notebook.sync.client.transport import Connection

from ...running import free_port
from ...selftest.nginx import make_certificate
from .conftest import Run
from .editor_site import SYNCED, TOKEN, EditorSite, breaks_off, hangs_up, refuses, says

STARTING = says({"error": "not-started", "message": "Your notebook server starts."}, status=503, Retry_After="2")


class Clock:
    """Seconds that pass only when somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def connection(site: EditorSite, clock: Clock) -> Iterator[Connection]:
    found = Connection(Site(notebooks=site.url, token=TOKEN), Patience(wait=clock.wait, clock=clock))
    yield found
    found.close()


def test_one_connection_is_enough(site: EditorSite, connection: Connection) -> None:
    site.says("sync", SYNCED)
    for _ in range(5):
        assert connection.post("", {}) == SYNCED
    assert len(site.connections) == 1
    assert connection._connection is not None
    assert connection._connection.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_connection_that_the_site_has_closed_is_opened_anew(site: EditorSite, connection: Connection) -> None:
    def says_and_closes(handler, request) -> None:
        says(SYNCED)(handler, request)
        handler.close_connection = True

    site.says("sync", says_and_closes)
    for _ in range(3):
        assert connection.post("", {}) == SYNCED


def test_a_server_that_starts_is_waited_for(site: EditorSite, connection: Connection, clock: Clock) -> None:
    site.says("sync", STARTING, STARTING, SYNCED)
    assert connection.post("", {"file": "x"}) == SYNCED
    assert clock.waits == [2, 2]
    assert [request.body for request in site.requests] == [{"file": "x"}] * 3


def test_a_server_that_never_starts_is_not_waited_for_longer_than_a_minute(
    site: EditorSite, connection: Connection, clock: Clock
) -> None:
    site.says("sync", STARTING)
    with pytest.raises(Refusal, match="Your notebook server starts"):
        connection.post("", {})
    assert 50 < clock.now <= 60


def test_a_request_that_may_be_done_twice_is_sent_again_if_an_old_connection_breaks(
    site: EditorSite, connection: Connection
) -> None:
    site.says("sync", SYNCED, hangs_up, SYNCED)
    connection.post("", {})
    assert connection.post("", {}) == SYNCED
    site.says("sync/run", hangs_up)
    with pytest.raises(SiteUnreachable):
        connection.post("run", {})
    assert [len(site.bodies(verb)) for verb in ("sync", "sync/run")] == [3, 1]


@pytest.mark.parametrize(
    "answer",
    [
        says({"error": "busy"}, status=503),
        says({"error": "busy"}, status=503, Retry_After="Sat, 21 Nov 2026 10:00:00 GMT"),
        says({"error": "upstream"}, status=502, Retry_After="1"),
        refuses(500, "not-saved"),
    ],
)
def test_nothing_else_is_repeated(site: EditorSite, connection: Connection, clock: Clock, answer) -> None:
    site.says("sync", answer)
    with pytest.raises(Refusal):
        connection.post("", {})
    assert (len(site.requests), clock.waits) == (1, [])


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (hangs_up, "cannot be reached: Remote end closed connection"),
        (breaks_off, "cannot be reached: IncompleteRead"),
        (lambda handler, request: handler.send(b"SSH-2.0-OpenSSH_9.2\r\n"), "cannot be reached: "),
        (says(b"<html>"), "answers with something that cannot be understood"),
        (says([1]), "answers with something that cannot be understood"),
        (says(b"[" * 100000), "answers with something that cannot be understood"),
        (says({}), "The site's answer cannot be understood: it has no notebook."),
        (says({**SYNCED, "rev": 1}), "The site's answer cannot be understood: it has no rev."),
        (says(b"<html>", status=404), "Nothing is at {url}sync. Is it the address of your notebooks?"),
        (says(b"oops", status=500), "{url}sync answers with HTTP status 500."),
        (says({"message": "It is full."}, status=500), "pyramid-notebook: It is full."),
        (says({"message": f"Bad {TOKEN}!"}, status=400), "pyramid-notebook: Bad (token)!"),
        (says(b"", status=302, Location="https://evil.example/"), "sends on to https://evil.example/, which is not"),
        (refuses(501, "unsupported", "Not with these packages."), "Not with these packages."),
        (says({"message": "Slow down."}, status=429, Retry_After="1"), "Slow down."),
    ],
)
def test_an_answer_that_is_none_is_told_in_one_line(
    run: Run, site: EditorSite, script: Path, answer, complaint: str
) -> None:
    site.says("sync", answer)
    code, output, errors = run("sync", "x.py", "--quiet")
    assert (code, output) == (1, "")
    assert complaint.format(url=site.url) in errors
    assert errors.startswith("pyramid-notebook: ")
    assert errors.count("\n") == 1
    assert len(site.requests) == 1


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (says({"error": "invalid_token", "message": "It is not valid."}, status=401), "is not valid: It is not valid."),
        (says(b"", status=401), "the site does not say why"),
        (says({"error": "insufficient_scope", "message": "It needs sync."}, status=403), "with the scope sync there."),
    ],
)
def test_a_token_that_does_not_suffice_says_what_to_do(
    run: Run, site: EditorSite, script: Path, answer, complaint: str
) -> None:
    site.says("sync", answer)
    code, _, errors = run("sync", "x.py")
    assert code == 1
    assert errors.startswith("pyramid-notebook: The token in PYRAMID_NOTEBOOK_TOKEN ")
    assert complaint in errors
    signed_in = Connection(Site(notebooks=site.url, token=TOKEN, login="https://a.example/notebook"))
    with pytest.raises(Refusal, match=r"pyramid-notebook login https://a\.example/notebook"):
        signed_in.post("", {})
    signed_in.close()


def test_a_site_that_is_not_there(run: Run, script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv("PYRAMID_NOTEBOOK_URL", f"http://localhost:{port}/notebook/alice/")
    monkeypatch.setenv("PYRAMID_NOTEBOOK_TOKEN", TOKEN)
    code, output, errors = run("sync", "x.py")
    assert (code, output) == (1, "")
    assert errors.startswith(f"pyramid-notebook: localhost:{port} cannot be reached: ")


def test_a_site_that_says_nothing_is_not_waited_for_for_ever(
    site: EditorSite, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "SILENCE_SECONDS", 0.2)
    ended = threading.Event()
    site.says("sync", lambda handler, request: ended.wait(30))
    with pytest.raises(SiteUnreachable, match=r"does not answer within 0\.2 seconds"):
        connection.post("", {})
    ended.set()


def test_an_answer_without_an_end_is_not_read(
    site: EditorSite, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "LONGEST_ANSWER", 1000)
    site.says("sync", says({"notebook": "x" * 2000}))
    with pytest.raises(SiteError, match="cannot be understood"):
        connection.post("", {})


def test_a_proxy_is_not_asked_for_this_machine(run: Run, site: EditorSite, script: Path, monkeypatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    site.says("sync", SYNCED)
    assert run("sync", "x.py")[0] == 0


@pytest.fixture
def certificate(folder: Path) -> Path:
    """A certificate of this machine's own, with its key."""
    return make_certificate(folder / "site.pem")


class Answering(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        says(SYNCED)(self, None)  # type: ignore[arg-type]

    send = lambda self, data: self.wfile.write(data)  # noqa: E731

    def log_message(self, *args: object) -> None:
        pass


def test_certificates_are_checked(run: Run, script: Path, certificate: Path, monkeypatch) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        monkeypatch.setenv("PYRAMID_NOTEBOOK_URL", f"https://localhost:{server.server_port}/notebook/alice/")
        monkeypatch.setenv("PYRAMID_NOTEBOOK_TOKEN", TOKEN)
        code, _, errors = run("sync", "x.py")
        assert (code, "is not trusted: " in errors) == (1, True)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert run("sync", "x.py")[0] == 0
    finally:
        server.shutdown()
        server.server_close()


def test_a_proxy_of_the_environment_makes_the_tunnel(run: Run, script: Path, monkeypatch) -> None:
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def refuse() -> None:
            client, _ = listening.accept()
            with client:
                asked.append(client.recv(4096))
                client.sendall(b"HTTP/1.0 403 Forbidden\r\n\r\n")

        thread = threading.Thread(target=refuse)
        thread.start()
        for name in [name for name in os.environ if name.lower() in ("https_proxy", "no_proxy")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("https_proxy", f"http://me:p%40ss@127.0.0.1:{listening.getsockname()[1]}")
        monkeypatch.setenv("PYRAMID_NOTEBOOK_URL", "https://notebooks.invalid/notebook/alice/")
        monkeypatch.setenv("PYRAMID_NOTEBOOK_TOKEN", TOKEN)
        code, _, errors = run("sync", "x.py")
        thread.join(10)
    assert code == 1
    assert "Tunnel connection failed: 403" in errors
    assert asked[0].startswith(b"CONNECT notebooks.invalid:443 HTTP/1.")
    assert b"Proxy-Authorization: Basic bWU6cEBzcw==" in asked[0]
    assert TOKEN.encode() not in asked[0]
