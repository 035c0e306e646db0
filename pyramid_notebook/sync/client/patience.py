"""Waiting for a site that says to come back soon."""

from __future__ import annotations

import http.client
import sys
import time
from collections.abc import Callable

from .terminal import complain

#: Seconds for which a server that is just being started, or has no room, is waited for.
PATIENCE_SECONDS = 60.0


class Patience:
    """How long is waited for a site, and how.

    Args:
        seconds: in all, for one request.
        on_wait: called before each wait.
        wait: waits so many seconds.
        clock: tells seconds that never go back.
    """

    def __init__(
        self,
        seconds: float = PATIENCE_SECONDS,
        *,
        on_wait: Callable[[], None] = lambda: None,
        wait: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.seconds = seconds
        self.wait = wait
        self.clock = clock
        self._on_wait = on_wait

    def end(self) -> float:
        """Return when it ends that begins now, by its clock."""
        return self.clock() + self.seconds

    def waits(self, pause: float | None, end: float) -> bool:
        """Wait before a site is asked again; return whether it should be.

        Args:
            pause: seconds after which the site wants that, see :func:`pause_of`.
            end: when patience ends.
        """
        if pause is None or self.clock() + pause > end:
            return False
        self._on_wait()
        self.wait(pause)
        return True


class Notice:
    """Tells somebody who looks on why nothing happens, once.

    Args:
        text: what is told.
        is_quiet: whether nothing is to be told.
    """

    def __init__(self, text: str, *, is_quiet: bool = False) -> None:
        self._text = text
        self._is_told = is_quiet or not sys.stderr.isatty()

    def __call__(self) -> None:
        """Tell it, if it was not told yet."""
        if not self._is_told:
            self._is_told = True
            complain(self._text)


def pause_of(response: http.client.HTTPResponse) -> float | None:
    """Return the seconds after which a site wants to be asked again (RFC 9110 section 10.2.3), None if it doesn't."""
    text = response.headers.get("Retry-After") or ""
    return max(0.2, float(text)) if text.isascii() and text.isdigit() and len(text) < 6 else None
