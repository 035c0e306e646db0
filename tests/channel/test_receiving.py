"""How a kernel takes a page's connection from its user server."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest

from pyramid_notebook.channel import receiving
from pyramid_notebook.channel.hub import Hub
from pyramid_notebook.channel.kernel import Channel
from pyramid_notebook.channel.places import EARLY
from tests.running import wait_until

from .conftest import answered, page_of
from .listening import HANDSHAKE, SECONDS, is_open

#: Bytes that all buffers between two ends may hold.
MOST_UNDER_WAY = 8 << 20
HELLO = b'{"type":"hello","version":1,"page":"page-1","title":""}'


def masked(text: bytes) -> bytes:
    """Return a frame of a page (RFC 6455 section 5.2); its mask changes nothing."""
    return bytes([0x81, 0x80 | 126]) + len(text).to_bytes(2, "big") + bytes(4) + text


@contextmanager
def asked(hub: Hub, target: str = "/socket") -> Iterator[socket.socket]:
    """Ask as a user server does, and read the head of the answer."""
    with socket.socket(socket.AF_UNIX) as control:
        control.settimeout(SECONDS)
        control.connect(str(hub.socket_path))
        fields = HANDSHAKE if target == "/socket" else {"Connection": "close"}
        lines = [f"GET {target} HTTP/1.1", "Host: kernel", *(f"{name}: {value}" for name, value in fields.items())]
        control.sendall("\r\n".join([*lines, "", ""]).encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += control.recv(1) or pytest.fail(f"{head!r} and no more")
        yield control


@contextmanager
def handed_over(hub: Hub, early: bytes = b"", target: str = "/socket") -> Iterator[tuple[socket.socket, socket.socket]]:
    """Hand a page's connection over, and return the user server's with the page's own end."""
    with asked(hub, target) as control:
        theirs, page = socket.socketpair()
        theirs.setblocking(False)
        with page:
            with theirs:
                socket.send_fds(control, [EARLY.pack(len(early))], [theirs.fileno()])
            control.sendall(early)
            page.settimeout(SECONDS)
            yield control, page


def flood(page: socket.socket) -> int:
    """Send words that are to be answered until no more are taken, and return how many bytes were, at most."""
    words, sent = masked(b'{"type":"ping"}') * 1000, 0
    with suppress(TimeoutError):
        while sent < MOST_UNDER_WAY:
            page.sendall(words)
            sent += len(words)
    return sent


def is_left(hub: Hub) -> bool:
    return not hub._connections and not hub.pages


def test_what_a_page_sent_before_it_was_handed_over_is_heard(hub: Hub) -> None:
    with handed_over(hub, masked(HELLO)) as (_, page):
        assert b'"welcome"' in page.recv(1000)
        wait_until(lambda: "page-1" in hub.pages, "the page is known")


def test_what_a_page_sent_before_may_be_large_and_is_in_order_with_what_it_sends_then(hub: Hub) -> None:
    with handed_over(hub, masked(HELLO)[:20]) as (_, page):
        page.sendall(masked(HELLO)[20:])
        assert b'"welcome"' in page.recv(1000)
    with handed_over(hub, masked(HELLO) + masked(b'{"type":"ping"}') * 20_000) as (_, page):
        said = b""
        while said.count(b'"pong"') < 20_000:
            said += page.recv(65536) or pytest.fail("hung up on")


def test_a_page_that_sends_much_at_once_is_read_no_faster_than_it_is_answered(hub: Hub) -> None:
    with handed_over(hub, masked(HELLO) + masked(b'{"type":"ping"}') * 100_000) as (_, page):
        page.settimeout(4.0)
        assert flood(page) < MOST_UNDER_WAY


def test_the_user_servers_own_connection_ends_the_page(hub: Hub) -> None:
    with handed_over(hub, masked(HELLO)) as (control, page):
        assert b'"welcome"' in page.recv(1000)
        control.close()
        assert page.recv(1) == b""
        wait_until(lambda: is_left(hub), "nothing is left")


def test_the_user_server_is_told_when_the_page_is_gone(hub: Hub) -> None:
    with handed_over(hub, masked(HELLO)) as (control, page):
        assert b'"welcome"' in page.recv(1000)
        page.close()
        assert control.recv(1) == b""
        wait_until(lambda: is_left(hub), "nothing is left")


