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
from collections.abc import Callable, Hashable
from copy import copy
from functools import cached_property
from typing import Any
from weakref import WeakSet

from ..errors import UpstreamBusy
from .headers import is_upgrade

#: Seconds between two questions about the same; a request that is answered in less is not asked about.
INTERVAL = 1.5
#: Seconds after which what the site has not said yes to is ended: its database may restart, but not for long.
PATIENCE = 4.5
#: So many questions are put to a site at once, and so many about one user: one that hangs holds up that user only.
_MOST_QUESTIONS, _MOST_OF_USER = 32, 8
#: Key in the environ of a request that is put to the site again; no client can set it.
_ASKED_AGAIN = "pyramid_notebook.asked_again"
#: What the site's own machinery keeps for the first request only; and what it must not find twice.
_NOT_KEPT = ("webob.", "tm.", "repoze.tm.", "pyramid_notebook.")
#: Fields that tell nothing of who somebody is; by all others a site may know them.
_NO_CREDENTIALS = ("HTTP_ACCEPT", "HTTP_IF_", "HTTP_RANGE", "HTTP_REFERER", "HTTP_SEC_", "HTTP_CONTENT", "HTTP_X_XSRF")
_LOG = logging.getLogger(__name__)

#: Tells when a user signed out last, in seconds since the epoch; 0.0 for never.
SignedOut = Callable[[str], float]


