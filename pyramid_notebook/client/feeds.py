"""Events on their way from the thread that hears them to whoever iterates over them."""

from __future__ import annotations

import queue
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Self

from ..errors import NotebookError
from .events import Event


class Events(ABC):
    """An iterator of events, each as soon as it is there."""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        event = self.get()
        if event is None:
            raise StopIteration
        return event

    @abstractmethod
    def get(self, seconds: float | None = None) -> Event | None:
        """Return the next event, None where there will be none.

        Args:
            seconds: how long to wait; None for as long as it takes.

        Raises:
            TimeoutError: none came in time.
            NotebookError: the session has ended, and this is why.
        """


class Feed(Events):
    """An iterator of events, each as soon as it is there; it ends with its session.

    Args:
        on_close: called when it is closed.
    """

    def __init__(self, on_close: Callable[[Feed], None]) -> None:
        self._queue: queue.SimpleQueue[Event | NotebookError | None] = queue.SimpleQueue()
        self._on_close = on_close

    def __enter__(self) -> Feed:
        return self

    def __exit__(self, *about: object) -> None:
        self.close()

    def get(self, seconds: float | None = None) -> Event | None:
        """Return the next event, see :meth:`Events.get`."""
        try:
            item = self._queue.get(timeout=seconds)
        except queue.Empty:
            raise TimeoutError("No event came in time.") from None
        if isinstance(item, Event):
            return item
        self._queue.put(item)  # whoever asks again is told the same
        if item is None:
            return None
        raise item

    def put(self, event: Event) -> None:
        """Give an event to whoever iterates."""
        self._queue.put(event)

    def end(self, error: NotebookError | None = None) -> None:
        """Say that nothing more comes, and why."""
        self._queue.put(error)

    def close(self) -> None:
        """Hear nothing more."""
        self._on_close(self)
        self.end()


class Waiting:
    """A call whose answer is waited for.

    Args:
        method: what was called.
        text: of the message.
        is_repeatable: whether it may be sent again when nobody knows whether it arrived.
    """

    def __init__(self, method: str, text: str, *, is_repeatable: bool) -> None:
        self.method = method
        self.text = text
        self.is_repeatable = is_repeatable
        self._answer: queue.SimpleQueue[tuple[Any, NotebookError | None]] = queue.SimpleQueue()

    def set(self, result: Any, error: NotebookError | None) -> None:
        """Give the answer."""
        self._answer.put((result, error))

    def get(self, seconds: float) -> Any:
        """Return the result.

        Raises:
            TimeoutError: there is no answer in time.
            NotebookError: it is an error.
        """
        try:
            result, error = self._answer.get(timeout=seconds)
        except queue.Empty:
            raise TimeoutError from None
        if error:
            raise error
        return result
