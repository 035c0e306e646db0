"""A connection that stays: it is dialled again when it breaks off, and what was asked meanwhile is asked again."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, Protocol

from ..errors import AnswerLost, NotebookError, SiteError, SiteUnreachable
from ..site_client import shown
from ..sync.client.sites import Site
from ..sync.client.transport import is_passing
from .events import Event, event_of
from .feeds import Waiting
from .messages import Answer, read, request
from .posting import PATH
from .wire import Wire

#: Seconds for which a call waits for its answer.
ANSWER_SECONDS = 120.0
#: Seconds for which a server that is just being started is waited for.
START_SECONDS = 60.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0


class Reopened(NamedTuple):
    """What is told to a listener when its session is open again.

    Attributes:
        result: of ``session.open``.
        error: why it is not.
    """

    result: dict[str, Any]
    error: NotebookError | None


class Listener(Protocol):
    """Whoever has sessions on a connection."""

    def reopenings(self) -> dict[str, dict[str, Any]]:
        """Return, by session, with which parameters it has to be opened on a new connection."""

    def reopened(self, session: str, answer: Reopened) -> None:
        """Hear what came of that."""

    def take(self, event: Event) -> None:
        """Hear an event."""

    def connection_changed(self, *, is_open: bool) -> None:
        """Hear that the connection has broken off, or is there again."""

    def failed(self, error: NotebookError) -> None:
        """Hear that there will be no connection any more."""


class Connection:
    """Calls methods, and hears events, over one websocket after another.

    Args:
        site: where.
        listener: hears events, in a thread of this connection.
        patience: seconds without a connection after which it is given up.
        clock: tells seconds that never go back.
    """

    def __init__(
        self,
        site: Site,
        listener: Listener,
        *,
        patience: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._site = site
        self._listener = listener
        self._patience = patience
        self._clock = clock
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._waiting: dict[int | str, Waiting] = {}
        self._wire: Wire | None = None
        self._is_ready = False
        self._was_ready = False
        self._error: NotebookError | None = None
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is a connection just now."""
        return self._is_ready

    def call(
        self, method: str, params: dict[str, Any], *, seconds: float = ANSWER_SECONDS, is_repeatable: bool = True
    ) -> Any:
        """Return the result of a method.

        Args:
            method: its name.
            params: its parameters.
            seconds: how long to wait for the answer.
            is_repeatable: whether it may be sent again when nobody knows whether it arrived.

        Raises:
            RpcRefused: the server answers with an error.
            AnswerLost: the connection broke off before the answer came, and it is not repeatable.
            Refusal: the site does not let it pass.
            SiteUnreachable: there is no answer.
        """
        number = next(self._numbers)
        waiting = Waiting(method, request(number, method, params), is_repeatable=is_repeatable)
        with self._lock:
            if self._error and not self._may_try_again():
                raise self._error
            self._waiting[number] = waiting
            wire = self._wire if self._is_ready else None
            if self._thread is None:
                self._error = None
                self._was_ready = False
                self._thread = threading.Thread(target=self._run, name="pyramid-notebook", daemon=True)
                self._thread.start()
        try:
            if wire:
                self._send(wire, waiting)
            return waiting.get(seconds)
        except TimeoutError:
            raise SiteUnreachable(f"{method} was not answered within {seconds:g} seconds.") from None
        finally:
            with self._lock:
                self._waiting.pop(number, None)

    def close(self) -> None:
        """Close the connection, and end its thread."""
        self._closing.set()
        if self._wire:
            self._wire.close()
        with self._lock:  # one that is just being begun can be waited for only then
            thread = self._thread
        if thread and thread is not threading.current_thread():
            thread.join(5)
        self._fail(SiteError("The client was closed."))

    def break_off(self) -> None:
        """Drop the connection as if the network had failed; the next one is dialled at once."""
        if self._wire:
            self._wire.break_off()

    def _may_try_again(self) -> bool:
        """Tell whether what has ended the connection may have passed; the next call dials then."""
        if self._closing.is_set() or not self._error or not is_passing(self._error):
            return False
        self._thread = None
        return True

    def _send(self, wire: Wire, waiting: Waiting) -> None:
        try:
            wire.send(waiting.text)
        except SiteUnreachable:
            wire.break_off()  # the thread that reads notices, and sends again what may be

    def _run(self) -> None:
        wire = None
        try:
            while not self._closing.is_set():
                wire = self._wire = self._dialled()
                if wire is None:
                    return
                try:
                    messages = wire.messages()
                    self._resume(wire, messages)
                    for text in messages:
                        self._take(text)
                except SiteUnreachable:
                    self._has_broken_off()
        except NotebookError as error:
            self._fail(error)
        except Exception as error:  # whoever waits must not wait for ever
            self._fail(SiteError(f"The client has failed: {type(error).__name__}: {shown(str(error))}"))
        finally:
            if wire:
                wire.break_off()

    def _dialled(self) -> Wire | None:
        """Return a new connection, None where nobody wants one any more."""
        end = self._clock() + (self._patience if self._was_ready else START_SECONDS)
        pause = _FIRST_PAUSE
        while not self._closing.is_set():
            try:
                return Wire(self._site, PATH)
            except SiteError as error:
                is_starting = getattr(error, "is_passing", False)
                may_pass = is_passing(error) if self._was_ready else is_starting
                if not may_pass or self._clock() + pause > end:
                    raise
            self._closing.wait(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
        return None

    def _resume(self, wire: Wire, messages: Iterator[bytes]) -> None:
        """Open again what was open, and ask again what was not answered."""
        open_calls = {}
        for session, params in self._listener.reopenings().items():
            number = f"open-{next(self._numbers)}"
            open_calls[number] = session
            wire.send(request(number, "session.open", params))
        while open_calls:
            for message in read(next(messages)):
                if isinstance(message, Answer) and isinstance(message.id, str) and message.id in open_calls:
                    result = message.result if isinstance(message.result, dict) else {}
                    self._listener.reopened(open_calls.pop(message.id), Reopened(result, message.error))
                else:
                    self._take_message(message)
        with self._lock:
            waiting = list(self._waiting.values())
            is_again, self._was_ready, self._is_ready = self._was_ready, True, True
        if is_again:
            self._listener.connection_changed(is_open=True)
        for call in waiting:
            wire.send(call.text)

    def _has_broken_off(self) -> None:
        with self._lock:
            was_ready, self._is_ready = self._is_ready, False
            lost = [number for number, call in self._waiting.items() if was_ready and not call.is_repeatable]
            calls = [self._waiting.pop(number) for number in lost]
        for call in calls:
            text = f"The connection broke off before {call.method} was answered. Whether it was done is not known."
            call.set(None, AnswerLost(text))
        if was_ready and not self._closing.is_set():
            self._listener.connection_changed(is_open=False)

    def _take(self, text: bytes) -> None:
        for message in read(text):
            self._take_message(message)

    def _take_message(self, message: Any) -> None:
        if isinstance(message, Answer):
            with self._lock:
                if message.id is None:  # the server could not read one of them, and does not know which
                    calls, self._waiting = list(self._waiting.values()), {}
                else:
                    found = self._waiting.pop(message.id, None) if isinstance(message.id, int) else None
                    calls = [found] if found else []
            for call in calls:
                call.set(message.result, message.error)
        elif event := event_of(message.method, message.params):
            self._listener.take(event)

    def _fail(self, error: NotebookError) -> None:
        with self._lock:
            if self._error:
                return
            self._error = error
            self._is_ready = False
            calls = list(self._waiting.values())
        for call in calls:
            call.set(None, error)
        self._listener.failed(error)
