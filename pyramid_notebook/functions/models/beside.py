"""Asynchronous work for callers that are not: in a thread with an event loop of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from queue import SimpleQueue
from typing import TypeVar

from ..protocol import Event

_T = TypeVar("_T")


def beside(work: Callable[[Callable[[Event], None]], Awaitable[_T]], on_event: Callable[[Event], None]) -> _T:
    """Return what some work comes to, whether or not a loop runs in this thread.

    When `on_event` raises an exception, or Ctrl-C is pressed, the work is cancelled, and its end is waited for.

    Args:
        work: gets what it tells its events to.
        on_event: is told them, in this thread.
    """
    events: SimpleQueue[Event | None] = SimpleQueue()
    outcome: Future[_T] = Future()
    begun: Future[tuple[asyncio.AbstractEventLoop, asyncio.Task[_T]]] = Future()

    async def main() -> _T:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - for the type checker
        begun.set_result((asyncio.get_running_loop(), task))
        return await work(events.put)

    def run() -> None:
        try:
            outcome.set_result(asyncio.run(main()))
        except BaseException as error:
            outcome.set_exception(error)
        finally:
            events.put(None)

    thread = threading.Thread(target=copy_context().run, args=(run,), name="notebook-kernel")
    thread.start()
    try:
        while (event := events.get()) is not None:
            on_event(event)
    except BaseException:
        loop, task = begun.result()
        with suppress(RuntimeError):  # it has ended by itself
            loop.call_soon_threadsafe(task.cancel)
        thread.join()
        raise
    thread.join()
    return outcome.result()
