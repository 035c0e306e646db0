"""Writes what a user runs into IPython's history, a little later than IPython does, and several cells at once.

IPython's own thread writes each cell to the disk while the cell runs, and both need the interpreter. Who looks at the
history is shown all of it in any case (``HistoryManager.writeout_cache``), and it is complete when a kernel ends.
"""

from __future__ import annotations

from threading import Event
from typing import Any

from IPython.core import history

_REST_SECONDS = 1.0


class _Rested(Event):
    """An event whose waiter goes on a while after it was set, unless that waiter shall stop.

    Args:
        seconds: of this while.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.stopped = Event()
        self._seconds = seconds

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it was set, and for the while."""
        is_set = super().wait(timeout)
        self.stopped.wait(self._seconds)
        return is_set


class RestingThread(history.HistorySavingThread):
    """IPython's thread that saves the history, which lets cells run first."""

    def __init__(self, history_manager: Any) -> None:
        self._rested = _Rested(_REST_SECONDS)
        super().__init__(history_manager)
        self.save_flag = self._rested

    def stop(self) -> None:
        """End; what is not written yet, the end of the session writes."""
        self._rested.stopped.set()
        super().stop()


def save_history_later() -> None:
    """Have shells that are made from now on save their history like this."""
    history.HistorySavingThread = RestingThread  # type: ignore[misc]
