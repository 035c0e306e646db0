"""Calls between a kernel and a page that is a plain websocket; each defect of jchannel is a test here."""

from __future__ import annotations

import asyncio
import gc
import stat
import threading
from typing import Any

import pytest

from pyramid_notebook.channel.answering import MOST_CALLS
from pyramid_notebook.channel.hub import Hub
from pyramid_notebook.channel.kernel import Channel
from pyramid_notebook.channel.protocol import LARGEST, unpack
from pyramid_notebook.errors import (
    ChannelTimeout,
    NotExposed,
    PageError,
    Unsendable,
)

from .conftest import answered, opened, page_of, until


def test_nobody_but_the_user_can_connect(hub: Hub) -> None:
    status = hub.socket_path.stat()
    assert stat.S_ISSOCK(status.st_mode)
    assert stat.S_IMODE(status.st_mode) == 0o600
    assert [path.name for path in hub.socket_path.parent.iterdir()] == [hub.socket_path.name]


def test_a_timeout_bounds_the_whole_call_and_the_page_is_told(hub: Hub, channel: Channel) -> None:
    async def calling() -> None:
        async with page_of(hub) as page:
            with pytest.raises(ChannelTimeout, match=r"hang\(\) within 0.05 seconds"):
                await channel.call("hang", timeout=0.05)
            call = await page.hear("call")
            assert (await page.hear("cancel")).header["id"] == call.header["id"]

    asyncio.run(calling())


def test_an_answer_after_the_call_was_cancelled_harms_nothing(hub: Hub, channel: Channel) -> None:
    async def calling() -> None:
        async with page_of(hub, echo=lambda value: value) as page:
            call = channel.call("hang")
            asked = await page.hear("call")
            call.cancel()
            await page.hear("cancel")
            await page.say("result", id=asked.header["id"], value=1)
            await page.say("error", id=asked.header["id"], error={"name": "Error"})
            assert await channel.call("echo", 2) == 2

    asyncio.run(calling())


def test_nan_fails_its_call_alone(hub: Hub, channel: Channel) -> None:
    async def calling() -> None:
        async with page_of(hub, echo=lambda value: value) as page:
            pending = channel.call("hang")
            asked = await page.hear("call")
            with pytest.raises(Unsendable, match="nan"):
                await channel.call("echo", float("nan"))
            channel.expose(lambda: float("nan"), name="nan", thread="own")
            await page.call("nan")
            assert (await page.error())["name"] == "Unsendable"
            await page.say("result", id=asked.header["id"], value="still")
            assert await pending == "still"

    asyncio.run(calling())


def test_what_is_too_large_fails_its_call_alone_and_says_how_large_it_is(hub: Hub, channel: Channel) -> None:
    async def calling() -> None:
        async with page_of(hub, echo=lambda value: value) as page:
            with pytest.raises(Unsendable, match=f"a message may have {LARGEST:,}"):
                await channel.call("echo", bytes(LARGEST))
            channel.expose(lambda: "x" * LARGEST, name="large", thread="own")
            await page.call("large")
            assert "Send it as a stream" in (await page.error())["message"]
            five = b"x" * (5 * 1024 * 1024)  # jchannel closes the connection at four
            assert await channel.call("echo", five, timeout=30) == five

    asyncio.run(calling())


def test_any_text_goes_with_a_stream(hub: Hub, channel: Channel) -> None:
    async def calling() -> None:
        async with page_of(hub) as page:
            call = channel.call("take", "żółw\n🐢", {"ключ": "值"}, stream=[b"a"])
            asked = (await page.hear("call")).header
            assert asked["args"] == ["żółw\n🐢", {"ключ": "值"}]
            assert await page.fetch(asked["stream"]["ticket"]) == b"a"
            await page.say("result", id=asked["id"], value=None)
            await call

    asyncio.run(calling())


def test_a_page_is_answered_on_own_while_the_main_thread_is_busy(hub: Hub, channel: Channel) -> None:
    channel.expose(lambda: "at once", name="now", thread="own")
    answered_ = threading.Event()

    async def asking() -> None:
        async with page_of(hub) as page:
            await page.call("now")
            assert await page.value() == "at once"
            answered_.set()

    thread = threading.Thread(target=lambda: asyncio.run(asking()))
    thread.start()
    assert answered_.wait(10)  # as time.sleep() in a cell
    thread.join()


def test_a_second_page_is_welcome(hub: Hub, channel: Channel) -> None:
    async def calling() -> None:
        async with page_of(hub, "1", who=lambda: "one"), page_of(hub, "2", who=lambda: "two"):
            assert [info.id for info in channel.pages] == ["1", "2"]
            assert await channel.call("who") == "two"
            assert await channel.call("who", page="first") == "one"
            assert await channel.call("who", page="1") == "one"
            assert await channel.call("who", page="all") == {"1": "one", "2": "two"}

    asyncio.run(calling())


