"""What passes through this web worker just now, and whether it still may.

A websocket or a stream may last for days; who opened it may have been signed out, disabled or stripped of a permission
since, and their token revoked. So the request that opened it is put to the site again every other second, through all
of its own checks: the same code says yes at the start and ever after. Where it says no, the bytes stop.
"""

from __future__ import annotations

import io
import logging
import os
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from typing import Any
from weakref import WeakSet

from ..errors import UpstreamBusy
from .headers import is_upgrade

#: Seconds between two looks at what passes; a request that is answered in less is never looked at.
INTERVAL = 1.5
#: So often in a row the site may fail to say whether something may pass on: its database may restart.
_PATIENCE = 2
_ANSWER_SECONDS = 3.0
_THREADS = 4
#: Key in the environ of a request that is put to the site again; no client can set it.
_ASKED_AGAIN = "pyramid_notebook.asked_again"
#: What the site's own machinery keeps for the first request only; and what it must not find twice.
_NOT_KEPT = ("webob.", "tm.", "repoze.tm.", "pyramid_notebook.")
#: What a site may know a user by.
_CREDENTIALS = ("HTTP_AUTHORIZATION", "HTTP_COOKIE", "REMOTE_USER", "REMOTE_ADDR", "HTTP_HOST", "SCRIPT_NAME")
_LOG = logging.getLogger(__name__)

#: Tells when a user signed out last, in seconds since the epoch; 0.0 for never.
SignedOut = Callable[[str], float]


class _ProcessEnds(Exception):
    """There is nothing to look after any more."""


class Passage:
    """One request on its way through the door, as long as bytes may flow.

    Attributes:
        user: whose server it goes to.
        token: id of the token that let it pass; empty for one of the site's session.
        is_websocket: whether it is one, or would like to become one.
        began: when it was let through, in seconds since the epoch.
        ended: whether it was ended because it may pass no more.
    """

    def __init__(self, passages: Passages, request: Any, user: str, token: str) -> None:
        self.user = user
        self.token = token
        self.is_websocket = is_upgrade(request.environ)
        self.began = time.time()
        self.ended = False
        self.unknown = 0
        self._passages = passages
        self._ask = request.invoke_subrequest
        self._request_class = type(request)
        self._environ = {key: value for key, value in request.environ.items() if not key.startswith(_NOT_KEPT)}
        self._environ["wsgi.input"] = None  # it holds what the client sent
        self._lock = threading.Lock()
        self._end: Callable[[], None] | None = None

    @property
    def credential(self) -> Hashable:
        """What is the same for all passages about which the site need be asked only once."""
        return (self.user, self.token, *(self._environ.get(name) for name in _CREDENTIALS))

    def ends_by(self, end: Callable[[], None] | None) -> None:
        """Say how to end it from another thread; None when there is nothing to end any more."""
        with self._lock:
            self._end = end
            if self.ended and end is not None:
                end()

    def leave(self) -> None:
        """Forget it; all its bytes have passed. It may be called twice."""
        self.ends_by(None)
        self._passages.forget(self)

    def end(self) -> None:
        """Stop its bytes."""
        with self._lock:
            self.ended = True
            if self._end is not None:
                self._end()

    def may_pass(self) -> bool | None:
        """Put its request to the site again; None where the site cannot say just now."""
        question: dict[str, bool] = {}
        environ = {**self._environ, "wsgi.input": io.BytesIO(), "CONTENT_LENGTH": "0", _ASKED_AGAIN: question}
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        try:
            answer = self._ask(self._request_class(environ), use_tweens=True)
        except Exception:
            _LOG.exception("The site could not say whether a connection of %r may go on", self.user)
            return None
        if question.get("passes"):
            return True
        return None if answer.status_code >= 500 else False


class Passages:
    """All passages of one site in this web worker; a thread that starts with the first one looks after them.

    Args:
        signed_out: when a user signed out of the site last, whichever web worker was told.
    """

    def __init__(self, signed_out: SignedOut) -> None:
        self._signed_out = signed_out
        self._start_anew()
        _all.add(self)

    def _start_anew(self) -> None:
        self._lock = threading.Lock()
        self._open: set[Passage] = set()
        self._running = False

    def enter(self, request: Any, user: str, *, token: str = "", most_websockets: int = 0) -> Passage:
        """Remember a request that was let through; whoever moves its bytes calls :meth:`Passage.leave` at their end.

        Args:
            request: the request.
            user: whose server it goes to.
            token: id of the token that let it pass; empty for one of the site's session.
            most_websockets: so many may a user have; 0 for any number.

        Raises:
            UpstreamBusy: the user has as many already, and this would be one more.
        """
        passage = Passage(self, request, user, token)
        with self._lock:
            if passage.is_websocket and 0 < most_websockets <= self._websockets(user):
                raise UpstreamBusy(f"You have {most_websockets} connections open. Close some notebook pages.")
            self._open.add(passage)
            if not self._running:
                self._running = True
                threading.Thread(target=self._look_after, name="notebook-passages", daemon=True).start()
        return passage

    def _websockets(self, user: str) -> int:
        return sum(passage.is_websocket and passage.user == user for passage in self._open)

    def forget(self, passage: Passage) -> None:
        """Look after a passage no more."""
        with self._lock:
            self._open.discard(passage)

    def _look_after(self) -> None:
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="notebook-passages") as threads:
            while True:
                time.sleep(INTERVAL)
                try:
                    self._look(threads)
                except _ProcessEnds:
                    return
                except Exception:
                    _LOG.exception("Looking after connections failed")

    def _look(self, threads: ThreadPoolExecutor) -> None:
        now = time.time()
        with self._lock:
            lasting = [passage for passage in self._open if now - passage.began >= INTERVAL / 2 and not passage.ended]
        groups: dict[Hashable, list[Passage]] = defaultdict(list)
        for passage in lasting:
            if not passage.token and passage.began <= self._signed_out(passage.user):
                _end(passage, "they signed out")
            else:
                groups[passage.credential].append(passage)
        try:
            asked = {threads.submit(group[0].may_pass): group for group in groups.values()}
        except RuntimeError:  # the interpreter gives out no work any more
            raise _ProcessEnds from None
        with suppress(TimeoutError):
            for answer in as_completed(asked, timeout=_ANSWER_SECONDS):
                _judge(asked.pop(answer), answer.result())
        for late, group in asked.items():
            late.cancel()
            _judge(group, None)


def passes_again(request: Any) -> bool:
    """Tell whether a request is only put to the site again, to learn whether its connection may go on.

    Views call it after all their checks: the answer is then that it may, and nothing must be passed on.
    """
    question: dict[str, bool] | None = request.environ.get(_ASKED_AGAIN)
    if question is None:
        return False
    question["passes"] = True
    return True


def is_asked_again(request: Any) -> bool:
    """Tell the same before the checks, and answer nothing."""
    return _ASKED_AGAIN in request.environ


def _judge(group: Iterable[Passage], may_pass: bool | None) -> None:
    for passage in group:
        passage.unknown = passage.unknown + 1 if may_pass is None else 0
        if may_pass is False:
            _end(passage, "they may pass no more")
        elif passage.unknown >= _PATIENCE:
            _end(passage, "the site cannot say whether they may pass")


def _end(passage: Passage, reason: str) -> None:
    _LOG.info("A connection of %r was ended: %s", passage.user, reason)
    passage.end()


_all: WeakSet[Passages] = WeakSet()


def _after_fork() -> None:
    for passages in _all:
        passages._start_anew()


os.register_at_fork(after_in_child=_after_fork)
