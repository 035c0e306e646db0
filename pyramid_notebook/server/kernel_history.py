"""Writes what a user runs into IPython's history when the kernel rests, several cells at once.

IPython's own thread writes each cell to the disk while the cell runs, and the next one waits until that is done, which
may take the disk half a second. Who looks at the history is shown all of it in any case
(``HistoryManager.writeout_cache``), and it is complete when a kernel ends.
"""

from __future__ import annotations

import os
import time
from threading import Event
from typing import Any

from IPython.core import history

_REST_SECONDS = 1.0  # without a new cell, until what there is is written
_LONGEST_SECONDS = 20.0  # until it is written all the same


class _Rested(Event):
    """An event whose waiter goes on when it was not set again for a while, or shall stop."""

    def __init__(self) -> None:
        super().__init__()
        self.stopped = Event()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it was set, and for the while."""
        is_set = super().wait(timeout)
        end = time.monotonic() + _LONGEST_SECONDS
        while self.is_set() and not self.stopped.is_set() and time.monotonic() < end:
            self.clear()
            self.stopped.wait(_REST_SECONDS)
        return is_set


class RestingThread(history.HistorySavingThread):
    """IPython's thread that saves the history, which lets cells run first."""

    def __init__(self, history_manager: Any) -> None:
        self._rested = _Rested()
        super().__init__(history_manager)
        self.save_flag = self._rested

    def stop(self) -> None:
        """End; what is not written yet, the end of the session writes."""
        self._rested.stopped.set()
        super().stop()


def save_history_later() -> None:
    """Have shells that are made from now on save their history like this."""
    history.HistorySavingThread = RestingThread  # type: ignore[misc]
    os.register_at_fork(after_in_parent=_go_on)


def _go_on() -> None:
    """Start the threads again that IPython has ended before a fork, where there is something to write."""
    for manager in list(getattr(history.HistoryManager, "_instances", ())):  # older ones end no thread
        if manager.db_input_cache:
            manager._restart_thread_if_stopped()
            if manager.save_flag is not None:
                manager.save_flag.set()
