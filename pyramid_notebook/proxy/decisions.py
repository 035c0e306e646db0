"""What the door has decided a moment ago, for the many small requests of one page.

A page of Jupyter asks for a hundred files in its first second, all with the same credentials, and the door's answer is
the same each time. It is kept for two seconds at most, and forgotten at once when somebody signs out or a token is
revoked in this process. Only what changes nothing is let pass by it; a websocket never is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, Generic, NamedTuple, TypeVar
from urllib.parse import unquote, unquote_to_bytes
from weakref import WeakSet

from ..addresses import classify, may_pass_on
from .target import raw_target

#: Seconds for which a decision holds.
MOST_SECONDS = 2.0
_MOST = 1000
#: With what a token begins; the door refuses it in a wrong place, wherever that is.
_TOKEN_MARK = b"pnb_"
_SAFE_METHODS = frozenset(("GET", "HEAD"))
_OF_BODIES = frozenset((b"content-length", b"transfer-encoding"))
#: Fields that tell nothing of who somebody is; by all others a site may know them.
_NO_CREDENTIALS = (
    *(b"accept", b"cache-control", b"connection", b"if-", b"pragma", b"priority", b"range", b"referer", b"sec-"),
)
_NO_CREDENTIALS_OF_WSGI = tuple(f"HTTP_{name.decode().upper().replace('-', '_')}" for name in _NO_CREDENTIALS)
#: What the web server says of the request itself, and not of who sent it.
_OF_REQUEST = frozenset(
    ("PATH_INFO", "PATH_TRANSLATED", "QUERY_STRING", "RAW_URI", "REMOTE_PORT", "REQUEST_METHOD", "REQUEST_URI")
)

T = TypeVar("T")


class Asked(NamedTuple):
    """What of a request the door decides by, where it changes nothing and has no body.

    Attributes:
        path: URL path as it came, percent-encoded, without a query.
        who: all that may tell who has sent it, and where to.
    """

    path: str
    who: Hashable


def asked_of_scope(scope: Mapping[str, Any]) -> Asked | None:
    """Return what is asked, or None where the site must be asked each time.

    Args:
        scope: of the request (ASGI, "HTTP Connection Scope").
    """
    headers = scope["headers"]
    if scope["method"] not in _SAFE_METHODS or _holds_token(scope["raw_path"]) or _holds_token(scope["query_string"]):
        return None
    if any(name in _OF_BODIES or (name != b"authorization" and _holds_token(value)) for name, value in headers):
        return None
    path = scope["raw_path"].decode("latin-1")
    if not _is_readable(path):
        return None
    return Asked(path, (scope.get("scheme"), (scope.get("client") or ("",))[0], _credentials(headers)))


def asked_of_environ(environ: Mapping[str, Any]) -> Asked | None:
    """Return what is asked, or None where the site must be asked each time.

    Args:
        environ: of the request (PEP 3333), as the web server made it.
    """
    if environ["REQUEST_METHOD"] not in _SAFE_METHODS or environ.get("CONTENT_LENGTH") not in (None, "", "0"):
        return None
    if "HTTP_TRANSFER_ENCODING" in environ:
        return None
    who = []
    for name, value in environ.items():
        if type(value) is str:
            if name != "HTTP_AUTHORIZATION" and _holds_token_of_wsgi(value):
                return None
            if name not in _OF_REQUEST and not name.startswith(_NO_CREDENTIALS_OF_WSGI):
                who.append((name, value))
    path = raw_target(environ).partition("?")[0]
    return Asked(path, tuple(who)) if _is_readable(path) else None


class Decisions(Generic[T]):
    """What was decided, and what came of it.

    Args:
        clock: tells seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[Hashable, tuple[float, T]] = {}
        self._depths: tuple[int, ...] = ()
        self._generation = 0
        _all.add(self)

    @property
    def generation(self) -> int:
        """A number that grows when all is forgotten: what was decided before that must not be kept any more."""
        return self._generation

    def find(self, asked: Asked | None) -> T | None:
        """Return what was kept of such a request a moment ago, or None."""
        if asked is None or not self._kept:
            return None
        for depth in self._depths:
            base_url = "/".join(asked.path.split("/", depth)[:depth]) + "/"
            end, value = self._kept.get(_key(asked, base_url), (0.0, None))
            if value is not None and self._clock() < end and may_pass_on(asked.path, base_url):
                return value
        return None

    def keep(self, asked: Asked | None, base_url: str, value: T, *, seconds: float, generation: int) -> None:
        """Keep a decision.

        Args:
            asked: what the request asked.
            base_url: URL path of the user server that it is about.
            value: what came of it.
            seconds: for how long, :data:`MOST_SECONDS` at most.
            generation: see above; that from before the door was asked.
        """
        kept = self._kept  # that of now: what is forgotten meanwhile takes this with it
        if asked is None or generation != self._generation or not asked.path.startswith(base_url):
            return
        now, depth = self._clock(), base_url.count("/")
        if len(kept) >= _MOST:
            for key in [key for key, (end, _value) in list(kept.items()) if end <= now]:
                kept.pop(key, None)
        if len(kept) < _MOST:
            if depth not in self._depths:
                self._depths = (*self._depths, depth)
            kept[_key(asked, base_url)] = now + min(seconds, MOST_SECONDS), value

    def forget(self) -> None:
        """Forget all; it may be called from any thread."""
        self._generation += 1
        self._kept = {}


def _holds_token(text: bytes) -> bool:
    return _TOKEN_MARK in (unquote_to_bytes(text) if b"%" in text else text)


def _holds_token_of_wsgi(text: str) -> bool:
    return _holds_token(text.encode("latin-1", "replace")) if "%" in text else "pnb_" in text


def _is_readable(path: str) -> bool:
    """Tell whether a path has no control characters: the site has its own answer to others."""
    return "%" not in path or unquote(path).isprintable()


def _key(asked: Asked, base_url: str) -> Hashable:
    """Return what is the same for all requests that the door answers alike."""
    return base_url, classify(asked.path.removeprefix(base_url)), asked.who


def _credentials(headers: Iterable[tuple[bytes, bytes]]) -> Hashable:
    return tuple(field for field in headers if not field[0].startswith(_NO_CREDENTIALS))


def forget_decisions() -> None:
    """Forget all decisions of this process: somebody may do less from now on."""
    for decisions in list(_all):
        decisions.forget()


_all: WeakSet[Decisions[Any]] = WeakSet()
