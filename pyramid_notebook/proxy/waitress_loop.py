"""Answers of :mod:`.early` from waitress's own thread, on keep-alive connections.

waitress reads a request in its one thread with a loop, has a thread of a pool answer it, and is woken to go on: for
a file that lies in memory all that takes longer than the answer. Such a file is sent by the thread that has read the
request; whatever has to be looked up, read or asked goes to the pool as ever, and so does all of a site whose pipeline
holds other applications before Pyramid's: one of theirs may wait, and in this thread nobody must.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from .early import AT_ONCE, LONGEST

_KEY = "waitress.client_disconnected"
_OF_WAITRESS = "waitress.proxy_headers"
#: What is in the path of each static file of Jupyter's; only to ask less often about others.
_PLACE = "/static/"
#: Bytes that waitress must be willing to hold for a client: where there are more, the thread that answers waits.
_LEAST_WATERMARK = 2 * LONGEST

Application = Callable[[Any, Any], Iterable[bytes]]


def answer_from_loop(environ: Mapping[str, Any], pyramid: Application) -> None:
    """Let waitress answer at once, from now on and on new connections, what can be; on other servers do nothing.

    Args:
        environ: of a request (PEP 3333), as the web server made it.
        pyramid: the application of the site.
    """
    if _KEY not in environ:
        return
    server = environ[_KEY].__self__.server
    if "channel_class" in vars(server) or isinstance(server, _ServerOfChannel):
        return
    never_waits = server.adj.outbuf_high_watermark >= _LEAST_WATERMARK and _is_next(server.application, pyramid)
    server.channel_class = _channel_class() if never_waits else server.channel_class


def _is_next(application: Application, pyramid: Application) -> bool:
    """Whether requests get from waitress to Pyramid with nothing between them but waitress's own look at headers."""
    if getattr(application, "__module__", "") == _OF_WAITRESS and inspect.isfunction(application):
        application = inspect.getclosurevars(application).nonlocals.get("app", application)
    return application is pyramid


@cache
def _channel_class() -> Any:
    from waitress.channel import HTTPChannel

    class LoopChannel(HTTPChannel):  # type: ignore[misc]
        """A connection of which the loop itself answers what it can at once."""

        def __init__(self, server: Any, *arguments: Any, **options: Any) -> None:
            super().__init__(_ServerOfChannel(server), *arguments, **options)

        def received(self, data: bytes) -> Any:
            """Read, and answer what was read if that takes no thread of the pool."""
            found = super().received(data)
            while self.server.take_due():
                self.service()
                self.server.ready = None
            return found

    return LoopChannel


class _ServerOfChannel:
    """The server as one channel sees it.

    Attributes:
        ready: the application that has the answer to the request which the loop serves; None for the site's.
    """

    def __init__(self, server: Any) -> None:
        self._server = server
        self._loop = threading.get_ident()  # the thread that makes channels
        self._due: Application | None = None
        self.ready: Application | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._server, name)

    @property
    def application(self) -> Any:
        """What answers the request that is served."""
        return self.ready or self._server.application

    def take_due(self) -> bool:
        """Tell whether the loop is to serve a request now."""
        self.ready, self._due = self._due, None
        return self.ready is not None

    def add_task(self, channel: Any) -> None:
        """Take a request that was read: by the loop, or behind another one, by the thread that has answered that."""
        self.ready = None  # it was for the request before, and a thread of the pool may ask before the loop is back
        self._due = _at_once(self._server.application, channel) if threading.get_ident() == self._loop else None
        if self._due is None:
            self._server.add_task(channel)

    def pull_trigger(self) -> None:
        """Wake the loop, unless it is what calls."""
        if threading.get_ident() != self._loop:
            self._server.pull_trigger()


def _at_once(application: Application, channel: Any) -> Application | None:
    """Return an application that has the answer already; None where a thread of the pool must find it."""
    request = channel.requests[0]
    if request.error or request.command != "GET" or _PLACE not in request.path or channel.total_outbufs_len:
        return None  # the last: who does not read what was sent must not keep the loop
    environ = channel.task_class(channel, request).get_environment()
    environ[AT_ONCE] = True
    head: list[Any] = []
    try:
        body = application(environ, lambda *told: head.extend(told))
    except Exception:  # NotAtOnce, or a fault that the pool's thread will meet as well, and log
        return None

    def ready(_environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response(*head)
        return body

    return ready
