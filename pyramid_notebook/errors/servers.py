"""What goes wrong with a user's server, and on the way to it (pure)."""

from __future__ import annotations

from .base import NotebookError


class LaunchError(NotebookError):
    """A user server did not come up.

    Args:
        message: one sentence for the user.
        log: the last lines of the user server's log, or an empty text.
    """

    status = 503
    reason = "launch"

    def __init__(self, message: str, *, log: str = "") -> None:
        super().__init__(message)
        self.log = log


class LaunchTimeout(LaunchError):
    """A user server did not answer within ``start_timeout``."""

    status = 504
    reason = "launch-timeout"


class NotAnswering(LaunchTimeout):
    """The user's server runs and does not answer; it is left alone, for it holds what was calculated.

    The way out is to shut it down and to start anew, which the user has to decide.
    """

    reason = "not-answering"


class TooManyServers(LaunchError):
    """As many user servers are running as ``max_servers`` allows.

    Args:
        maximum: the limit that was reached.
    """

    reason = "full"
    retry_after = 60

    def __init__(self, maximum: int) -> None:
        super().__init__(
            f"All {maximum} notebook places are taken. Shut down a notebook that is no longer needed, "
            "or try again in a minute."
        )
        self.maximum = maximum


class Unsaved(NotebookError):
    """Documents could not be saved before a stop; nothing was stopped.

    Args:
        reasons: why, for the path of each document.
    """

    status = 409
    reason = "unsaved"

    def __init__(self, reasons: dict[str, str]) -> None:
        lines = "; ".join(f"{path} ({reason})" for path, reason in reasons.items())
        super().__init__(f"Your notebook still runs, because this could not be saved: {lines}.")
        self.reasons = reasons


class StopError(NotebookError):
    """Processes of a user server survived TERM and KILL."""

    reason = "stop"


class WebSocketUnsupported(NotebookError):
    """The web server that runs the site gives no way to its client's socket."""

    status = 501
    reason = "websocket-unsupported"


class UpstreamError(NotebookError):
    """The user server did not answer a request."""

    status = 502
    reason = "upstream"


class UpstreamGone(UpstreamError):
    """Nothing listens where the user server was."""

    reason = "gone"


class UpstreamTimeout(UpstreamError):
    """The user server took longer to answer than ``proxy_timeout``."""

    status = 504
    reason = "timeout"


class UpstreamBusy(UpstreamError):
    """A user has as many requests or websockets in a web worker as they may have."""

    status = 503
    reason = "busy"
    retry_after = 2


class NotStarted(UpstreamError):
    """A program needs a user server that was not running, and it did not come up."""

    status = 503
    reason = "not-started"
    retry_after = 10
