"""How much of a web worker one user may hold up.

A request that waits for a user server keeps a thread of the web worker waiting. A user server that hangs, or a client
that does not read, must not take all of them.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import UpstreamBusy

_PATIENCE_SECONDS = 1.0


class Places:
    """The places of all users in one web worker.

    Args:
        limit: how many each user has.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken: Counter[str] = Counter()
        self._change = threading.Condition()

    def take(self, user: str) -> None:
        """Take a place of a user; a moment is waited for one, so that a page may ask for many things at once.

        Raises:
            UpstreamBusy: all are taken.
        """
        with self._change:
            if not self._change.wait_for(lambda: self._taken[user] < self._limit, timeout=_PATIENCE_SECONDS):
                raise UpstreamBusy(
                    f"Your notebook server is busy with {self._limit} other requests. Try again in a moment; if it "
                    "stays like this, shut your notebook down and start it again."
                )
            self._taken[user] += 1

    def leave(self, user: str) -> None:
        """Give a place back."""
        with self._change:
            self._taken[user] -= 1
            if not self._taken[user]:
                del self._taken[user]
            self._change.notify_all()

    @contextmanager
    def held(self, user: str) -> Iterator[None]:
        """Hold a place while something is done."""
        self.take(user)
        try:
            yield
        finally:
            self.leave(user)
