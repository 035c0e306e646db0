"""A deadline for code that runs in this very thread: only the main thread can have one (``setitimer(2)``)."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ...errors import CallError, CallTimeout

#: Seconds after which code that has caught the exception gets another one.
_AGAIN_SECONDS = 1.0


class _Overdue(BaseException):
    """The time is over; no ``except Exception`` of a notebook holds it up."""


@contextmanager
def alarm(seconds: float | None) -> Iterator[None]:
    """End what runs within when it takes too long. A call in C, such as one of numpy, is ended when it returns.

    Args:
        seconds: that it may take; None for any time.

    Raises:
        CallTimeout: it took too long.
        CallError: this is not the main thread.
    """
    if seconds is None:
        yield
        return
    if threading.current_thread() is not threading.main_thread():
        raise CallError("Only the main thread can end a PythonModel after some time. Use KernelModel instead.")
    begun, fired = time.monotonic(), False

    def ring(*_arguments: Any) -> None:
        nonlocal fired
        fired = True
        raise _Overdue

    delay, interval = signal.getitimer(signal.ITIMER_REAL)
    if 0 < delay <= seconds:  # somebody around this ends it sooner
        yield
        return
    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-6), _AGAIN_SECONDS)
    try:
        yield
    except BaseException:
        if not fired:
            raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if delay:
            signal.setitimer(signal.ITIMER_REAL, max(delay - (time.monotonic() - begun), 1e-6), interval)
    if fired:
        raise CallTimeout(f"The call took longer than {seconds:g} seconds, and was ended.")
