"""What is open ends within five seconds when whoever opened it may pass no more, and not before."""

from __future__ import annotations

import http.client
import itertools
import socket
import threading
import time
from contextlib import ExitStack, contextmanager, suppress

import pytest

from pyramid_notebook.proxy import passages

from .sites import HANDSHAKE, Policy, ends, recording_server, small_site

#: What the issue promises.
SECONDS = 5
WAYS = ["websocket", "stream"]
ADDRESS = "/notebook/{}/api/events/subscribe"


def stream_for_ever(upstream, connection, number):
    """Agree to a websocket, or begin a body that does not end."""
    head = upstream.read_head(connection)
    if b"upgrade: websocket" in head.lower():
        connection.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
    elif b"/silent" in head:
        pass
    else:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
    while data := connection.recv(65536):
        connection.sendall(data)


@contextmanager
def streaming_server(manager, user):
    """Run a user server that streams; at the end it hangs up, so that no thread of a site waits for more."""
    connections = []

    def speak(upstream, connection, number):
        connections.append(connection)
        stream_for_ever(upstream, connection, number)

    with recording_server(manager, user, speak=speak) as server:
        yield server
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class Open:
    """A connection through the door."""

    def __init__(self, site, way, fields, user="alice", address=ADDRESS):
        self.connection = http.client.HTTPConnection("localhost", site.port, timeout=30)
        more = HANDSHAKE if way == "websocket" else {}
        self.connection.request("GET", address.format(user), headers={**fields, **more})
        self.answer = self.connection.getresponse()
        assert self.answer.status == (101 if way == "websocket" else 200), self.answer.read()
        self.socket = self.answer.fp.raw._sock
        if way == "stream":
            assert self.answer.read(5) == b"first"

    @property
    def is_open(self):
        """Whether nothing has come and the connection has no end."""
        self.socket.setblocking(False)
        try:
            return bool(self.socket.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            return True
        except ConnectionError:
            return False

    def ends(self):
        """Wait for the end as long as it may take."""
        return ends(self.socket, SECONDS)


def until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def session(site, user="alice"):
    return {"X-User": user, "Origin": site.url}


@pytest.fixture
def real_pace():
    """For tests that look as often as sites do, and so show that the promise is kept."""


@pytest.fixture(autouse=True)
def pace(request, monkeypatch):
    if "real_pace" not in request.fixturenames:
        monkeypatch.setattr(passages, "INTERVAL", 0.3)


@pytest.fixture
def site(folder, pace):
    with (
        small_site(folder, Policy("shell")) as running,
        streaming_server(running.manager, "bob"),
    ):
        yield running


@pytest.fixture(autouse=True)
def alices(site):
    with streaming_server(site.manager, "alice") as server:
        yield server


@pytest.mark.usefixtures("real_pace")
@pytest.mark.parametrize("way", WAYS)
def test_revoking_a_token_ends_what_it_opened_and_nothing_else(site, way):
    one, other = site.token("alice", name="one"), site.token("alice", name="other")
    ending = Open(site, way, one.fields)
    mine, bobs = session(site), session(site, "bob")
    staying = [Open(site, way, other.fields), Open(site, way, mine), Open(site, way, bobs, "bob")]
    assert site.tokens.revoke(one.id, "alice")
    assert ending.ends()
    assert all(connection.is_open for connection in staying)


@pytest.mark.parametrize("way", WAYS)
def test_a_token_that_expires_ends_what_it_opened(site, way):
    assert Open(site, way, site.token("alice", seconds=2).fields).ends()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("credential", ["session", "token"])
def test_disabling_a_user_ends_what_they_have_open(site, way, credential):
    def fields(user):
        return session(site, user) if credential == "session" else site.token(user).fields

    ending, staying = Open(site, way, fields("alice")), Open(site, way, fields("bob"), "bob")
    site.policy.disabled.add("alice")
    assert ending.ends()
    assert staying.is_open


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("credential", ["session", "token"])
def test_losing_the_permission_ends_what_is_open(site, way, credential):
    connection = Open(site, way, session(site) if credential == "session" else site.token("alice").fields)
    site.policy.granted = ()
    assert connection.ends()


@pytest.mark.usefixtures("real_pace")
@pytest.mark.parametrize("way", WAYS)
def test_signing_out_ends_what_sessions_of_the_user_opened_and_leaves_programs(site, way):
    ending = Open(site, way, session(site))
    staying = [Open(site, way, site.token("alice").fields), Open(site, way, session(site, "bob"), "bob")]
    assert site.ask("GET", "/sign-out", user="alice").status == 303
    assert ending.ends()
    assert all(connection.is_open for connection in staying)
    assert Open(site, way, session(site)).is_open  # whoever is still signed in elsewhere comes back


def test_signing_out_reaches_the_connections_of_other_web_workers(site, folder):
    with small_site(folder, Policy("shell")) as worker:
        connection = Open(worker, "websocket", session(worker))
        site.manager.sign_out("alice")
        assert connection.ends()


def test_the_sign_out_of_a_user_without_notebooks_leaves_no_trace(site, folder):
    assert site.ask("GET", "/sign-out", user="carol").status == 303
    assert not (folder / "carol").exists()


class Counted:
    """Stands before a site's policy, and can be waited for."""

    def __init__(self, site, answer=None):
        self.asked = 0
        self._change = threading.Condition()
        self._permits = answer or site.policy.permits
        site.policy.permits = self

    def __call__(self, *given):
        with self._change:
            self.asked += 1
            self._change.notify_all()
        return self._permits(*given)

    def wait(self, more):
        with self._change:
            wanted = self.asked + more
            assert self._change.wait_for(lambda: self.asked >= wanted, timeout=30)


@pytest.mark.parametrize("way", WAYS)
def test_what_may_pass_is_asked_about_again_and_again_and_stays_open(site, way):
    connection, policy = Open(site, way, session(site)), Counted(site)
    policy.wait(3)
    assert connection.is_open


def test_connections_with_one_credential_cost_one_question(site):
    mine = [Open(site, "websocket", session(site)) for _ in range(10)]
    bobs = Open(site, "websocket", session(site, "bob"), "bob")
    asked, began = Counted(site), time.monotonic()
    asked.wait(6)
    assert time.monotonic() - began > passages.INTERVAL  # two each time; eleven would have come at once
    assert all(connection.is_open for connection in [*mine, bobs])


def test_a_site_that_cannot_say_once_breaks_nothing_off(site):
    connection, permits = Open(site, "websocket", session(site)), site.policy.permits
    times = itertools.count()

    def fail_once(*given):
        if next(times) == 0:
            raise RuntimeError("the database restarts")
        return permits(*given)

    Counted(site, fail_once).wait(3)
    assert connection.is_open


def test_a_site_that_can_say_no_more_ends_what_is_open(site):
    connection = Open(site, "websocket", session(site))

    def fail(*_given):
        raise RuntimeError("the database is gone")

    site.policy.permits = fail
    assert connection.ends()


def test_a_site_that_hangs_for_one_user_does_not_keep_others_open(site):
    stuck = Open(site, "websocket", session(site, "bob"), "bob")
    ending = Open(site, "websocket", session(site))
    permits, released = site.policy.permits, threading.Event()

    def hang(request, context, permission):
        if request.headers["X-User"] == "bob":
            released.wait(30)
        return permits(request, context, permission)

    site.policy.permits = hang
    site.policy.disabled.add("alice")
    try:
        assert ending.ends()
    finally:
        released.set()
    stuck.socket.close()


def test_a_request_that_waits_for_its_answer_is_broken_off_too(site, alices):
    token = site.token("alice")
    connection = http.client.HTTPConnection("localhost", site.port, timeout=SECONDS)
    connection.request("GET", "/notebook/alice/silent", headers=token.fields)
    until(lambda: alices.requests)
    site.tokens.revoke(token.id, "alice")
    answer = connection.getresponse()
    assert answer.status == 403
    assert b"may not do this any more" in answer.read()


def test_no_client_can_pretend_to_be_asked_again(site):
    fields = {**session(site), "Pyramid-Notebook.Asked-Again": "1", "pyramid_notebook.asked_again": "1"}
    connection = Open(site, "stream", fields)
    assert connection.is_open


def test_a_connection_that_is_asked_about_counts_as_a_use_of_its_token_and_not_as_a_failure(folder):
    with (
        small_site(folder / "other", Policy("shell"), token_failures_per_minute=1) as site,
        streaming_server(site.manager, "alice"),
    ):
        token, other = site.token("alice", name="one"), site.token("alice", name="other")
        connections = [Open(site, "websocket", token.fields) for _ in range(3)]
        site.tokens.revoke(token.id, "alice")
        assert all(connection.ends() for connection in connections)
        assert Open(site, "websocket", other.fields).is_open


def test_a_folder_that_one_user_has_spoiled_ends_their_own_connections_only(site):
    token = site.token("alice")
    ending = Open(site, "websocket", token.fields)
    spoiled, staying = Open(site, "stream", session(site, "bob"), "bob"), Open(site, "stream", session(site))
    site.manager.folder("bob").signed_out_file.symlink_to("/etc/hostname")
    site.tokens.revoke(token.id, "alice")
    assert ending.ends()
    assert spoiled.ends()
    assert staying.is_open


def test_sessions_of_one_user_are_told_apart_by_whatever_the_site_knows_them_by(site):
    ending = Open(site, "websocket", {**session(site), "X-Browser": "lost"})
    staying = Open(site, "websocket", {**session(site), "X-Browser": "kept"})
    permits = site.policy.permits

    def no_longer(request, *given):
        return request.headers["X-Browser"] != "lost" and permits(request, *given)

    site.policy.permits = no_longer
    assert ending.ends()
    assert staying.is_open


def test_many_connections_with_a_slow_policy_stay_open(site):
    permits = site.policy.permits

    def slowly(*given):
        time.sleep(0.3)  # as a busy database does
        return permits(*given)

    connections = [Open(site, "websocket", {**session(site), "X-Browser": str(number)}) for number in range(20)]
    Counted(site, slowly).wait(60)
    assert all(connection.is_open for connection in connections)


def test_a_client_that_reads_nothing_holds_up_nobody_once_it_may_pass_no_more(folder):
    def flood(upstream, connection, number):
        upstream.read_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        block = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        with suppress(OSError):
            while True:
                connection.sendall(block)

    with (
        small_site(folder / "other", Policy("shell")) as site,
        recording_server(site.manager, "alice", speak=flood) as server,
    ):
        token = site.token("alice")
        for _ in range(6):  # as many as the site has threads
            connection = http.client.HTTPConnection("localhost", site.port, timeout=30)
            connection.request("GET", "/notebook/alice/files/large", headers=token.fields)
            assert connection.getresponse().read(5) == b"first"
            server.readers = [*getattr(server, "readers", []), connection]
        site.tokens.revoke(token.id, "alice")
        began = time.monotonic()
        assert site.ask("GET", "/no-such-page").status == 404
        assert time.monotonic() - began < 2 * SECONDS


def test_a_clock_that_is_set_back_keeps_nothing_open(site, monkeypatch):
    token = site.token("alice")
    connection = Open(site, "websocket", token.fields)
    site.tokens.revoke(token.id, "alice")
    real = time.time
    monkeypatch.setattr(passages.time, "time", lambda: real() - 3600)
    assert connection.ends()


def test_a_request_that_waited_for_its_server_to_start_is_judged_once_more(folder, monkeypatch):
    with small_site(folder / "other", Policy("shell")) as site:
        token = site.token("alice")

        def start(request, door, username):
            site.tokens.revoke(token.id, "alice")  # while the server starts
            return stack.enter_context(recording_server(site.manager, "alice")).record

        monkeypatch.setattr("pyramid_notebook.views.start_for_program", start)
        with ExitStack() as stack:
            connection = http.client.HTTPConnection("localhost", site.port, timeout=30)
            connection.request("PUT", "/notebook/alice/api/contents/x", b"{}", token.fields)
            assert connection.getresponse().status == 401


class Asked:
    """A request as far as a passage looks at it."""

    def __init__(self, environ):
        self.environ = {"REQUEST_METHOD": "GET", **environ}
        self.invoke_subrequest = None


def passage_of(**environ):
    return passages.Passages(lambda _user: 0.0).enter(Asked(environ), "alice")


def test_a_sites_own_view_is_asked_about_each_address_and_ours_about_each_credential():
    everything = passages.Passages(lambda _user: 0.0)
    one, other = ({"HTTP_COOKIE": "a=b", "PATH_INFO": path} for path in ("/notebook/x", "/notebook/terminals/1"))
    for is_own_view in (True, False):
        asked = {everything.enter(Asked(it), "alice", is_own_view=is_own_view).question for it in (one, other)}
        assert len(asked) == (2 if is_own_view else 1)


def test_what_is_opened_in_the_moment_of_its_end_is_ended_at_once():
    passage, ended = passage_of(), []
    passage.end("revoked")
    passage.ends_by(lambda: ended.append("way"))
    passage.hangs_up_by(lambda: ended.append("client"))
    assert ended == ["way", "client"]


def test_a_request_is_put_again_without_what_belonged_to_the_first_one_alone():
    environ = {"tm.active": True, "repoze.tm.active": True, "webob.adhoc_attrs": {"user": 1}, "HTTP_COOKIE": "a=b"}
    passage, asked = passage_of(**environ, HTTP_TRANSFER_ENCODING="chunked", CONTENT_LENGTH="7"), []
    passage._ask = lambda request, use_tweens: asked.append(request) or type("Answer", (), {"status_code": 403})
    assert passage.may_pass() is False
    (kept, *_) = [request.environ for request in asked]
    assert kept["HTTP_COOKIE"] == "a=b"
    assert kept["CONTENT_LENGTH"] == "0"
    assert not {"tm.active", "repoze.tm.active", "webob.adhoc_attrs", "HTTP_TRANSFER_ENCODING"} & set(kept)
