import asyncio
import os
import select
import signal
import socket
import threading

import pytest

from pyramid_notebook.proxy import relay as relay_module
from pyramid_notebook.proxy.relay import Relay

from .conftest import until


@pytest.fixture(params=["uvloop", "asyncio"])
def relay(request, monkeypatch):
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    else:
        monkeypatch.setattr(relay_module, "_new_loop", asyncio.new_event_loop)
    relay = Relay()
    yield relay
    for owner in ("alice", "bob"):
        relay.close(owner)


def pair_of_sockets(*, tcp=False):
    if not tcp:
        return socket.socketpair()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        return near, listener.accept()[0]


class Spliced:
    def __init__(self, relay, *, owner="alice", first=b"", early=b"", tcp=False):
        self.client, inner_client = pair_of_sockets(tcp=tcp)
        self.server, inner_server = pair_of_sockets(tcp=tcp)
        for end in (self.client, self.server):
            end.settimeout(10)
        relay.splice(inner_client, inner_server, first=first, early=early, owner=owner)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.close()
        self.server.close()


def read(end, length):
    data = b""
    while len(data) < length:
        block = end.recv(length - len(data))
        assert block, "the connection ended early"
        data += block
    return data


@pytest.mark.parametrize("tcp", [False, True])
def test_bytes_pass_both_ways_in_order(relay, tcp):
    with Spliced(relay, tcp=tcp) as spliced:
        there, back = os.urandom(3_000_000), os.urandom(3_000_000)
        writers = [
            threading.Thread(target=spliced.client.sendall, args=(there,)),
            threading.Thread(target=spliced.server.sendall, args=(back,)),
        ]
        got = []
        readers = [
            threading.Thread(target=lambda: got.append(read(spliced.server, len(there)))),
            threading.Thread(target=lambda: got.append(read(spliced.client, len(back)))),
        ]
        for thread in writers + readers:
            thread.start()
        for thread in writers + readers:
            thread.join(20)
        assert sorted(got) == sorted([there, back])


def test_what_must_be_written_first_comes_before_anything_else(relay):
    client, inner_client = socket.socketpair()
    server, inner_server = socket.socketpair()
    server.sendall(b"-from the server")
    client.sendall(b"-from the client")
    relay.splice(inner_client, inner_server, first=b"first", early=b"early", owner="alice")
    with client, server:
        assert read(client, 21) == b"first-from the server"
        assert read(server, 21) == b"early-from the client"


@pytest.mark.parametrize("tcp", [False, True])
def test_a_side_that_has_said_all_may_still_listen(relay, tcp):
    with Spliced(relay, tcp=tcp) as spliced:
        spliced.client.sendall(b"question")
        spliced.client.shutdown(socket.SHUT_WR)
        assert read(spliced.server, 8) == b"question"
        assert spliced.server.recv(1) == b""
        spliced.server.sendall(b"answer")
        assert read(spliced.client, 6) == b"answer"
        spliced.server.shutdown(socket.SHUT_WR)
        assert spliced.client.recv(1) == b""
        until(lambda: relay.count() == 0)


def test_a_reader_that_does_not_read_stops_the_writer(relay):
    with Spliced(relay) as spliced:
        spliced.client.setblocking(False)
        sent = 0
        block = bytes(65536)

        def stalled():
            nonlocal sent
            try:
                sent += spliced.client.send(block)
            except BlockingIOError:
                return not writable(spliced.client)
            return False

        until(stalled)
        # what two pairs of sockets and the relay itself may hold
        assert sent < 4 * relay_module.HIGH_WATER + 4 * spliced.client.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        read(spliced.server, sent)
        until(lambda: writable(spliced.client))


def writable(end):
    return bool(select.select([], [end], [], 0.2)[1])


def test_the_last_bytes_of_a_side_that_has_gone_still_arrive(relay):
    with Spliced(relay) as spliced:
        spliced.server.sendall(b"goodbye")
        spliced.server.close()
        assert read(spliced.client, 7) == b"goodbye"
        assert spliced.client.recv(1) == b""


def test_a_side_that_never_reads_its_last_bytes_is_given_up(relay, monkeypatch):
    monkeypatch.setattr(relay_module, "LINGER", 0.2)
    with Spliced(relay) as spliced:
        buffer = spliced.client.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        spliced.server.sendall(bytes(buffer + 100_000))
        spliced.server.close()
        until(lambda: relay.count() == 0)


def test_closing_an_owner_leaves_the_others_alone(relay):
    with Spliced(relay) as first, Spliced(relay) as second, Spliced(relay, owner="bob") as third:
        assert (relay.count(), relay.count("alice"), relay.count("bob"), relay.count("carol")) == (3, 2, 1, 0)
        assert relay.close("alice") == 2
        for ended in (first.client, first.server, second.client, second.server):
            assert ended.recv(1) == b""
        third.client.sendall(b"x")
        assert read(third.server, 1) == b"x"
        assert (relay.close("alice"), relay.count()) == (0, 1)


def test_closing_can_not_miss_a_pair_that_was_just_spliced(relay):
    for _ in range(200):
        with Spliced(relay) as spliced:
            assert relay.close("alice") == 1
            assert spliced.client.recv(1) == b""
            assert relay.count() == 0


def test_a_dead_socket_is_no_trouble_for_its_peer(relay):
    client, inner_client = socket.socketpair()
    server, inner_server = socket.socketpair()
    client.close()
    relay.splice(inner_client, inner_server, first=b"x", owner="alice")
    with server:
        assert server.recv(1) == b""
    until(lambda: relay.count() == 0)


def test_a_forked_process_gets_a_relay_of_its_own_and_lets_go_of_the_parents_sockets(relay):
    with Spliced(relay) as spliced:
        spliced.client.sendall(b"a")
        read(spliced.server, 1)
        report, inner_report = os.pipe()
        child = os.fork()
        if child == 0:
            live_as_a_child(relay, spliced, inner_report)
        os.close(inner_report)
        try:
            assert os.read(report, 2) == b"ok"
            spliced.client.sendall(b"parent")
            assert read(spliced.server, 6) == b"parent"
            assert relay.close("alice") == 1
            assert spliced.client.recv(1) == b""
        finally:
            os.close(report)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def live_as_a_child(relay, inherited, report):
    """Use the relay in a forked process, tell whether that went well, and stay alive until killed."""
    try:
        inherited.client.close()
        inherited.server.close()
        assert relay.count() == 0
        with Spliced(relay) as own:
            own.client.sendall(b"child")
            assert read(own.server, 5) == b"child"
        os.write(report, b"ok")
        threading.Event().wait()
    finally:
        os._exit(1)