def test_nothing_can_be_called_but_what_is_exposed(hub: Hub, channel: Channel) -> None:
    channel.expose(print, name="shown", thread="own")

    async def calling() -> None:
        async with page_of(hub) as page:
            names = ("print", "__class__", "expose", "call", "shown.__self__", "", "_hub")
            for number, name in enumerate(names):
                await page.call(name, number=number)
                assert (await page.error())["kind"] == "not-exposed"
            await page.call("shown", number=99, channel="another")
            assert "no channel 'another'" in (await page.error())["message"]

    asyncio.run(calling())


def test_a_timeout_may_be_a_fraction_of_a_second_or_none(hub: Hub, channel: Channel) -> None:
    async def calling() -> None:
        async with page_of(hub, echo=lambda value: value):
            assert await channel.call("echo", 1, timeout=2.5) == 1
            assert await channel.call("echo", 1, timeout=None) == 1


@pytest.mark.parametrize("timeout", [1e300, float("inf")])
def test_a_timeout_may_be_longer_than_any_clock_counts(hub: Hub, channel: Channel, timeout: float) -> None:
    async def calling() -> None:
        async with page_of(hub, echo=lambda value: value):
            assert await channel.call("echo", 1, timeout=timeout) == 1
            assert await asyncio.to_thread(channel.call_sync, "echo", 1, timeout=timeout) == 1

    asyncio.run(calling())


def test_ids_are_never_used_again(hub: Hub, channel: Channel) -> None:
    async def calling() -> None:
        async with page_of(hub) as page:
            numbers = []
            for _ in range(5):
                call = channel.call("hang")
                numbers.append((await page.hear("call")).header["id"])
                call.cancel()
                await page.hear("cancel")
                gc.collect()
            assert numbers == sorted(set(numbers))

    asyncio.run(calling())


def test_exceptions_keep_their_class_their_text_and_their_traceback_both_ways(hub: Hub, channel: Channel) -> None:
    def failing() -> None:
        raise KeyError("zażółć")

    channel.expose(failing, thread="own")

    async def calling() -> None:
        async with page_of(hub) as page:
            await page.call("failing")
            error = await page.error()
            assert (error["name"], error["message"]) == ("KeyError", "'zażółć'")
            assert "in failing" in error["trace"]
            assert "exposed.py" not in error["trace"]
            call = channel.call("bad")
            asked = await page.hear("call")
            told = {"name": "TypeError", "message": "żle", "trace": "at bad (cell.js:1)"}
            await page.say("error", id=asked.header["id"], error=told)
            with pytest.raises(PageError, match="TypeError: żle") as caught:
                await call
            assert (caught.value.name, caught.value.trace) == ("TypeError", "at bad (cell.js:1)")

    asyncio.run(calling())


def test_one_call_too_many_of_a_page_is_refused_and_those_that_wait_are_answered(hub: Hub, channel: Channel) -> None:
    async def calling() -> None:
        may_end = asyncio.Event()

        @channel.expose(thread="own")
        async def wait(number: int) -> int:
            await may_end.wait()
            return number

        async def end() -> None:
            may_end.set()

        channel.expose(end, thread="own")
        async with page_of(hub) as page:
            for number in range(MOST_CALLS):
                await page.call("wait", number, number=number)
            for number in (MOST_CALLS, MOST_CALLS + 1):
                await page.call("wait", number, number=number)
                refused = (await page.hear("error")).header
                assert (refused["id"], refused["error"]["name"]) == (number, "TooManyCalls")
            await page.call("wait", number=-1, stream={"id": 7})
            assert (await page.hear("stop")).header["stream"] == 7
            assert (await page.hear("error")).header["id"] == -1
            await page.say("cancel", id=0)
            assert (await page.error())["kind"] == "cancelled"
            await page.call("end", number=-2)
            values = [await page.value() for _ in range(MOST_CALLS)]
            assert {value for value in values if value is not None} == set(range(1, MOST_CALLS))

    asyncio.run(calling())


def test_a_page_cancels_what_it_does_not_wait_for(hub: Hub, channel: Channel) -> None:
    cancelled = threading.Event()

    async def hanging() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async def calling() -> None:
        channel.expose(hanging)
        channel.expose(hanging, name="own", thread="own")
        opened()  # its main loop is this one
        async with page_of(hub) as page:
            for number, name in enumerate(("hanging", "own")):
                await page.call(name, number=number)
                await page.call("none", number=100 + number)  # the call before it has begun
                await page.error()
                await page.say("cancel", id=number)
                assert (await page.error())["kind"] == "cancelled"
                assert cancelled.is_set()
                cancelled.clear()

    asyncio.run(calling())


