"""Static files that the loop of waitress answers itself: a real waitress, and a real site behind it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from waitress import create_server, wasyncore

from benchmarks.proxy_peers import static_file
from pyramid_notebook.proxy import early
from pyramid_notebook.proxy.decisions import forget_decisions
from tests.running import wait_until
from tests.servers.site import make

from .upstreams import BASE

FILE = static_file(BASE)[""]
SECONDS = 20


class Served:
    """A site on waitress.

    Attributes:
        pooled: paths of the requests that were given to a thread of the pool.
    """

    def __init__(self, application: Any, **options: Any) -> None:
        self.pooled: list[str] = []
        self.server = create_server(application, host="127.0.0.1", port=0, asyncore_use_poll=True, **options)
        self.port = self.server.effective_port
        give = self.server.add_task

        def add_task(channel: Any) -> None:
            self.pooled.append(channel.requests[0].path)
            give(channel)

        self.server.add_task = add_task

    def connect(self) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)

    def warm(self) -> None:
        """Let the site be asked, on a connection that is no more."""
        for _ in range(2):  # the first answer is the site's; of the second the file is read
            with closing(self.connect()) as connection:
                assert ask(connection)[0] == 200
        self.pooled.clear()


def ask(connection: HTTPConnection, path: str = FILE, user: str = "alice", **fields: str) -> tuple[int, bytes]:
    connection.request("GET", path, headers={"Cookie": f"user={user}", **fields})
    answer = connection.getresponse()
    return answer.status, answer.read()


@contextmanager
def serving(application: Any, **options: Any) -> Iterator[Served]:
    served = Served(application, **options)
    thread = threading.Thread(target=served.server.run)
    thread.start()
    try:
        yield served
    finally:
        with suppress(OSError):  # another thread of the server may have pulled it meanwhile, and it is closed
            served.server.trigger.pull_trigger(lambda: wasyncore.close_all(served.server._map))  # which ends its loop
        thread.join()
        served.server.task_dispatcher.shutdown()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "disabled").mkdir()
    return tmp_path


@pytest.fixture
def site(folder: Path) -> Any:
    return make({"notebook_folder": str(folder)})


@pytest.fixture
def served(site: Any) -> Iterator[Served]:
    with serving(site) as served:
        served.warm()
        yield served


def test_a_file_that_lies_in_memory_takes_no_thread(served: Served) -> None:
    with closing(served.connect()) as connection:
        first, second = ask(connection), ask(connection)
    assert first == second
    assert (first[0], served.pooled) == (200, [])
    assert len(first[1]) > 1000


@pytest.mark.parametrize(
    "request_",
    [
        {"path": "/facts"},
        {"path": FILE + "?v=1"},
        {"path": BASE + "static/notebook/none.js"},
        {"user": ""},
        {"user": "bob"},
        {"Range": "bytes=0-4"},
        {"Accept-Encoding": "gzip"},
        {"Authorization": "Bearer nonsense"},
    ],
    ids=lambda request_: "-".join(map(str, next(iter(request_.items())))),
)
def test_what_must_be_looked_up_or_asked_takes_a_thread(served: Served, request_: dict[str, str]) -> None:
    with closing(served.connect()) as connection:
        ask(connection, **request_)
        assert len(served.pooled) == 1


def test_nobody_gets_a_file_because_somebody_else_may(served: Served) -> None:
    with closing(served.connect()) as connection:
        assert ask(connection)[0] == 200
        assert ask(connection, user="")[0] == 403


def test_who_may_no_more_gets_no_file_once_the_decision_is_forgotten(served: Served, folder: Path) -> None:
    with closing(served.connect()) as connection:
        assert ask(connection)[0] == 200
        (folder / "disabled" / "alice").touch()
        forget_decisions()
        assert ask(connection)[0] == 403


def pipelined(served: Served, paths: list[str]) -> list[bytes]:
    """Ask for all at once on one connection, and return the answers."""
    lines = f"GET {{}} HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\nCookie: user=alice\r\n{{}}\r\n"
    last = len(paths) - 1
    sent = "".join(lines.format(path, "Connection: close\r\n" * (number == last)) for number, path in enumerate(paths))
    with socket.create_connection(("127.0.0.1", served.port), SECONDS) as client:
        client.sendall(sent.encode())
        return client.makefile("rb").read().split(b"HTTP/1.1 200 OK\r\n")[1:]


def test_answers_come_in_the_order_of_the_requests(served: Served) -> None:
    asked = [FILE, FILE, "/facts", FILE, "/facts", FILE]
    parts = pipelined(served, asked)
    assert [b'"pid"' in part for part in parts] == [path == "/facts" for path in asked]


def test_who_does_not_read_keeps_nobody_else_waiting(served: Served) -> None:
    line = f"GET {FILE} HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\nCookie: user=alice\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", served.port), SECONDS) as client, closing(served.connect()) as other:
        client.setblocking(False)
        for _ in range(3000):
            try:
                client.send(line)
            except BlockingIOError:
                break
        assert ask(other)[0] == 200


def test_the_request_behind_a_file_gets_its_own_answer_however_soon_a_thread_takes_it(served: Served) -> None:
    give, full = served.server.add_task, served.server.adj.outbuf_high_watermark

    def give_and_wait(channel: Any) -> None:
        give(channel)
        if len(served.pooled) == 1:
            wait_until(lambda: channel.current_outbuf_count < full, "a thread has begun to answer")

    served.server.add_task = give_and_wait
    parts = pipelined(served, [FILE, "/facts"])
    assert served.pooled == ["/facts"]
    assert [b'"pid"' in part for part in parts] == [False, True]


def test_who_does_not_read_keeps_nobody_else_waiting_where_waitress_holds_little(site: Any) -> None:
    with serving(site, outbuf_high_watermark=4096) as served:
        served.warm()
        with closing(served.connect()) as connection:
            assert ask(connection)[0] == 200
        assert served.pooled == [FILE]  # the loop would wait for whoever does not read


@pytest.mark.parametrize("options", [{"clear_untrusted_proxy_headers": False}, {"trusted_proxy": "127.0.0.1"}])
def test_headers_that_waitress_looks_at_itself_change_nothing(site: Any, options: dict[str, Any]) -> None:
    if "trusted_proxy" in options:
        options |= {"trusted_proxy_headers": {"x-forwarded-for"}, "clear_untrusted_proxy_headers": True}
    with serving(site, **options) as served, closing(served.connect()) as connection:
        served.warm()
        assert (ask(connection)[0], served.pooled) == (200, [])


def test_a_site_with_other_applications_before_it_is_left_to_the_pool(site: Any) -> None:
    with serving(partial(site)) as served:  # it could as well be one that waits
        served.warm()
        with closing(served.connect()) as connection:
            assert ask(connection)[0] == 200
        assert served.pooled == [FILE]


def test_a_file_is_read_again_by_a_thread_when_it_has_been_in_memory_for_long(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(served.connect()) as connection:
        monkeypatch.setattr(early.Early, "_at_once", _refuse)
        assert (ask(connection)[0], served.pooled) == (200, [FILE])


def _refuse(_self: Any, _environ: Any) -> Any:
    raise early.NotAtOnce
