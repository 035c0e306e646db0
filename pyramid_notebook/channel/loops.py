"""From one event loop to that of another thread, and back with what came of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ..errors import ChannelClosed

_TICK_SECONDS = 0.15


async def crossed(loop: asyncio.AbstractEventLoop, make: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Return what a coroutine returns on another thread's loop; cancelling goes across as well.

    Meanwhile a main thread that awaits is woken every now and then: only then does it notice that the user interrupts
    the kernel (ipykernel issue 881).

    Args:
        loop: where it runs.
        make: makes it.

    Raises:
        ChannelClosed: that loop is closed.
    """
    here = asyncio.get_running_loop()
    if here is loop:
        return await make()
    with _ticking(here):
        value, error = await _Crossing(here, loop, make).outcome()
    if error is not None:
        try:
            raise error
        finally:
            del error  # its traceback holds this frame
    return value


class _Crossing:
    """A coroutine on one loop for which another loop waits, with one callback each way.

    Args:
        here: the loop that waits, and runs this.
        there: the other one.
        make: makes the coroutine.

    Raises:
        ChannelClosed: the other loop is closed.
    """

    def __init__(
        self,
        here: asyncio.AbstractEventLoop,
        there: asyncio.AbstractEventLoop,
        make: Callable[[], Coroutine[Any, Any, Any]],
    ) -> None:
        self._here, self._there, self._make = here, there, make
        self._done: asyncio.Future[tuple[Any, BaseException | None]] = here.create_future()
        self._task: asyncio.Task[tuple[Any, BaseException | None]] | None = None
        try:
            there.call_soon_threadsafe(self._begin)
        except RuntimeError as error:
            raise ChannelClosed from error

    async def outcome(self) -> tuple[Any, BaseException | None]:
        """Return the value, or what was raised; where nobody waits any more, the coroutine is cancelled."""
        try:
            return await self._done
        except asyncio.CancelledError:
            with suppress(RuntimeError):  # that loop is closed, and all its tasks with it
                self._there.call_soon_threadsafe(self._cancel)
            raise

    # there

    def _begin(self) -> None:
        if not self._done.cancelled():
            self._task = self._there.create_task(_caught(self._make))
            self._task.add_done_callback(self._over)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _over(self, task: asyncio.Task[tuple[Any, BaseException | None]]) -> None:
        with suppress(RuntimeError):  # the loop that waited is closed
            self._here.call_soon_threadsafe(self._tell, task)

    # here

    def _tell(self, task: asyncio.Task[tuple[Any, BaseException | None]]) -> None:
        if self._done.done():
            return
        if task.cancelled():
            self._done.cancel()
        else:
            self._done.set_result(task.result())


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


async def _caught(make: Callable[[], Coroutine[Any, Any, Any]]) -> tuple[Any, BaseException | None]:
    # a SystemExit that leaves a task ends its loop, and the kernel with it
    try:
        return await make(), None
    except asyncio.CancelledError:
        raise
    except BaseException as error:
        return None, error
