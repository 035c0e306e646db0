"""From one event loop to that of another thread, and back with what came of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ..errors import ChannelClosed

#: Makes a coroutine.
Made = Callable[[], Coroutine[Any, Any, Any]]
#: What a coroutine has returned, or what it raised.
Outcome = tuple[Any, BaseException | None]
_TICK_SECONDS = 0.15


async def crossed(loop: asyncio.AbstractEventLoop, make: Made) -> Any:
    """Return what a coroutine returns on another thread's loop; cancelling goes across as well.

    Args:
        loop: where it runs.
        make: makes it.

    Raises:
        ChannelClosed: that loop is closed.
    """
    here = asyncio.get_running_loop()
    if here is loop:
        return await make()
    begun, done = _begun(here, loop, make)
    try:
        return await _waiting(here, done)
    except asyncio.CancelledError:
        begun.cancel()
        raise


def crossing(loop: asyncio.AbstractEventLoop, make: Made) -> asyncio.Task[Any]:
    """Begin a coroutine on another thread's loop, at once, and return what waits for it here; see :func:`crossed`."""
    here = asyncio.get_running_loop()
    if here is loop:
        return here.create_task(make())
    begun, done = _begun(here, loop, make)
    task = here.create_task(_waiting(here, done))
    # a task that is cancelled before it begins runs no `except` of its own
    task.add_done_callback(lambda over: begun.cancel() if over.cancelled() else None)
    return task


class Crossing:
    """A coroutine that another thread runs on its loop.

    Args:
        loop: of that thread.
        make: makes it.
        told: called once with what came of it, on that thread; never, where nobody waits any more.

    Raises:
        ChannelClosed: the loop is closed.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, make: Made, told: Callable[[Outcome], None]) -> None:
        self._loop, self._make, self._told = loop, make, told
        self._task: asyncio.Task[None] | None = None
        self._is_wanted = True
        try:
            loop.call_soon_threadsafe(self._begin)
        except RuntimeError as error:
            raise ChannelClosed from error

    def cancel(self) -> None:
        """Have it cancelled, from any thread; nothing of it is told any more."""
        self._is_wanted = False
        with suppress(RuntimeError):  # the loop is closed, and all its tasks with it
            self._loop.call_soon_threadsafe(self._cancel)

    # on its loop

    def _begin(self) -> None:
        if self._is_wanted:
            self._task = self._loop.create_task(self._run())
            self._task.add_done_callback(self._over)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        try:
            outcome: Outcome = (await self._make(), None)
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # a SystemExit that leaves a task ends its loop, and the kernel with it
            outcome = None, error
        self._tell(outcome)  # at once: a task's own callbacks come a turn of the loop later
        del outcome  # the error's traceback holds this frame

    def _over(self, task: asyncio.Task[None]) -> None:
        if task.cancelled():
            self._tell((None, asyncio.CancelledError()))

    def _tell(self, outcome: Outcome) -> None:
        if self._is_wanted:
            self._is_wanted = False
            self._told(outcome)


def _begun(
    here: asyncio.AbstractEventLoop, there: asyncio.AbstractEventLoop, make: Made
) -> tuple[Crossing, asyncio.Future[Outcome]]:
    done: asyncio.Future[Outcome] = here.create_future()

    def told(outcome: Outcome) -> None:
        with suppress(RuntimeError):  # the loop that waited is closed
            here.call_soon_threadsafe(settle, outcome)

    def settle(outcome: Outcome) -> None:
        if done.done():
            return
        if isinstance(outcome[1], asyncio.CancelledError):
            done.cancel()
        else:
            done.set_result(outcome)

    return Crossing(there, make, told), done


async def _waiting(here: asyncio.AbstractEventLoop, done: asyncio.Future[Outcome]) -> Any:
    """Wait; a main thread is woken every now and then, for only then does it notice an interrupt (ipykernel #881)."""
    with _ticking(here):
        outcome = await done
    return value_of(*outcome)


def value_of(value: Any, error: BaseException | None) -> Any:
    """Return what a coroutine has returned, or raise what it raised.

    Raises:
        ChannelClosed: it was cancelled, because its loop ends.
    """
    if error is None:
        return value
    try:
        raise ChannelClosed if isinstance(error, asyncio.CancelledError) else error
    finally:
        del error  # its traceback holds this frame


@contextmanager
def _ticking(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Wake the loop of the main thread every now and then; any other is left alone."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    handle: asyncio.TimerHandle

    def tick() -> None:
        nonlocal handle
        handle = loop.call_later(_TICK_SECONDS, tick)

    handle = loop.call_later(_TICK_SECONDS, tick)
    try:
        yield
    finally:
        handle.cancel()
