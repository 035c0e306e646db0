"""When the garbage of a user server is collected: while nobody waits for it.

A collection of all generations stops every thread; with a long notebook in memory it takes 25 ms and more, in which no
page and no kernel is answered. Young garbage is collected as ever.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

from tornado.ioloop import IOLoop

#: Seconds between two looks; of quiet that have to pass; and after which there is a collection in any case.
LOOK_SECONDS, QUIET_SECONDS, LONGEST_SECONDS = 5.0, 3.0, 120.0
#: New objects before young ones are looked at, and how often before the next generation is; never the oldest.
_THRESHOLDS = (5_000, 10, 1_000_000)


class Collector:
    """Collects the oldest generation in quiet moments.

    Args:
        idle: tells for how many seconds nothing has happened.
        collect: collects all garbage.
        clock: tells seconds that never go back.
    """

    def __init__(
        self,
        idle: Callable[[], float],
        *,
        collect: Callable[[], object] = gc.collect,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._idle = idle
        self._collect = collect
        self._clock = clock
        self._last = clock()
        self._aged = _aged()

    def begin(self) -> None:
        """Leave alone for ever what was loaded until now, and look from time to time."""
        gc.freeze()
        gc.set_threshold(*_THRESHOLDS)
        self._later()

    def look(self) -> None:
        """Collect, if it is time."""
        now = self._clock()
        is_quiet = self._idle() >= QUIET_SECONDS
        if _aged() != self._aged and (is_quiet or now - self._last >= LONGEST_SECONDS):
            self._collect()
            self._last, self._aged = self._clock(), _aged()

    def _later(self) -> None:
        IOLoop.current().call_later(LOOK_SECONDS, self._look_and_again)

    def _look_and_again(self) -> None:
        try:
            self.look()
        finally:
            self._later()


def _aged() -> int:
    """Return how often objects have grown old, which is when garbage may be among them."""
    return int(gc.get_stats()[1]["collections"])
