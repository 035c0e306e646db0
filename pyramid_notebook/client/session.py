"""A session: a kernel of the user's own server, as one of its frontends sees it."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import AnswerLost, NotebookError, SiteError
from .events import CONNECTION, Event, Outcome
from .execution import Execution, Reply
from .feeds import Feed

if TYPE_CHECKING:
    from .connection import Connection, Reopened


class Session:
    """A kernel that is attached to; made by :meth:`~pyramid_notebook.client.NotebookClient.open`.

    Several threads may use it.

    Attributes:
        id: of the session; who knows it and is not its user gets nothing.
        kernel: id of the kernel.
        notebook: path of the notebook to which its cells are added; None for none.
        url: address of the notebook's page; empty for none.
        kernel_name: name of the kernel's specification.
        language: ``name``, ``version`` and ``pygments_lexer`` of the kernel's language.
        banner: what the kernel says of itself.
        count: number of the last input.
        state: ``idle``, ``busy``, ``starting``, ``restarting`` or ``dead``.
        seq: number of the last event that was heard.

    Args:
        connection: over which it is spoken to.
        opened: what the server says of it.
        params: with which it was opened.
        url: see above.
        on_close: called when it is closed.
    """

    def __init__(
        self,
        connection: Connection,
        opened: dict[str, Any],
        params: dict[str, Any],
        url: str,
        on_close: Callable[[Session], None],
    ) -> None:
        self._connection = connection
        self._params = params
        self._on_close = on_close
        #: By which the server knows this frontend again, on whatever connection.
        self._key: dict[str, Any] = {name: params[name] for name in ("key",) if name in params}
        self._lock = threading.Lock()
        self._feeds: list[Feed] = []
        self._asking: dict[str, bool] = {}
        self._error: NotebookError | None = None
        self._is_closed = False
        self.id = _text(opened, "session")
        self.kernel = _text(opened, "kernel")
        if not self.id or not self.kernel:
            raise SiteError("The server's answer cannot be understood: it names no session.")
        self.notebook = _text(opened, "notebook") or None
        self.kernel_name = _text(opened, "kernel_name")
        self.url = url
        language = opened.get("language")
        self.language: dict[str, Any] = language if isinstance(language, dict) else {}
        self.banner = _text(opened, "banner")
        self.count = _number(opened, "count")
        self.state = _text(opened, "state")
        self.seq = params.get("after", _number(opened, "seq"))

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *about: object) -> None:
        self.close()

    def events(self) -> Feed:
        """Return an iterator of all events from now on, whoever runs something; close it after use.

        Beside those of the kernel it has some of kind ``connection``: its value ``state`` is ``lost`` or ``back``.
        """
        feed = Feed(self._without)
        with self._lock:
            if self._error or self._is_closed:
                feed.end(self._error)
            self._feeds.append(feed)
        return feed

    def execute(self, code: str, **options: Any) -> Execution:
        """Run code, and return at once what tells how it goes on.

        Args:
            code: of one cell, which is added to the session's notebook.
            options: ``silent``, ``store_history``, ``allow_stdin``, ``stop_on_error``, ``user_expressions`` and
                ``timeout`` (seconds), as the reference of ``rpc`` tells them.

        Raises:
            NotebookError: see :meth:`call`.
        """
        feed = self.events()
        try:
            answer = self.call("execute", code=code, wait=False, id=uuid.uuid4().hex, **self._key, **options)
            return Execution(self, feed, _text(answer, "execution"))
        except BaseException:
            feed.close()
            raise

    def run(self, code: str, reply: Reply | None = None, **options: Any) -> Outcome:
        """Run code, and return what came of it.

        Args:
            code: of one cell.
            reply: answers each ``input()``: gets the prompt, and whether what is typed must not be shown.
            options: see :meth:`execute`.

        Raises:
            NotebookError: see :meth:`call`. An exception in the code raises nothing here, but in
                :meth:`~pyramid_notebook.client.Outcome.raise_for_error`.
        """
        options.setdefault("allow_stdin", reply is not None)
        return self.execute(code, **options).wait(reply)

    def complete(self, code: str, cursor: int | None = None) -> dict[str, Any]:
        """Return ``matches``, ``cursor_start`` and ``cursor_end``.

        Args:
            code: what has been typed.
            cursor: where, in characters; None for its end.
        """
        return self._values("complete", code=code, cursor=len(code) if cursor is None else cursor)

    def inspect(self, code: str, cursor: int | None = None, *, detail: int = 0) -> dict[str, Any]:
        """Return ``found``, and ``data`` by media type.

        Args:
            code: with what is asked about.
            cursor: where, in characters; None for its end.
            detail: 0 for what ``?`` shows, 1 for what ``??`` shows.
        """
        position = len(code) if cursor is None else cursor
        return self._values("inspect", code=code, cursor=position, detail=detail)

    def is_complete(self, code: str) -> dict[str, Any]:
        """Return ``status`` (``complete``, ``incomplete``, ``invalid``, ``unknown``), and the ``indent`` of a line."""
        return self._values("is_complete", code=code)

    def history(self, pattern: str = "", *, limit: int = 1000, unique: bool = False) -> list[dict[str, Any]]:
        """Return what was typed before, the oldest first: ``session``, ``line`` and ``code``.

        Args:
            pattern: with ``*`` and ``?``; empty for all.
            limit: how many at most.
            unique: whether the same code comes once only.
        """
        params: dict[str, Any] = {"pattern": pattern} if pattern else {}
        found = self.call("history", limit=limit, unique=unique, **params)
        return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []

    def variables(self) -> list[dict[str, Any]]:
        """Return the kernel's variables: ``name``, ``type``, ``repr`` and perhaps ``size``."""
        found = self.call("variables")
        return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []

    def doctest(self, *, text: str = "", name: str = "") -> dict[str, Any]:
        """Run examples, and return ``attempted``, ``failed`` and ``failures``.

        Args:
            text: with the examples.
            name: of what has them in its docstring; one of both.
        """
        given: dict[str, Any] = {"text": text} if text else {"name": name}
        return self._values("doctest", is_repeatable=False, **given)

    def interrupt(self) -> None:
        """Do what Ctrl-C does; it works while the kernel is busy."""
        self.call("interrupt")

    def restart(self) -> None:
        """End the kernel's process, and start another one."""
        self.call("restart", is_repeatable=False)

    def shutdown(self) -> None:
        """End the kernel."""
        self.call("shutdown", is_repeatable=False)

    def reply(self, execution: str, value: str) -> None:
        """Answer the ``input()`` of an execution that this client has begun.

        Args:
            execution: its id.
            value: what is typed.

        Raises:
            NotebookError: see :meth:`call`.
        """
        while True:
            try:
                self.call("input.reply", is_repeatable=False, execution=execution, value=value, **self._key)
            except AnswerLost:
                self.call("session.events", after=self.seq, execution=execution)  # is connected again when it answers
                if self._asking.get(execution):
                    continue
            return

    def call(self, method: str, *, is_repeatable: bool = True, **params: Any) -> Any:
        """Call a method of the session.

        Args:
            method: its name.
            is_repeatable: whether it may be sent again when nobody knows whether it arrived.
            params: its parameters, without the session.

        Raises:
            RpcRefused: the server answers with an error.
            AnswerLost: the connection broke off before the answer came, and it is not repeatable.
            Refusal: the site does not let it pass.
            SiteUnreachable: there is no answer.
        """
        if self._error:
            raise self._error
        return self._connection.call(method, {"session": self.id, **params}, is_repeatable=is_repeatable)

    def close(self) -> None:
        """Leave the session; its kernel goes on."""
        if self._is_closed:
            return
        try:
            if not self._error and self._connection.is_open:
                self._connection.call("session.close", {"session": self.id}, seconds=10)
        except NotebookError:
            pass  # nobody is left to whom it would matter
        finally:
            self._on_close(self)
            self.end(None)

    @property
    def reopening(self) -> dict[str, Any]:
        """With which parameters it is opened on a new connection."""
        named: dict[str, Any] = {name: self._params[name] for name in ("name", "key") if name in self._params}
        return {**named, "kernel": self.kernel, "after": self.seq}

    def reopened(self, answer: Reopened) -> None:
        """Hear what came of that."""
        if answer.error:
            self.end(answer.error)
            return
        self.state = _text(answer.result, "state")
        identity = _text(answer.result, "session")
        if identity != self.id:  # the server has forgotten it, and made another one
            self.take(Event("lost", {"from": self.seq + 1, "to": None}, session=self.id))
            self.id, self.seq = identity, _number(answer.result, "seq")

    def take(self, event: Event) -> None:
        """Hear an event; one that was heard before is left out."""
        with self._lock:
            if event.seq:
                if event.seq <= self.seq:
                    return
                self.seq = event.seq
            feeds = list(self._feeds)
            self._note(event)
        for feed in feeds:
            feed.put(event)

    def connection_changed(self, *, is_open: bool) -> None:
        """Hear that the connection has broken off, or is there again."""
        self.take(Event(CONNECTION, {"state": "back" if is_open else "lost"}, session=self.id))

    def end(self, error: NotebookError | None) -> None:
        """Hear that nothing more comes, and why."""
        with self._lock:
            if self._is_closed or self._error:
                return
            self._error = error
            self._is_closed = error is None
            feeds = list(self._feeds)
        for feed in feeds:
            feed.end(error)

    def _note(self, event: Event) -> None:
        if event.kind == "status":
            self.state = event.text("state") or self.state
        elif event.kind == "begin" and isinstance(event.values.get("count"), int):
            self.count = event.values["count"]
        elif event.kind == "input_request":
            self._asking[event.execution] = True
        elif event.kind in ("input_done", "end"):
            self._asking.pop(event.execution, None)

    def _without(self, feed: Feed) -> None:
        with self._lock:
            if feed in self._feeds:
                self._feeds.remove(feed)

    def _values(self, method: str, **params: Any) -> dict[str, Any]:
        values = self.call(method, **params)
        return values if isinstance(values, dict) else {}


def _text(values: Any, name: str) -> str:
    value = values.get(name) if isinstance(values, dict) else None
    return value if isinstance(value, str) else ""


def _number(values: dict[str, Any], name: str) -> int:
    value = values.get(name)
    return value if isinstance(value, int) else 0
