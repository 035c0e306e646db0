"""Answers for Notebook's static files before the site is asked once more, on web servers with WSGI.

A page of Jupyter asks for a hundred files in its first second. The site is asked about the first; for two seconds at
most its answer holds for the others with the same credentials (:mod:`.decisions`), as it does under ASGI. What
reaches the user server, or changes something, is put to the site each time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pyramid.request import Request
from pyramid.response import Response

from .crossing import crossing_of
from .decisions import MOST_SECONDS, Decisions, asked_of_environ
from .static import StaticFiles
from .variants import accepted_codings

#: Key in the environ: the base URL of the user server of whose static files one was let pass, by a view of ours.
STATIC_OF = "pyramid_notebook.static_of"
#: Key in the environ of a request that is to be answered from memory, or else put again.
AT_ONCE = "pyramid_notebook.at_once"
_CONDITIONS = (
    *("HTTP_IF_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_IF_NONE_MATCH", "HTTP_IF_RANGE", "HTTP_IF_UNMODIFIED_SINCE"),
    "HTTP_RANGE",
)
#: Bytes of the longest file that is kept in memory.
LONGEST = 1 << 18
_MOST_BYTES = 1 << 24

#: A WSGI application (PEP 3333), as an answer is one; that of the site is a response, too.
Answer = Callable[[Any, Any], Iterable[bytes]]
#: What makes the answer: the path below the base URL, codings, whether the query names a version.
_Key = tuple[str, tuple[str, ...], bool]


class NotAtOnce(Exception):
    """What was asked with :data:`AT_ONCE` is not in memory, or the site must be asked; nothing was done."""


@dataclass(frozen=True, slots=True)
class _Body:
    """A whole file, read a moment ago, and the answer that it makes."""

    end: float
    headers: list[tuple[str, str]]
    data: bytes

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        """Answer, as a WSGI application."""
        start_response("200 OK", list(self.headers))
        return [self.data]


class Early:
    """What answers early in one web worker.

    Args:
        static: the files.
        seconds: for which a decision holds; nothing is answered early where that is 0.
        clock: tells seconds that never go back.
    """

    def __init__(self, static: StaticFiles, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._static = static
        self._seconds = min(seconds, MOST_SECONDS)
        self._clock = clock
        self._decisions: Decisions[str] = Decisions(clock)
        self._bodies: dict[_Key, _Body] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    def answer(self, environ: dict[str, Any], site: Callable[[dict[str, Any]], Response]) -> Any:
        """Answer a request: early, or by the site.

        Args:
            environ: of the request (PEP 3333), as it came.
            site: puts a request to the site.

        Returns:
            A WSGI application (PEP 3333).

        Raises:
            NotAtOnce: that was asked for, and cannot be.
        """
        if AT_ONCE in environ:
            return self._at_once(environ)
        if not self._seconds or crossing_of(environ) is not None:
            return site(environ)
        asked, generation = asked_of_environ(environ), self._decisions.generation
        base_url = self._decisions.find(asked)
        if asked is not None and base_url is not None:
            early = self._file(environ, asked.path.removeprefix(base_url))
            if early is not None:
                return early
        response = site(environ)
        passed = environ.get(STATIC_OF)
        if passed and "Set-Cookie" not in response.headers:  # where the site sets one, it wants to be asked each time
            self._decisions.keep(asked, passed, passed, seconds=self._seconds, generation=generation)
        return response

    def _at_once(self, environ: dict[str, Any]) -> Answer:
        asked = asked_of_environ(environ)
        base_url = self._decisions.find(asked)
        if asked is None or base_url is None or not _is_whole(environ):
            raise NotAtOnce
        kept = self._bodies.get(_key(environ, asked.path.removeprefix(base_url)))
        if kept is None or kept.end <= self._clock():
            raise NotAtOnce
        return kept

    def _file(self, environ: dict[str, Any], below: str) -> Answer | None:
        if not _is_whole(environ):
            return self._by_conditions(environ, below)
        key = _key(environ, below)
        kept = self._bodies.get(key)
        if kept is None or kept.end <= self._clock():
            kept = self._read(key, environ.get("HTTP_ACCEPT_ENCODING", ""))
        return kept or self._by_conditions(environ, below)

    def _by_conditions(self, environ: dict[str, Any], below: str) -> Answer | None:
        answer: Answer | None = self._static.respond(Request(environ), below)
        return answer

    def _read(self, key: _Key, accepted: str) -> _Body | None:
        below, _codings, has_version = key
        found = self._static.find(below, accept_encoding=accepted, has_version=has_version)
        if found is None:
            return None
        with found.source:
            if found.length > LONGEST:
                return None
            data = found.source.read(found.length)
        if len(data) != found.length:
            return None
        body = _Body(self._clock() + self._seconds, found.headers, data)
        with self._lock:
            if self._bytes + len(data) > _MOST_BYTES:
                self._bodies, self._bytes = {}, 0
            self._bytes += len(data)
            self._bodies[key] = body
        return body


def _is_whole(environ: Mapping[str, Any]) -> bool:
    """Whether a whole file is asked for, under no condition."""
    return environ["REQUEST_METHOD"] == "GET" and not any(name in environ for name in _CONDITIONS)


def _key(environ: Mapping[str, Any], below: str) -> _Key:
    has_version = str(environ.get("QUERY_STRING", "")).startswith("v=")
    return below, accepted_codings(environ.get("HTTP_ACCEPT_ENCODING", "")), has_version
