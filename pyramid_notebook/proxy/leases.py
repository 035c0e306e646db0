"""What nginx passes on for the door, and whether it still may.

The bytes of such a request never come through this process. So it is let pass under a lease, which the user server
knows as well. For each lease there is a passage, about which the site is asked again and again like about any other.
A thread tells the user server every other second which leases go on and which have ended, and learns which of them
nobody uses any more. Where this web worker dies, nothing is renewed, and the user server closes the connections.
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from dataclasses import dataclass
from weakref import WeakSet

from ..errors import UpstreamError, UpstreamGone
from ..record import ServerRecord
from .passages import INTERVAL, Passage
from .upstream import ask

#: nginx may come with a lease for so many seconds after it was given, since it keeps what the door has said.
_KEPT_SECONDS = 3.0
#: So often in a row must a user server say that nobody uses a lease: the request may still be on its way.
_UNUSED_TIMES = 2
_ANSWER_SECONDS = 3.0
_LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class _Lease:
    passage: Passage
    made: float
    unused: int = 0


class Leases:
    """The leases that this web worker has given."""

    def __init__(self) -> None:
        self._start_anew()
        _all.add(self)

    def _start_anew(self) -> None:
        self._lock = threading.Lock()
        self._tellers: dict[str, _Teller] = {}

    def give(self, record: ServerRecord, passage: Passage) -> str:
        """Give a lease for a request that was let through; it looks after the passage from now on.

        Args:
            record: the user server that the request goes to.
            passage: of the request; it is left when the user server says that nobody uses the lease any more.

        Returns:
            The name of the lease, which nobody can guess.
        """
        name = secrets.token_urlsafe(18)
        with self._lock:
            teller = self._tellers.get(record.launch_id)
            if teller is None or not teller.add(name, passage):
                teller = self._tellers[record.launch_id] = _Teller(record)
                teller.add(name, passage)
                threading.Thread(target=self._run, args=(teller,), name="notebook-leases", daemon=True).start()
        passage.ends_by(teller.hurry)
        return name

    def _run(self, teller: _Teller) -> None:
        try:
            teller.run()
        finally:
            with self._lock:
                if self._tellers.get(teller.record.launch_id) is teller:
                    del self._tellers[teller.record.launch_id]


class _Teller:
    """Speaks with one user server about the leases that it was given."""

    def __init__(self, record: ServerRecord) -> None:
        self.record = record
        self._lock = threading.Lock()
        self._leases: dict[str, _Lease] = {}
        self._change = threading.Event()
        self._is_done = False

    def add(self, name: str, passage: Passage) -> bool:
        """Speak about one more lease; False where this one has stopped to speak."""
        with self._lock:
            if not self._is_done:
                self._leases[name] = _Lease(passage, time.monotonic())
            return not self._is_done

    def hurry(self) -> None:
        """Speak now; it may be called from any thread."""
        self._change.set()

    def run(self) -> None:
        """Speak until there is nothing to speak about."""
        while not self._finish():
            self._change.wait(INTERVAL)
            self._change.clear()
            try:
                self._tell()
            except UpstreamGone:
                self._leave(list(self._leases))
            except UpstreamError as error:  # its loop hangs, and then it passes no bytes either
                _LOG.info("The notebook server of %r does not hear of its leases: %s", self.record.user, error)
            except Exception:
                _LOG.exception("Telling the notebook server of %r of its leases failed", self.record.user)

    def _finish(self) -> bool:
        with self._lock:
            self._is_done = not self._leases
            return self._is_done

    def _tell(self) -> None:
        with self._lock:
            leases = dict(self._leases)
        ended = [name for name, lease in leases.items() if lease.passage.ended]
        renewed = [name for name, lease in leases.items() if not lease.passage.ended]
        told = {"renewed": renewed, "ended": ended}
        path = f"{self.record.base_url}-/leases"
        status, answer = ask(self.record, "POST", path, json=told, timeout=_ANSWER_SECONDS)
        if status != 200 or not isinstance(answer, dict):
            raise UpstreamError(f"Its answer to that has the status {status}.")
        self._leave([*ended, *self._idle(leases, set(answer.get("unused", ())))])

    def _idle(self, leases: dict[str, _Lease], unused: set[str]) -> list[str]:
        now, idle = time.monotonic(), []
        for name, lease in leases.items():
            is_old = now - lease.made > _KEPT_SECONDS
            lease.unused = lease.unused + 1 if name in unused and is_old else 0
            if lease.unused >= _UNUSED_TIMES:
                idle.append(name)
        return idle

    def _leave(self, names: list[str]) -> None:
        with self._lock:
            leases = [self._leases.pop(name) for name in names]
        for lease in leases:
            lease.passage.leave()


_all: WeakSet[Leases] = WeakSet()


def _after_fork() -> None:
    for leases in _all:
        leases._start_anew()


os.register_at_fork(after_in_child=_after_fork)
