"""When garbage is collected; the clock and the user are the test's, the generations are Python's own."""

from __future__ import annotations

import gc

import pytest

from pyramid_notebook.server.collector import LONGEST_SECONDS, QUIET_SECONDS, Collector


class Server:
    def __init__(self) -> None:
        self.now = 100.0
        self.idle = 0.0
        self.collections = 0
        self.collector = Collector(lambda: self.idle, collect=self.collect, clock=lambda: self.now)

    def collect(self) -> None:
        self.collections += 1


@pytest.fixture
def server() -> Server:
    return Server()


def test_garbage_is_collected_when_nothing_has_happened_for_a_while(server: Server) -> None:
    gc.collect(1)
    server.idle = QUIET_SECONDS
    server.collector.look()
    assert server.collections == 1


def test_nothing_is_collected_while_something_happens(server: Server) -> None:
    gc.collect(1)
    server.idle = QUIET_SECONDS - 0.1
    server.collector.look()
    assert server.collections == 0


def test_garbage_does_not_wait_for_ever_for_a_quiet_moment(server: Server) -> None:
    gc.collect(1)
    server.now += LONGEST_SECONDS
    server.collector.look()
    assert server.collections == 1


def test_a_server_that_does_nothing_collects_nothing_again(server: Server) -> None:
    gc.collect(1)
    server.idle = QUIET_SECONDS
    server.collector.look()
    gc.disable()
    try:
        server.collector.look()
    finally:
        gc.enable()
    assert server.collections == 1
