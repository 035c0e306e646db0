"""Code that runs in a kernel, and what is told of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from ..errors import NotebookError
from .events import Event, Outcome, outcome_of
from .feeds import Events, Feed

if TYPE_CHECKING:
    from .session import Session

_END_SECONDS = 5.0  # between two events of code that was interrupted
#: Answers an ``input()``: gets the prompt, and whether what is typed must not be shown.
Reply = Callable[[str, bool], str]


class Execution(Events):
    """One piece of code that a session runs: an iterator of its events, which ends after the one of kind ``end``.

    Between them stands one of kind ``lost`` where the server could not keep so many.

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
            elif event.execution == self.id or event.kind == "lost":
                self._events.append(event)
                if event.kind == "end":
                    self._is_over = True
                    self._feed.close()
                return event
        return None

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