def test_the_user_server_is_told_that_the_page_is_gone_although_a_fork_of_the_kernel_has_all_open(hub: Hub) -> None:
    with handed_over(hub, masked(HELLO)) as (control, page), ExitStack() as fork:
        assert b'"welcome"' in page.recv(1000)
        for number in next(iter(hub._connections)).descriptors:
            fork.callback(os.close, os.dup(number))
        page.close()
        assert control.recv(1) == b""


def test_a_request_that_is_no_handshake_leaves_nothing(hub: Hub) -> None:
    with socket.socket(socket.AF_UNIX) as control:
        control.settimeout(SECONDS)
        control.connect(str(hub.socket_path))
        control.sendall(b"GET /socket HTTP/1.1\r\nHost: kernel\r\n\r\n")
        assert control.recv(1000).startswith(b"HTTP/1.1 400 ")
    wait_until(lambda: is_left(hub), "nothing is left")


def test_closing_does_not_wait_for_a_page_that_reads_nothing(hub: Hub) -> None:
    with handed_over(hub, masked(HELLO)) as (_, page):
        page.settimeout(1.0)
        flood(page)
        hub.stop()
        assert is_left(hub)


@pytest.mark.parametrize("message", [None, b"", b"abcd", b"ab", EARLY.pack(10) + b"abc"], ids=repr)
def test_a_user_server_that_brings_no_connection_leaves_nothing(hub: Hub, message: bytes | None) -> None:
    with asked(hub) as control:
        if message is not None:
            control.sendall(message)
        control.shutdown(socket.SHUT_WR)
        wait_until(lambda: is_left(hub), "nothing is left")


def test_a_user_server_that_brings_less_than_it_says_leaves_nothing(hub: Hub) -> None:
    with asked(hub) as control:
        theirs, page = socket.socketpair()
        with page, theirs:
            socket.send_fds(control, [EARLY.pack(10)], [theirs.fileno()])
            control.sendall(b"abc")
            control.close()
            theirs.close()
            page.settimeout(SECONDS)
            while page.recv(100):
                pass
        wait_until(lambda: is_left(hub), "nothing is left")


def test_a_user_server_that_brings_nothing_in_time_is_hung_up_on(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving, "_TAKE_SECONDS", 0.1)
    with asked(hub) as control:
        while control.recv(1000):
            pass
        wait_until(lambda: is_left(hub), "nothing is left")


def test_no_program_that_a_cell_starts_gets_a_connection(hub: Hub) -> None:
    with handed_over(hub, masked(HELLO)) as (_, page):
        assert b'"welcome"' in page.recv(1000)
        [connection] = hub._connections
        assert [os.get_inheritable(number) for number in connection.descriptors] == [False, False]


def test_a_page_that_speaks_while_it_is_sent_a_stream_is_hung_up_on(hub: Hub, channel: Channel) -> None:
    async def offering() -> None:
        async with page_of(hub) as page:
            silent, over = asyncio.Event(), asyncio.Event()

            async def pieces():  # type: ignore[no-untyped-def]
                yield b"abc"
                try:
                    await silent.wait()
                finally:
                    over.set()

            call = channel.call("take", stream=pieces())
            ticket = (await page.hear("call")).header["stream"]["ticket"]
            await asyncio.to_thread(speak, f"/streams/{ticket}")
            await asyncio.wait_for(over.wait(), SECONDS)
            call.cancel()

    def speak(target: str) -> None:
        with handed_over(hub, target=target) as (control, page):
            assert page.recv(100) == b"3\r\nabc\r\n"
            assert is_open(page)
            page.sendall(b"GET /socket HTTP/1.1\r\nHost: kernel\r\n\r\n")
            assert page.recv(100) == b""
            assert control.recv(1) == b""

    asyncio.run(offering())


def test_calls_go_on_whatever_becomes_of_other_connections(hub: Hub, channel: Channel) -> None:
    async def calling() -> None:
        async with page_of(hub, "page-2") as page:
            with asked(hub), handed_over(hub) as (_, other):
                other.close()
                call = channel.call("echo", 1)
                await answered(page, 1)
                assert await call == 1

    asyncio.run(calling())


def test_the_kernel_keeps_to_a_loop_of_which_it_knows_how_it_reads(hub: Hub) -> None:
    assert isinstance(hub.loop, asyncio.SelectorEventLoop)
