"""Between the threads of a kernel: that of its cells, the channel's own, and those of functions that may block."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import Any

from .loops import Crossing, Made, Outcome, value_of

_Work = tuple[Callable[[], Any], "asyncio.Future[Any]"]


class Workers:
    """Threads that end with the process, whatever they wait for.

    Args:
        loop: on which is waited for them.
        most: how many there are at once; what comes then waits for one.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, most: int) -> None:
        self._loop = loop
        self._most = most
        self._queue: SimpleQueue[_Work | None] = SimpleQueue()
        self._threads = 0
        self._wanted = 0  # running, or in the queue

    async def run(self, work: Callable[[], Any]) -> Any:
        """Return what a function returns on a thread; one that nobody waits for any more is not begun."""
        future = self._loop.create_future()
        self._wanted += 1
        if self._wanted > self._threads and self._threads < self._most:
            self._threads += 1
            threading.Thread(target=self._work, name="notebook-channel-worker", daemon=True).start()
        self._queue.put((work, future))
        return await future

    def close(self) -> None:
        """End the threads that have nothing to do, and the others when they are done."""
        for _ in range(self._threads):
            self._queue.put(None)

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            work, future = item
            value, error = (None, None) if future.cancelled() else _outcome(work)
            with suppress(RuntimeError):  # the loop is closed: nobody waits
                self._loop.call_soon_threadsafe(self._done, future, value, error)
            del item, work, future, value, error  # an idle thread keeps nothing alive

    def _done(self, future: asyncio.Future[Any], value: Any, error: BaseException | None) -> None:
        self._wanted -= 1
        if future.done():
            return
        if isinstance(error, StopIteration):  # which a future does not take
            future.set_exception(RuntimeError("The function raised StopIteration."))
        elif error is not None:
            future.set_exception(error)
        else:
            future.set_result(value)


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the loop that runs in this thread, or None."""
    with suppress(RuntimeError):
        return asyncio.get_running_loop()
    return None


def waited(loop: asyncio.AbstractEventLoop, make: Made, seconds: float | None) -> Any:
    """Return what a coroutine returns on another thread's loop; where the wait fails, it is cancelled.

    An interrupt (SIGINT) of the main thread ends the wait at once, and is noticed nowhere else.

    Args:
        loop: where it runs.
        make: makes it.
        seconds: to wait; None for ever.

    Raises:
        ChannelClosed: that loop is closed.
        TimeoutError: it takes longer.
        KeyboardInterrupt: the user interrupts the kernel.
    """
    is_interrupted = is_waiting = False
    outcome: Outcome = (None, None)

    def interrupt(*_: object) -> None:
        nonlocal is_interrupted
        is_interrupted = True
        if is_waiting:
            raise KeyboardInterrupt

    def told(found: Outcome) -> None:
        nonlocal outcome
        outcome = found
        done.release()

    previous = signal.getsignal(signal.SIGINT) if threading.current_thread() is threading.main_thread() else None
    if previous is not None:
        signal.signal(signal.SIGINT, interrupt)
    limit = -1 if seconds is None else min(max(0.0, seconds), threading.TIMEOUT_MAX)
    done = threading.Lock()
    done.acquire()
    try:
        crossing = Crossing(loop, make, told)
        try:
            is_waiting = True
            is_over = not is_interrupted and done.acquire(timeout=limit)
        except KeyboardInterrupt:
            is_over = False
        finally:
            is_waiting = False
        if not is_over:
            crossing.cancel()
        if is_interrupted:
            raise KeyboardInterrupt
        if not is_over:
            raise TimeoutError
        return value_of(*outcome)
    finally:
        outcome = (None, None)  # an error's traceback holds this frame
        if previous is not None:
            signal.signal(signal.SIGINT, previous)


@contextmanager
def interruptible() -> Iterator[None]:
    """Let an interrupt (SIGINT) end what blocks the main thread; while a cell awaits, ipykernel keeps it from that."""
    previous = signal.getsignal(signal.SIGINT) if threading.current_thread() is threading.main_thread() else None
    if previous is None:
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


def _outcome(work: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    try:
        return work(), None
    except BaseException as error:
        return None, error
