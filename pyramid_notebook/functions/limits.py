"""How many calls run at once in one user server, and how many wait for their turn."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from ..errors import TooManyCalls


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A call that waits."""

    notebook: str
    most: int
    turn: asyncio.Future[None]


class Gate:
    """Lets calls in, the first who came first, as long as there is room for one more call of its notebook.

    Args:
        at_once: how many calls may run at once.
        waiting: how many may wait, of one notebook half of that.
    """

    def __init__(self, at_once: int, waiting: int) -> None:
        self._at_once = at_once
        self._most_waiting = waiting
        self._running: Counter[str] = Counter()
        self._waiting: list[_Waiting] = []

    @property
    def running(self) -> int:
        """How many calls run now."""
        return self._running.total()

    @property
    def waiting(self) -> int:
        """How many wait now."""
        return len(self._waiting)

    @asynccontextmanager
    async def place(self, notebook: str, most: int = 0) -> AsyncIterator[None]:
        """Wait for a place, and hold it.

        Args:
            notebook: whose call it is.
            most: how many calls of this notebook may run at once; 0 for as many as there are places.

        Raises:
            TooManyCalls: there are too many that wait.
        """
        if self._waiting or not self._has_room(notebook, most):
            self._check_queue(notebook)
            waiting = _Waiting(notebook, most, asyncio.get_running_loop().create_future())
            self._waiting.append(waiting)
            self._let_in()
            try:
                await waiting.turn
            except asyncio.CancelledError:
                if waiting in self._waiting:
                    self._waiting.remove(waiting)
                elif waiting.turn.done() and not waiting.turn.cancelled():  # its turn came just then
                    self._leave(notebook)
                raise
        else:
            self._running[notebook] += 1
        try:
            yield
        finally:
            self._leave(notebook)

    def _has_room(self, notebook: str, most: int) -> bool:
        return self.running < self._at_once and (not most or self._running[notebook] < most)

    def _check_queue(self, notebook: str) -> None:
        if len(self._waiting) >= self._most_waiting:
            error = TooManyCalls("Too many calls of notebooks wait already.", retry_after=2)
            error.status = 503
            raise error
        if sum(other.notebook == notebook for other in self._waiting) >= max(1, self._most_waiting // 2):
            raise TooManyCalls("Too many calls of this notebook wait already.")

    def _let_in(self) -> None:
        for waiting in list(self._waiting):
            if self.running >= self._at_once:
                return
            if self._has_room(waiting.notebook, waiting.most):
                self._waiting.remove(waiting)
                if not waiting.turn.done():
                    self._running[waiting.notebook] += 1
                    waiting.turn.set_result(None)

    def _leave(self, notebook: str) -> None:
        self._running[notebook] -= 1
        if not self._running[notebook]:
            del self._running[notebook]
        self._let_in()
