"""Everything that can go wrong, as one tree.

::

    NotebookError
     ├─ SettingsError          a ``pyramid_notebook.*`` setting is unknown or has a bad value
     ├─ ContextError           a notebook context has an unknown key or a bad value
     ├─ UnsafePath             a file or folder that we must trust belongs to others, or is a link
     ├─ LaunchError            a user server did not come up; carries the end of its log
     │   ├─ LaunchTimeout      ... within ``start_timeout``
     │   │   └─ NotAnswering   ... because one is there already that does not answer; only the user may end it
     │   └─ TooManyServers     ... because ``max_servers`` are running already
     ├─ Unsaved                documents could not be saved before a stop; nothing was stopped
     ├─ StopError              a user server is still there after TERM and KILL
     ├─ Refused                a request from a foreign origin, or without the right to pass
     │   └─ Unasked            ... that nothing shows to be the user's own wish
     ├─ WebSocketUnsupported   the web server gives no way to its client's socket
     └─ UpstreamError          the user server did not answer a request
         ├─ UpstreamGone       ... because nothing listens
         ├─ UpstreamTimeout    ... in time
         └─ UpstreamBusy       ... because too many others of the same user are waiting for it

Each class has a ``status``, the HTTP status that a view answers with, and a ``reason``, one word for programs. Its text
is written for the person who reads the page: it says what is wrong and what to do.
"""

from __future__ import annotations


class NotebookError(Exception):
    """Root of all errors of this package."""

    status = 500
    reason = "error"


class SettingsError(NotebookError):
    """A setting is unknown or has a value that cannot be used."""

    reason = "settings"


class ContextError(NotebookError):
    """A notebook context has an unknown key or a value that cannot be used."""

    reason = "context"


class UnsafePath(NotebookError):
    """A path that must be ours alone is a link, or belongs to or is open to somebody else."""

    reason = "unsafe"


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
        retry_after: seconds after which trying again makes sense.
    """

    reason = "full"

    def __init__(self, maximum: int, *, retry_after: int = 60) -> None:
        super().__init__(
            f"All {maximum} notebook places are taken. Shut down a notebook that is no longer needed, "
            "or try again in a minute."
        )
        self.maximum = maximum
        self.retry_after = retry_after


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


class Refused(NotebookError):
    """The door does not let this request pass."""

    status = 403
    reason = "refused"


class Unasked(Refused):
    """A request that changes something and may come from anywhere; the user is asked."""

    reason = "unasked"


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
    """A user has as many requests or websockets in a web worker as they may have.

    Args:
        message: one sentence for the user.
        retry_after: seconds after which trying again makes sense.
    """

    status = 503
    reason = "busy"

    def __init__(self, message: str, *, retry_after: int = 2) -> None:
        super().__init__(message)
        self.retry_after = retry_after
