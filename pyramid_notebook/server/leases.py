"""Which open connections belong to which lease, and their end.

What nginx passes on by itself does not come from the door, so the door cannot break it off. Each such request brings
the lease under which it was let through. The web worker that gave the lease says every other second whether it goes
on; where it says that a lease has ended, or nothing for a while, the connections of that lease are closed.

Time is counted in looks, not in seconds: while this process does nothing, no bytes flow either, and what web workers
have said meanwhile is still to be read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from tornado.httputil import HTTPServerRequest
from tornado.ioloop import IOLoop
from tornado.web import Application, ErrorHandler

from ..record import LEASE_HEADER

#: Seconds between two looks.
LOOK_SECONDS = 0.5
#: So many looks does a new lease live without a word of its web worker, and one that was renewed.
_FIRST_LOOKS, _LOOKS = 6, 9
#: For so many looks is it remembered that a lease has ended; nginx may still come with it for two seconds.
_MEMORY_LOOKS = 20


class Stream(Protocol):
    """A connection, as Tornado has it."""

    def closed(self) -> bool:
        """Tell whether it is closed."""

    def close(self) -> None:
        """Close it."""


@dataclass(slots=True)
class _Lease:
    streams: set[Stream] = field(default_factory=set)
    left: int = _FIRST_LOOKS

    def is_unused(self) -> bool:
        self.streams = {stream for stream in self.streams if not stream.closed()}
        return not self.streams


class Leases:
    """The leases of one user server; they know nothing of who gave them."""

    def __init__(self) -> None:
        self._open: dict[str, _Lease] = {}
        self._ended: dict[str, int] = {}
        self._is_looking = False

    def enter(self, name: str, stream: Stream) -> bool:
        """Note that a connection belongs to a lease, and tell whether it may: the lease has not ended."""
        if name in self._ended:
            return False
        self._open.setdefault(name, _Lease()).streams.add(stream)
        self._begin()
        return True

    def tell(self, renewed: Iterable[str], ended: Iterable[str]) -> list[str]:
        """Hear what a web worker has to say.

        Args:
            renewed: names of leases that go on.
            ended: names of leases that do not; their connections are closed.

        Returns:
            Those of ``renewed`` that have no open connection.
        """
        unused = []
        for name in renewed:
            lease = self._open.get(name)
            if lease is None or lease.is_unused():
                unused.append(name)
            else:
                lease.left = _LOOKS
        for name in ended:
            self._end(name)
        return unused

    def look(self) -> None:
        """Let time pass, and end what was not renewed."""
        for name, lease in list(self._open.items()):
            lease.left -= 1
            if lease.is_unused():
                del self._open[name]
            elif lease.left <= 0:
                self._end(name)
        self._ended = {name: left - 1 for name, left in self._ended.items() if left > 1}

    def _end(self, name: str) -> None:
        self._ended[name] = _MEMORY_LOOKS
        self._begin()
        lease = self._open.pop(name, None)
        for stream in lease.streams if lease else ():
            stream.close()

    def _begin(self) -> None:
        if not self._is_looking:
            self._is_looking = True
            IOLoop.current().call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        self._is_looking = False
        self.look()
        if self._open or self._ended:
            self._begin()


def watch(application: Application, leases: Leases) -> None:
    """Note the lease of each request that an application gets, and refuse what comes with one that has ended."""
    find: Any = application.find_handler

    def find_handler(request: HTTPServerRequest, **options: Any) -> Any:
        name = request.headers.get(LEASE_HEADER)
        connection: Any = request.connection
        if name and not leases.enter(name, connection.stream):
            return application.get_handler_delegate(request, ErrorHandler, {"status_code": 403})
        return find(request, **options)

    application.find_handler = find_handler  # type: ignore[method-assign]
