"""Code that runs in a kernel, and what is told of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import NotebookError
from .events import Event, Outcome, outcome_of
from .feeds import Events, Feed

if TYPE_CHECKING:
    from .session import Session

#: Answers an ``input()``: gets the prompt, and whether what is typed must not be shown.
Reply = Callable[[str, bool], str]


class Execution(Events):
    """One piece of code that a session runs: an iterator of its events, which ends after the one of kind ``end``.

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
        self._is_over = False

    def get(self, seconds: float | None = None) -> Event | None:
        """Return the next event, None after the last one, see :meth:`Events.get`."""
        while not self._is_over:
            event = self._feed.get(seconds)
            if event is None:
                self._is_over = True
            elif event.execution == self.id:
                self._events.append(event)
                if event.kind == "end":
                    self._is_over = True
                    self._feed.close()
                return event
        return None

    def wait(self, reply: Reply | None = None) -> Outcome:
        """Return what came of it when it has ended.

        Args:
            reply: answers each ``input()``.

        Raises:
            NotebookError: the session has ended first.
        """
        for event in self:
            if event.kind == "input_request" and reply:
                answer = reply(event.text("prompt"), bool(event.values.get("password")))
                self.session.reply(self.id, answer)
        if not self._events or self._events[-1].kind != "end":
            raise NotebookError("The session was closed before the execution ended.")
        return outcome_of(self._events)

    def close(self) -> None:
        """Hear nothing more of it; it goes on."""
        self._is_over = True
        self._feed.close()
