"""The functions that pages may call, and the threads on which they run."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from pyramid_notebook.channel.exposed import Exposed, Runner, Where, told
from pyramid_notebook.channel.threads import Workers


def run(function: Callable[..., Any], *arguments: Any, where: Where = "own") -> Any:
    """Run a function as a page would; the main loop is another one, in the thread of the test."""

    async def running(main: asyncio.AbstractEventLoop) -> Any:
        runner = Runner(asyncio.get_running_loop())
        runner.main = main
        try:
            return await runner.run(Exposed(function, where), list(arguments), lambda value: value)
        finally:
            runner.close()

    async def awaiting() -> Any:
        main = asyncio.get_running_loop()
        return await asyncio.to_thread(lambda: asyncio.run(running(main)))

    return asyncio.run(awaiting())


async def double(value: int) -> int:
    await asyncio.sleep(0)
    return 2 * value


@pytest.mark.parametrize("where", ["main", "own"])
@pytest.mark.parametrize("function", [double, lambda value: 2 * value, lambda value: double(value=value)])
def test_plain_functions_coroutine_functions_and_what_returns_coroutines_are_run(function: Any, where: Where) -> None:
    assert run(function, 4, where=where) == 8


def test_main_is_the_main_thread_and_own_is_not() -> None:
    assert run(threading.current_thread, where="main") is threading.main_thread()
    assert run(threading.current_thread, where="own") is not threading.main_thread()


@pytest.mark.parametrize("where", ["main", "own"])
@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, StopIteration, StopAsyncIteration, GeneratorExit])
def test_whatever_a_function_raises_is_its_callers_and_ends_no_loop(error: type[BaseException], where: Where) -> None:
    def failing() -> None:
        raise error

    async def failing_later() -> None:
        raise error

    for function in (failing, failing_later):
        with pytest.raises((error, RuntimeError)):
            run(function, where=where)


@pytest.mark.parametrize("is_closed", [False, True])
def test_without_a_main_loop_what_is_for_the_main_thread_fails_and_runs_nowhere(is_closed: bool) -> None:
    ran = []

    async def running() -> None:
        runner = Runner(asyncio.get_running_loop())
        if is_closed:
            runner.main = asyncio.new_event_loop()
            runner.main.close()
        await runner.run(Exposed(lambda: ran.append(1), "main"), [], lambda value: value)

    with pytest.raises(RuntimeError, match="no event loop"):
        asyncio.run(running())
    assert not ran


def test_a_function_that_never_returns_does_not_keep_the_process_from_ending(run_python: Any) -> None:
    ended = run_python(
        "import asyncio, threading\n"
        "from pyramid_notebook.channel.threads import Workers\n"
        "begun = threading.Event()\n"
        "async def main():\n"
        "    workers = Workers(asyncio.get_running_loop(), 1)\n"
        "    asyncio.ensure_future(workers.run(lambda: (begun.set(), threading.Event().wait())))\n"
        "    await asyncio.to_thread(begun.wait)\n"
        "asyncio.run(main())\n"
        "print('ended')\n"
    )
    assert ended.stdout == "ended\n", ended.stderr


def test_more_functions_than_threads_wait_for_one() -> None:
    async def running() -> None:
        workers = Workers(asyncio.get_running_loop(), 2)
        go = threading.Event()
        held = [asyncio.create_task(workers.run(go.wait)) for _ in range(2)]
        later = [asyncio.create_task(workers.run(lambda value=value: value)) for value in range(5)]
        forgotten = asyncio.create_task(workers.run(lambda: pytest.fail("nobody waits for it")))
        await asyncio.sleep(0)
        forgotten.cancel()
        go.set()
        assert await asyncio.gather(*held, *later) == [True, True, 0, 1, 2, 3, 4]
        workers.close()

    asyncio.run(running())


def test_what_is_told_of_an_exception_begins_in_the_function() -> None:
    def failing() -> None:
        raise ValueError("żółw")

    with pytest.raises(ValueError, match="żółw") as caught:
        run(failing)
    found = told(caught.value)
    assert (found["name"], found["message"], found["kind"]) == ("ValueError", "żółw", "exception")
    assert "in failing" in found["trace"]


def test_an_exception_is_told_however_long_and_whatever_it_says() -> None:
    found = told(ValueError("\udcff" + "x" * 1_000_000))
    assert found["message"].startswith("\\udcffxxx")
    assert found["name"] == "ValueError"
    assert len(str(found).encode()) < 1_000_000


def test_an_exception_that_cannot_be_printed_is_told_all_the_same() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert told(Mute())["name"] == "Mute"
