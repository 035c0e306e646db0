"""Follows a call that goes on in the user's server, over broken connections and restarts of the site."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from ...errors import CallTimeout, NotebookError, SiteError
from ...sync.client.events import Event, EventReader
from ...sync.client.patience import PATIENCE_SECONDS
from ...sync.client.terminal import complain
from ...sync.client.transport import is_passing
from .asking import SILENCE_SECONDS, Answer, Asker
from .progress import Display, cell_of
from .target import Target

_STREAM = "text/event-stream"
#: Seconds without any byte; a stream has a comment every 15 seconds.
_SILENCE_SECONDS = 45.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0
_CANCEL_SECONDS = 10.0


class Follower:
    """One call that goes on.

    Args:
        asker: asks its site.
        target: with the id of the call.
        display: is told how far it is.
        timeout: seconds after which it is cancelled; 0 for never.
    """

    def __init__(self, asker: Asker, target: Target, display: Display, timeout: float) -> None:
        self._asker = asker
        self._target = target
        self._display = display
        self._timeout = timeout
        self._end = asker.patience.clock() + timeout if timeout else None
        self._heard = asker.patience.clock()
        self._last_id = ""
        self._is_over = False

    def result(self) -> Answer:
        """Wait for the end, and return what came of it; Ctrl-C cancels the call.

        Raises:
            CallTimeout: it took too long, and was cancelled.
            NotebookError: it failed, is forgotten, or the site does not answer any more.
        """
        try:
            pause = _FIRST_PAUSE
            while not self._is_over:
                try:
                    before = self._last_id
                    self._listen()
                    pause = _FIRST_PAUSE if self._last_id != before else pause
                except SiteError as error:
                    self._check_time()
                    if not is_passing(error) or self._asker.patience.clock() - self._heard > PATIENCE_SECONDS:
                        raise
                if not self._is_over:
                    self._check_time()
                    self._asker.patience.wait(pause)
                    pause = min(pause * 2, _LONGEST_PAUSE)
            self._display.end()
        except KeyboardInterrupt:
            self._cancel()
            raise
        return self._fetch()

    def _listen(self) -> None:
        fields = {"Accept": _STREAM, **({"Last-Event-ID": self._last_id} if self._last_id else {})}
        reader = EventReader()
        with self._asker.ask(
            "GET", self._target.of_run(self._target.run, "events"), fields=fields, seconds=self._seconds()
        ) as answer:
            if answer.type != _STREAM:
                raise SiteError("The site's answer cannot be understood: it is no stream of events.")
            for chunk in answer.chunks():
                self._heard = self._asker.patience.clock()
                for event in reader.feed(chunk):
                    self._take(event)
                self._last_id = reader.last_id or self._last_id
                if self._is_over:
                    return
                self._check_time()

    def _take(self, event: Event) -> None:
        if event.name == "end":
            self._is_over = True
        elif event.name == "cell":
            cell = cell_of(_values(event))
            if cell:
                self._display.show(*cell)

    def _seconds(self) -> float:
        left = self._end - self._asker.patience.clock() if self._end else _SILENCE_SECONDS
        return max(0.05, min(left, _SILENCE_SECONDS))

    def _check_time(self) -> None:
        if self._end and self._asker.patience.clock() >= self._end:
            self._cancel(is_told=False)
            raise CallTimeout(f"The call took longer than {self._timeout:g} seconds, and was cancelled.")

    def _fetch(self) -> Answer:
        end = self._asker.patience.clock() + PATIENCE_SECONDS
        while True:
            try:
                return self._asker.ask("GET", self._target.of_run(self._target.run, "result"), seconds=SILENCE_SECONDS)
            except SiteError as error:
                if not is_passing(error) or self._asker.patience.clock() > end:
                    raise
                self._asker.patience.wait(_FIRST_PAUSE)

    def _cancel(self, *, is_told: bool = True) -> None:
        try:
            address = self._target.of_run(self._target.run)
            self._asker.ask("DELETE", address, seconds=_CANCEL_SECONDS).close()
        except NotebookError as error:
            complain(f"pyramid-notebook: The call could not be cancelled, and may go on: {error}")
        else:
            if is_told:
                complain("pyramid-notebook: The call was cancelled.")


def _values(event: Event) -> dict[str, Any]:
    with suppress(ValueError, RecursionError):
        values = json.loads(event.data)
        if isinstance(values, dict):
            return values
    return {}