class Passage:
    """One request on its way through the door, as long as bytes may flow.

    Attributes:
        user: whose server it goes to.
        token: id of the token that let it pass; empty for one of the site's session.
        is_websocket: whether it is one, or would like to become one.
        began: when it was let through, in seconds since the epoch.
        asked: when the site was last asked about it, on the clock that nobody sets.
        permitted: when the question was put that the site last said yes to, on the same clock.
        ended: whether it was ended because it may pass no more.
    """

    def __init__(self, passages: Passages, request: Any, user: str, token: str, *, is_own_view: bool = False) -> None:
        self.user = user
        self.token = token
        self.is_websocket = is_upgrade(request.environ)
        self.began = time.time()
        self.asked = self.permitted = time.monotonic()
        self.ended = False
        self._passages = passages
        self._ask = request.invoke_subrequest
        self._request_class = type(request)
        self._environ = {key: value for key, value in request.environ.items() if not key.startswith(_NOT_KEPT)}
        self._environ["wsgi.input"] = None  # it holds what the client sent
        self._lock = threading.Lock()
        self._end: Callable[[], None] | None = None
        self._hang_up: Callable[[], None] | None = None
        self._is_gone: Callable[[], bool] | None = None
        self._is_own_view = is_own_view

    @cached_property
    def question(self) -> Hashable:
        """What is the same for all passages about which the site need be asked only once."""
        names = ["REMOTE_USER", "REMOTE_ADDR", "SCRIPT_NAME", "wsgi.url_scheme"]
        if self._is_own_view:  # it may let somebody pass to some addresses only
            names += ["REQUEST_METHOD", "PATH_INFO", "QUERY_STRING"]
        names += [key for key in self._environ if key.startswith("HTTP_") and not key.startswith(_NO_CREDENTIALS)]
        return (self.user, self.token, *((name, str(self._environ.get(name))) for name in sorted(names)))

    def ends_by(self, end: Callable[[], None] | None) -> None:
        """Say how to break its way to the user server, from another thread; None when there is none any more."""
        with self._lock:
            self._end = end
            if self.ended and end is not None:
                end()

    def hangs_up_by(self, hang_up: Callable[[], None]) -> None:
        """Say how to break the client's connection: from now on no words can be answered any more."""
        with self._lock:
            self._hang_up = hang_up
            if self.ended:
                hang_up()

    def ends_with(self, is_gone: Callable[[], bool]) -> None:
        """Say how to find out whether its client is gone: then it is ended."""
        self._is_gone = is_gone

    def has_client(self) -> bool:
        """Tell whether its client is still there, as far as that is known."""
        with self._lock:
            return self._is_gone is None or not self._is_gone()

    def again(self) -> Passage:
        """Return a passage for another request that the same decision lets pass; the site is asked about it as soon."""
        other = copy(self)
        other.ended = False
        other._lock = threading.Lock()
        other._end = other._hang_up = other._is_gone = None
        self._passages.add(other)
        return other

    def leave(self) -> None:
        """Forget it; all its bytes have passed. It may be called twice."""
        with self._lock:
            self._end = self._hang_up = self._is_gone = None
        self._passages.forget(self)

    def end(self, reason: str) -> None:
        """Stop its bytes; the reason is for the log."""
        with self._lock:
            if self.ended:
                return
            self.ended = True
            _LOG.info("A connection of %r was ended: %s", self.user, reason)
            for stop in (self._end, self._hang_up):
                if stop is not None:
                    stop()

    def may_pass(self) -> bool | None:
        """Put its request to the site again; None where the site cannot say just now."""
        question: dict[str, bool] = {}
        environ = {**self._environ, "wsgi.input": io.BytesIO(), "CONTENT_LENGTH": "0", _ASKED_AGAIN: question}
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        answer = self._ask(self._request_class(environ), use_tweens=True)
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
        self._pending: dict[Hashable, str] = {}  # questions that are put just now, and about which user
        self._change = threading.Event()  # there is room for one more

    def enter(
        self, request: Any, user: str, *, token: str = "", is_own_view: bool = False, most_websockets: int = 0
    ) -> Passage:
        """Remember a request that was let through; whoever moves its bytes calls :meth:`Passage.leave` at their end.

        Args:
            request: the request.
            user: whose server it goes to.
            token: id of the token that let it pass; empty for one of the site's session.
            is_own_view: whether a view of the site itself decides, which may look at the address as well.
            most_websockets: so many may a user have; 0 for any number.

        Raises:
            UpstreamBusy: the user has as many already, and this would be one more.
        """
        passage = Passage(self, request, user, token, is_own_view=is_own_view)
        with self._lock:
            if passage.is_websocket and 0 < most_websockets <= self._websockets(user):
                raise UpstreamBusy(f"You have {most_websockets} connections open. Close some notebook pages.")
            self._add(passage)
        return passage

    def add(self, passage: Passage) -> None:
        """Look after a passage, too."""
        with self._lock:
            self._add(passage)

    def _add(self, passage: Passage) -> None:
        self._open.add(passage)
        if not self._running:
            self._running = True
            threading.Thread(target=self._look_after, name="notebook-passages", daemon=True).start()

    def _websockets(self, user: str) -> int:
        return sum(passage.is_websocket and passage.user == user for passage in self._open)

    def forget(self, passage: Passage) -> None:
        """Look after a passage no more."""
        with self._lock:
            self._open.discard(passage)

    def _look_after(self) -> None:
        while True:
            self._change.wait(INTERVAL / 3)
            self._change.clear()
            try:
                self._look()
            except Exception:
                _LOG.exception("Looking after connections failed")

    def _look(self) -> None:
        now = time.monotonic()
        with self._lock:
            passages = [passage for passage in self._open if not passage.ended]
        due: dict[Hashable, list[Passage]] = defaultdict(list)
        for passage in passages:
            if not passage.has_client():
                passage.end("its client went away")
            elif now - passage.permitted > PATIENCE:
                passage.end("the site cannot say whether they may pass")
            elif now - passage.asked >= INTERVAL:
                due[passage.question].append(passage)
        # who waits for longest comes first
        for question, group in sorted(due.items(), key=lambda item: item[1][0].asked):
            self._put(question, group, now)

    def _put(self, question: Hashable, group: list[Passage], now: float) -> None:
        user = group[0].user
        with self._lock:
            of_user = sum(about == user for about in self._pending.values())
            if question in self._pending or of_user >= _MOST_OF_USER or len(self._pending) >= _MOST_QUESTIONS:
                return
            self._pending[question] = user
        for passage in group:
            passage.asked = now
        work = threading.Thread(target=self._ask, args=(question, group, now), name="notebook-question", daemon=True)
        try:
            work.start()
        except RuntimeError:  # there is no room for one more thread, or the process ends
            self._answered(question)

    def _ask(self, question: Hashable, group: list[Passage], now: float) -> None:
        try:
            signed_out = self._signed_out(group[0].user)
            staying = [passage for passage in group if passage.token or passage.began > signed_out]
            may_pass = staying[0].may_pass() if staying else None
        except Exception:
            _LOG.exception("The site could not say whether a connection of %r may go on", group[0].user)
            return
        finally:
            self._answered(question)
        for passage in group:
            if passage not in staying:
                passage.end("they signed out")
            elif may_pass:
                passage.permitted = now
            elif may_pass is False:
                passage.end("they may pass no more")

    def _answered(self, question: Hashable) -> None:
        with self._lock:
            self._pending.pop(question, None)
        self._change.set()


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


_all: WeakSet[Passages] = WeakSet()


def _after_fork() -> None:
    for passages in _all:
        passages._start_anew()


os.register_at_fork(after_in_child=_after_fork)
