"""Answers in an event loop, however their bytes come; the other end of the connection is the test's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from pyramid_notebook.errors import UpstreamError, UpstreamGone
from pyramid_notebook.proxy.loop_connection import LoopConnection
from pyramid_notebook.proxy.loop_upstream import LoopAnswer, LoopPool, LoopPools
from pyramid_notebook.proxy.upstream import ClientBodyError

from .upstreams import record_at

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
Work = Callable[[LoopPool, LoopConnection], Awaitable[None]]


def connected(folder: Path, work: Work) -> None:
    """Run some work with a connection to a server that never says anything."""

    async def main() -> None:
        server = await asyncio.start_unix_server(lambda reader, writer: None, folder / "s")
        async with server:
            pool = LoopPool(record_at(path=str(folder / "s")))
            connection = await pool._opened()
            await work(pool, connection)
            connection.transport.abort()

    asyncio.run(main())


async def settle() -> None:
    """Let everything that waits in the loop have its turn."""
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    "pieces",
    [
        [b"5\r\n", b"hello", b"\r\n", b"5\r\nworld\r\n", b"0\r\n", b"\r\n"],
        [b"5", b"\r", b"\n", b"h", b"ello\r\n5\r", b"\nworld", b"\r\n0\r\n\r", b"\n"],
        [b"5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n"],
    ],
)
def test_an_answer_in_chunks_is_whole_wherever_it_is_cut(folder: Path, pieces: list[bytes]) -> None:
    async def work(pool: LoopPool, connection: LoopConnection) -> None:
        connection.begin("GET")
        connection.data_received(HEAD)
        answer = LoopAnswer(connection, pool, 5)
        got: list[bytes] = []

        async def read() -> None:
            while block := await answer.read():
                got.append(block)

        reading = asyncio.ensure_future(read())
        for piece in pieces:
            await settle()
            assert not reading.done()
            connection.data_received(piece)
        await reading
        assert b"".join(got) == b"helloworld"
        assert connection.is_usable

    connected(folder, work)


@pytest.mark.parametrize(
    ("method", "head"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 X\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"),
    ],
)
def test_an_answer_without_a_body_is_whole_with_its_head(folder: Path, method: str, head: bytes) -> None:
    async def work(pool: LoopPool, connection: LoopConnection) -> None:
        connection.begin(method)
        connection.data_received(head)
        answer = LoopAnswer(connection, pool, 5)
        assert answer.is_whole
        assert await answer.read() == b""
        assert "Link" not in dict(answer.headers)
        assert connection.is_usable

    connected(folder, work)


def test_bytes_after_an_answer_are_nobodys_next_answer(folder: Path) -> None:
    async def work(pool: LoopPool, connection: LoopConnection) -> None:
        connection.begin("GET")
        more = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
        connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" + more)
        answer = LoopAnswer(connection, pool, 5)
        assert await answer.read() == b"ok"
        answer.close()
        assert not connection.is_usable

    connected(folder, work)


def test_bytes_that_nobody_asked_for_end_a_connection_that_waits(folder: Path) -> None:
    async def work(pool: LoopPool, connection: LoopConnection) -> None:
        connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
        assert not connection.is_usable

    connected(folder, work)


def test_an_answer_that_stops_before_its_end_is_no_answer(folder: Path) -> None:
    async def work(pool: LoopPool, connection: LoopConnection) -> None:
        connection.begin("GET")
        connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel")
        answer = LoopAnswer(connection, pool, 5)
        assert await answer.read() == b"hel"
        connection.transport.abort()
        with pytest.raises(UpstreamGone):
            await answer.read()

    connected(folder, work)


def test_an_answer_that_makes_no_sense_is_told_as_such(folder: Path) -> None:
    async def work(pool: LoopPool, connection: LoopConnection) -> None:
        connection.begin("GET")
        connection.data_received(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
        answer = LoopAnswer(connection, pool, 5)
        with pytest.raises(UpstreamError):
            await answer.read()

    connected(folder, work)


def test_a_connection_whose_request_broke_off_is_not_used_again(folder: Path) -> None:
    async def broken() -> None:
        raise ClientBodyError

    async def work(pool: LoopPool, connection: LoopConnection) -> None:
        connection.begin("POST")
        connection.sending = asyncio.ensure_future(broken())
        connection.data_received(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        await asyncio.wait([connection.sending])
        assert connection.is_complete
        assert not connection.is_usable

    connected(folder, work)


def test_a_pool_that_is_closed_keeps_no_connection(folder: Path) -> None:
    async def work(pool: LoopPool, connection: LoopConnection) -> None:
        pool.close()
        pool.give_back(connection)
        assert connection.transport.is_closing()

    connected(folder, work)


def test_of_many_pools_the_one_that_works_stays(folder: Path) -> None:
    pools = LoopPools()
    busy = pools.get(record_at(path=str(folder / "busy")))
    with busy.place():
        for number in range(100):
            pools.get(record_at(path=str(folder / f"{number}")))
        assert pools.get(busy.record) is busy
    assert len(pools._pools) <= 65
