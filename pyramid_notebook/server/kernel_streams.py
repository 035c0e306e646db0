"""What code in a kernel writes to ``sys.stdout`` and ``sys.stderr``."""

from __future__ import annotations

import threading
import time
from typing import Any

from ipykernel.iostream import OutStream

_BURST_SECONDS = 0.005  # Python lets another thread go on after so long


class BurstStream(OutStream):
    """ipykernel's stream, which lets a program that flushes after each line go on.

    Each flush waits for another thread to send what was written, which takes some hundred microseconds. Here the first
    one does; those that follow at once only ask for it, and whatever is sent afterwards comes afterwards all the same.
    """

    _flushed = 0.0  # when the last flush was over, by a clock that nobody sets
    _is_asked = False

    def flush(self) -> None:
        """Have sent what was written so far."""
        thread = self.pub_thread.thread if self.pub_thread else None
        is_burst = time.monotonic() - self._flushed < _BURST_SECONDS
        # a process that was forked has no such thread, and one that ends cannot leave anything to it
        if is_burst and thread is not None and thread.is_alive() and thread is not threading.current_thread():
            if not self._is_asked:
                self._is_asked = True
                self.pub_thread.schedule(self._flush_asked)
        else:
            super().flush()  # type: ignore[no-untyped-call]
        self._flushed = time.monotonic()

    def _flush_asked(self) -> Any:
        self._is_asked = False
        self._flush()  # type: ignore[no-untyped-call]
