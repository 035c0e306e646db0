"""Code that runs in a kernel, and what is told of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from ..errors import NotebookError
from .events import Event, Outcome, outcome_of
from .feeds import Events, Feed

if TYPE_CHECKING:
    from .session import Session

_END_SECONDS = 5.0  # between two events of code that was interrupted
#: Without an event, until the server is asked whether the end is among those that are lost.
ASK_SECONDS = 1.0
#: Answers an ``input()``: gets the prompt, and whether what is typed must not be shown.
Reply = Callable[[str, bool], str]


class Execution(Events):
    """One piece of code that a session runs: an iterator of its events, which ends after the one of kind ``end``.

    Between them stands one of kind ``lost`` where the server could not keep so many. If the end was among those, one
    that tells its status alone stands for it; ``aborted`` where nobody knows, because the server was started anew.

    Args:
        session: which.
        feed: events of the session, from before it was run.
        id_: of the execution.
    """

    def __init__(self, session: Session, feed: Feed, id_: str) -> None:
        self.session = session
        self.id = id_
        self._feed = feed
        self._events: list[Event] = []
        self._is_over = self._has_lost = False
        self._seq = session.seq

    def get(self, seconds: float | None = None) -> Event | None:
        """Return the next event, None after the last one, see :meth:`Events.get`."""
        while not self._is_over:
            event = self._next(seconds)
            if event is None:
                self._is_over = True
            elif event.execution == self.id or event.kind == "lost":
                self._events.append(event)
                if event.kind == "end":
                    self._is_over = True
                    self._feed.close()
                self._has_lost |= event.kind == "lost"
                return event
        return None

    def _next(self, seconds: float | None) -> Event | None:
        """Return the next event of the session; where some are lost, the end may be one of them."""
        until = None if seconds is None else time.monotonic() + seconds
        while self._has_lost:
            left = ASK_SECONDS if until is None else until - time.monotonic()
            with suppress(TimeoutError):
                return self._taken(self._feed.get(max(0.0, min(left, ASK_SECONDS))))
            if (end := self.lost_end(self._seq)) is not None:
                return end
            if left < ASK_SECONDS:
                raise TimeoutError("No event came in time.")
        return self._taken(self._feed.get(seconds))

    def _taken(self, event: Event | None) -> Event | None:
        if event is not None and event.seq:
            self._seq = event.seq
        return event

    def lost_end(self, after: int) -> Event | None:
        """Ask the server, and return what stands for the end where that is lost; None where it is still to come.

        Args:
            after: number of the last event of the session that was seen.

        Raises:
            NotebookError: see :meth:`Session.call`.
        """
        told = self.session.call("session.events", after=after, execution=self.id, limit=1)
        status = told.get("status", "running") if isinstance(told, dict) else "running"
        if status == "running" or told.get("events"):
            return None
        values = {"status": "aborted" if status == "unknown" else status, "count": None}
        return Event("end", values, 0, self.id, {}, self.session.id)

    def wait(self, reply: Reply | None = None) -> Outcome:
        """Return what came of it when it has ended.

        Args:
            reply: answers each ``input()``; what it raises is raised here, and the code is interrupted.

        Raises:
            NotebookError: the session has ended first.
        """
        for event in self:
            if event.kind == "input_request" and reply:
                try:
                    answer = reply(event.text("prompt"), bool(event.values.get("password")))
                except BaseException:
                    self._give_up()
                    raise
                self.session.reply(self.id, answer)
        if not self._events or self._events[-1].kind != "end":
            raise NotebookError("The session was closed before the execution ended.")
        return outcome_of(self._events)

    def _give_up(self) -> None:
        """Interrupt it, and see it end: what is sent to the kernel before that fails with it."""
        with suppress(NotebookError, TimeoutError):
            self.session.interrupt()
            while self.get(_END_SECONDS) is not None:
                pass

    def close(self) -> None:
        """Hear nothing more of it; it goes on."""
        self._is_over = True
        self._feed.close()
