"""The page's end notices that its kernel says nothing any more, by an end of the kernel that can fall silent."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web

from pyramid_notebook.channel.display import STATIC
from pyramid_notebook.channel.protocol import LARGEST, VERSION
from tests.running import chromium, free_port, wait_until

#: Connects, and keeps what its owner is told.
CONNECT = """
const [path, times, done] = arguments;
import("/link.js").then(({ Link }) => {
  window.told = [];
  const owner = { take() {}, lost: (error) => told.push(error.name), became: (state) => told.push(state) };
  window.made = new Link(new URL(path, location.href), owner, times);
  made.connect();
}).then(done, done);
"""
#: Watches what hangs just when the answer comes, and tells whether it was given up before it heard it.
HANG = """
const [done] = arguments;
import("/watch.js").then(({ Watch }) => {
  const { port1, port2 } = new MessageChannel();
  const answer = 50;
  let watch;
  port1.onmessage = () => { watch.heard(); watch.end(); done("heard"); };
  const hang = () => {
    port2.postMessage("pong");
    for (const begun = performance.now(); performance.now() - begun < 4 * answer;);
  };
  watch = new Watch({ ask: () => setTimeout(hang), gone: () => done("gone"), queued: () => 0 }, { quiet: 1, answer });
  watch.begin();
});
"""
#: Watches what takes a long message, byte by byte, and then nothing any more.
SEND = """
const [done] = arguments;
import("/watch.js").then(({ Watch }) => {
  const queue = [3, 2, 1];
  const events = [];
  const owner = {
    ask: () => events.push("ask"),
    gone: () => { watch.end(); done([...events, "gone"]); },
    queued: () => { const left = queue.shift() ?? 0; events.push(left); return left; },
  };
  const watch = new Watch(owner, { quiet: 10, answer: 10 });
  watch.begin();
});
"""


class Kernel:
    """Stands for a kernel: says welcome, and counts the pings of each connection."""

    def __init__(self) -> None:
        self.pings: list[int] = []
        self.port = free_port()
        self._loop = asyncio.new_event_loop()
        app = web.Application()
        app.router.add_get("/", self._page)
        app.router.add_get("/{way:answers|silent}", self._socket)
        app.router.add_static("/", STATIC)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._run(self._listen())

    def _run(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()

    async def _page(self, _: web.Request) -> web.Response:
        return web.Response(text="<!doctype html>", content_type="text/html")

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(timeout=0.1)
        await socket.prepare(request)
        number = len(self.pings)
        self.pings.append(0)
        assert (await socket.receive_json())["type"] == "hello"
        await socket.send_json({"type": "welcome", "version": VERSION, "largest": LARGEST, "kernel": ""})
        async for message in socket:
            assert message.json() == {"type": "ping"}
            self.pings[number] += 1
            if request.match_info["way"] == "answers":
                await socket.send_json({"type": "pong"})
        return socket

    def close(self) -> None:
        self._run(self._runner.cleanup())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    with chromium() as driver:
        yield driver


@pytest.fixture
def kernel(driver: Any) -> Iterator[Kernel]:
    """A kernel; the browser shows a page of its."""
    kernel = Kernel()
    driver.get(f"http://127.0.0.1:{kernel.port}/")
    yield kernel
    driver.get("about:blank")
    kernel.close()


def told(driver: Any) -> list[str]:
    return list(driver.execute_script("return told"))


def test_a_connection_over_which_nothing_comes_any_more_is_given_up_and_made_anew(driver: Any, kernel: Kernel) -> None:
    driver.execute_async_script(CONNECT, "/silent", {"quiet": 50, "answer": 50})
    wait_until(lambda: len(kernel.pings) > 1, "it connects again")
    assert kernel.pings[0] == 1
    assert told(driver)[:5] == ["connecting", "open", "waiting", "Disconnected", "connecting"]


def test_a_connection_over_which_the_kernel_answers_stays(driver: Any, kernel: Kernel) -> None:
    driver.execute_async_script(CONNECT, "/answers", {"quiet": 20, "answer": 2000})
    wait_until(lambda: kernel.pings and kernel.pings[0] > 2, "the page asks again and again")
    assert len(kernel.pings) == 1
    assert told(driver) == ["connecting", "open"]


def test_a_page_asks_at_once_when_the_network_was_away(driver: Any, kernel: Kernel) -> None:
    driver.execute_async_script(CONNECT, "/answers", {"quiet": 1_000_000, "answer": 1_000_000})
    wait_until(lambda: told(driver) == ["connecting", "open"], "it is connected")
    driver.execute_script("dispatchEvent(new Event('online'))")
    wait_until(lambda: kernel.pings == [1], "the page asks")


@pytest.mark.usefixtures("kernel")
def test_a_page_that_hung_hears_what_has_come_before_it_gives_up(driver: Any) -> None:
    assert driver.execute_async_script(HANG) == "heard"


@pytest.mark.usefixtures("kernel")
def test_a_connection_that_still_takes_what_is_sent_is_not_given_up(driver: Any) -> None:
    assert driver.execute_async_script(SEND) == [3, "ask", 2, 1, 0, 0, "ask", 0, 0, "gone"]