@pytest.mark.parametrize("thread", ["main", "own"])
def test_a_function_may_call_the_page_back_and_wait(hub: Hub, channel: Channel, thread: Any) -> None:
    async def calling() -> None:
        opened()
        channel.expose(lambda value: channel.call_sync("echo", value), name="sync", thread=thread)

        async def awaiting(value: int) -> Any:
            return await channel.call("echo", value)

        channel.expose(awaiting, thread=thread)
        async with page_of(hub) as page:  # another thread, as browsers are another process
            await page.call("awaiting", 1)
            await answered(page, "awaited")
            assert await page.value() == "awaited"

    asyncio.run(calling())

    async def serving(ready: threading.Event, done: threading.Event) -> None:
        async with page_of(hub, echo=lambda value: value) as page:
            ready.set()
            await page.call("sync", 2)
            assert await page.value() == 2
        done.set()

    async def main() -> None:
        opened()
        ready, done = threading.Event(), threading.Event()
        serving_thread = threading.Thread(target=lambda: asyncio.run(serving(ready, done)))
        serving_thread.start()
        assert await asyncio.to_thread(done.wait, 10)
        serving_thread.join()

    asyncio.run(main())


def test_a_coroutine_on_the_channels_own_thread_cannot_block_it(hub: Hub, channel: Channel) -> None:
    async def blocking() -> None:
        channel.call_sync("echo")

    async def closing() -> bool:
        opened("second").close()
        return opened("second").is_open

    channel.expose(blocking, thread="own")
    channel.expose(closing, thread="own")

    async def calling() -> None:
        async with page_of(hub) as page:
            await page.call("blocking")
            assert "would wait for itself" in (await page.error())["message"]
            await page.call("closing")
            assert await page.value() is True

    asyncio.run(calling())


@pytest.mark.parametrize("thread", ["main", "own"])
def test_a_function_that_exits_ends_neither_the_kernel_nor_the_channel(hub: Hub, channel: Channel, thread: Any) -> None:
    def leaving() -> None:
        raise SystemExit(3)

    channel.expose(leaving, thread=thread)

    async def calling() -> None:
        opened()
        async with page_of(hub, echo=lambda value: value) as page:
            await page.call("leaving")
            assert (await page.error())["name"] == "SystemExit"
            assert await channel.call("echo", 1) == 1

    asyncio.run(calling())


def test_arguments_are_those_of_the_moment_of_the_call(hub: Hub, channel: Channel) -> None:
    async def calling() -> None:
        async with page_of(hub, echo=lambda value: value):
            value = [1]
            call = channel.call("echo", value)
            value.append(2)
            assert await call == [1]

    asyncio.run(calling())


def test_bytes_are_put_back_in_arguments(hub: Hub, channel: Channel) -> None:
    channel.expose(lambda *values: list(values), name="echo", thread="own")

    async def calling() -> None:
        async with page_of(hub) as page:
            await page.call("echo", {"a": [b"x", None, b""]}, "b")
            frame = await page.hear("result")
            value = unpack(frame.header["value"], frame.header["buffers"], frame.payload)
            assert value == [{"a": [b"x", None, b""]}, "b"]

    asyncio.run(calling())


def test_a_function_that_the_page_lacks_is_not_exposed(hub: Hub, channel: Channel) -> None:
    async def calling() -> None:
        async with page_of(hub) as page:
            call = channel.call("none")
            asked = await page.hear("call")
            await page.say("error", id=asked.header["id"], error={"name": "ReferenceError", "kind": "not-exposed"})
            with pytest.raises(NotExposed):
                await call

    asyncio.run(calling())


def test_nothing_is_left_when_a_page_was_called_cancelled_and_lost(hub: Hub, channel: Channel) -> None:
    def tasks() -> int:
        return hub.do(lambda: len(asyncio.all_tasks(hub.loop)))

    async def calling() -> None:
        before = await asyncio.to_thread(tasks)
        for _ in range(20):
            async with page_of(hub, echo=lambda value: value) as page:
                hanging = [channel.call("hang", timeout=None) for _ in range(3)]
                hanging[0].cancel()
                await channel.call("echo", 1)
                await page.call("none")
            await asyncio.gather(*hanging, return_exceptions=True)
        await until(lambda: not hub.pages and tasks() <= before, "no page and no task")

    asyncio.run(calling())
