import os
import socket
import threading

import pytest

from pyramid_notebook.errors import UpstreamError, UpstreamGone, UpstreamTimeout
from pyramid_notebook.proxy.connection import UpstreamConnection, dial, pool_of
from pyramid_notebook.proxy.upstream import ask, exchange

from .conftest import until
from .upstreams import BASE, SECRET, ScriptedUpstream, TornadoUpstream, record_at


@pytest.mark.parametrize("tcp", [False, True])
def test_a_question_carries_the_secret_and_json_both_ways(folder, tcp):
    server = TornadoUpstream(folder, tcp=tcp)
    status, answer = ask(server.record, "POST", BASE + "echo", json={"a": 1}, timeout=5)
    headers = dict(answer["headers"])
    assert (status, answer["length"]) == (200, len(b'{"a": 1}'))
    assert (headers["Host"], headers["X-Pyramid-Notebook-Secret"]) == ("localhost", SECRET)
    assert headers["Content-Type"] == "application/json"
    server.close()


def test_an_answer_that_is_no_json_is_none(upstream):
    assert ask(upstream.record, "GET", BASE + "status/404", timeout=5) == (404, None)


def test_an_answer_without_end_is_refused(upstream):
    with pytest.raises(UpstreamError, match="too long"):
        ask(upstream.record, "GET", BASE + "blocks/99999999", timeout=5)


def test_where_nothing_listens_the_server_is_gone(folder):
    for record in (record_at(path=str(folder / "none")), record_at(port=1), record_at(path="/tmp/" + "x" * 200)):
        with pytest.raises(UpstreamGone, match="Open the notebook again"):
            dial(record, 1)


def test_a_full_queue_of_connections_is_waited_for_and_then_a_timeout(folder):
    path = str(folder / "full")
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as first:
        listener.bind(path)
        listener.listen(0)
        first.connect(path)
        with pytest.raises(UpstreamTimeout, match=r"within 0\.1 seconds"):
            dial(record_at(path=path), 0.1)
        accepted, _address = listener.accept()
        with accepted, dial(record_at(path=path), 0.1) as second:
            assert second.gettimeout() == 0.1


def test_a_connection_waits_while_the_queue_is_full_and_goes_on_when_it_is_not(folder):
    path, dialled = str(folder / "full"), []
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as first:
        listener.bind(path)
        listener.listen(0)
        first.connect(path)
        waiting = threading.Thread(target=lambda: dialled.append(dial(record_at(path=path), 10)))
        waiting.start()
        waiting.join(0.2)
        assert waiting.is_alive()
        listener.accept()[0].close()
        waiting.join(10)
        dialled[0].close()


def test_silence_is_a_timeout(upstream):
    with pytest.raises(UpstreamTimeout):
        ask(upstream.record, "GET", BASE + "silent", timeout=0.1)
    upstream.blocks.put(None)


def test_a_connection_is_used_again_after_its_body_was_read(upstream):
    pool = pool_of(upstream.record)
    ask(upstream.record, "GET", BASE + "echo", timeout=5)
    first = pool.take()
    local = first.sock
    pool.give_back(first)
    ask(upstream.record, "GET", BASE + "echo", timeout=5)
    again = pool.take()
    assert again.sock is local
    again.close()


def test_an_answer_that_is_dropped_half_way_takes_its_connection_along(upstream):
    answer = exchange(upstream.record, "GET", BASE + "blocks/9999999", headers=[("Host", "x")], timeout=5)
    assert answer.read()
    connection = answer._connection
    answer.close()
    assert connection.sock is None
    assert answer.read() == b""


def test_a_body_that_breaks_off_says_that_the_server_is_gone(upstream):
    for kind in ("length", "chunked"):
        answer = exchange(upstream.record, "GET", f"{BASE}broken/{kind}", headers=[("Host", "x")], timeout=5)
        with pytest.raises(UpstreamGone):
            while answer.read():
                pass


def test_two_launches_never_share_connections(upstream):
    assert pool_of(record_at(path="/a", pid=1)) is not pool_of(record_at(path="/a", pid=2))
    assert pool_of(record_at(path="/a", pid=1)) is pool_of(record_at(path="/a", pid=1))


def test_only_so_many_pools_are_kept_and_an_old_one_closes_what_comes_back():
    first = pool_of(record_at(path="/first"))
    for number in range(100):
        pool_of(record_at(path="/other", pid=number))
    assert pool_of(record_at(path="/first")) is not first
    connection = UpstreamConnection(record_at(path="/first"))
    connection.sock, other = socket.socketpair()
    first.give_back(connection)
    assert connection.sock is None
    assert other.recv(1) == b""
    other.close()


def test_a_forked_process_starts_with_empty_pools(upstream):
    parents = pool_of(upstream.record)
    child = os.fork()
    if child == 0:
        os._exit(0 if pool_of(upstream.record) is not parents else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert pool_of(upstream.record) is parents


def test_a_connection_that_the_server_closed_while_idle_is_not_used(folder):
    def speak(server, connection, number):
        server.read_head(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnull")

    server = ScriptedUpstream(folder, speak)
    pool = pool_of(server.record)
    for _ in range(3):
        assert ask(server.record, "POST", "/", json=1, timeout=5) == (200, None)
        idle = pool.take()
        if idle.sock is not None:
            until(lambda connection=idle: not connection.is_connected)
        pool.give_back(idle)
    server.close()
