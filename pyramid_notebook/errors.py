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
     ├─ BadForm                what a page's form sent cannot be read
     ├─ BadPath                the path of a file or notebook leads out of the user's folder, or is none
     ├─ NoMatch                no notebook certainly belongs to an editor's file
     ├─ ScopeError             a scope of a token is unknown, or cannot be restricted that way
     ├─ TokenNotMade           a token cannot be made as it was asked for
     ├─ TokenStoreError        the database of the tokens does not answer, or cannot be used
     │   └─ NewerDatabase      ... because a newer version of this package has changed it
     ├─ TokenRefused           a request whose token does not let it pass (RFC 6750)
     │   ├─ TokenMissing       ... because there is none, at an address for programs
     │   ├─ TokenMisplaced     ... because it is not in the Authorization header, or there is not one token
     │   ├─ TokenInvalid       ... because there is no such token
     │   │   ├─ TokenExpired   ... any more: its time is over
     │   │   └─ TokenRevoked   ... any more: it was revoked
     │   ├─ TokenUserRefused   ... because its user is gone, or has no permission any more
     │   ├─ TokensOff          ... because the site has not said how to find that out
     │   ├─ TokenOfAnother     ... because it is for the notebooks of another user
     │   ├─ PeopleOnly         ... because none may do this
     │   ├─ ScopeInsufficient  ... because its scopes are for something else
     │   └─ TooManyFailures    ... because too many did not just before
     ├─ ProtocolError          a program's request for a token cannot be granted (RFC 6749, RFC 8628)
     ├─ CredentialsUnreadable  the file of a program's tokens holds something else
     ├─ SiteError              a site does not do what a program of a user asks of it
     │   └─ SiteUnreachable    ... because it does not answer
     ├─ LoginFailed            signing a program in or out did not come to its end
     ├─ WebSocketUnsupported   the web server gives no way to its client's socket
     └─ UpstreamError          the user server did not answer a request
         ├─ UpstreamGone       ... because nothing listens
         ├─ UpstreamTimeout    ... in time
         ├─ NotStarted         ... because it was not running, and could not be started for a program
         └─ UpstreamBusy       ... because too many others of the same user are waiting for it

Each class has a ``status``, the HTTP status that a view answers with, and a ``reason``, one word for programs. Its text
is written for the person who reads the page: it says what is wrong and what to do.
"""

from __future__ import annotations

from collections.abc import Sequence


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


class BadForm(NotebookError):
    """What a page's form sent cannot be read.

    Args:
        message: what is wrong.
        status: HTTP status.
    """

    reason = "form"

    def __init__(
        self,
        message: str = "This form cannot be read. Go back to the page, reload it, and try again.",
        *,
        status: int = 400,
    ) -> None:
        super().__init__(message)
        self.status = status


class BadPath(NotebookError):
    """The path of a file or notebook cannot be one, or leads out of the user's folder."""

    status = 400
    reason = "path"


class NoMatch(NotebookError):
    """No notebook certainly belongs to a file.

    Args:
        file: the file's path as the editor named it.
        candidates: notebooks that it may be, the likeliest first.
    """

    status = 409
    reason = "no-match"

    def __init__(self, file: str, candidates: Sequence[str]) -> None:
        found = (
            f"It may be {' or '.join(candidates[:3])}{' or another one' if candidates[3:] else ''}." if candidates
            else "There is no notebook yet."
        )
        super().__init__(
            f"Which notebook belongs to {file!r} is not certain. {found} Name it with the request, in the file's "
            "header, or pair the two."
        )
        self.file = file
        self.candidates = tuple(candidates)


class ScopeError(NotebookError):
    """A scope is unknown, cannot be restricted, or is restricted to something that is not a path."""

    status = 400
    reason = "invalid_scope"


class TokenNotMade(NotebookError):
    """A token cannot be made with such a name, lifetime or scopes."""

    status = 400
    reason = "token"


class TokenStoreError(NotebookError):
    """The database of the tokens does not answer, or cannot be used; no token lets pass until it does.

    Args:
        message: what is wrong with it.
    """

    status = 503
    reason = "token-store"

    def __init__(self, message: str = "The database of the tokens does not answer. Try again in a moment.") -> None:
        super().__init__(message)


class NewerDatabase(TokenStoreError):
    """A newer version of this package has changed the database of the tokens."""

    reason = "newer-database"


class TokenRefused(NotebookError):
    """A request's token does not let it pass (RFC 6750 section 3.1).

    Its text and its header field tell nobody whether there once was such a token.
    """

    status = 401
    reason = "invalid_token"

    @property
    def www_authenticate(self) -> str:
        """Value of the header field ``WWW-Authenticate`` of the answer."""
        return f'Bearer realm="pyramid_notebook", error="{self.reason}"'


class TokenMissing(TokenRefused):
    """Nobody is signed in at an address for programs, and there is no token."""

    reason = "token-missing"

    def __init__(self) -> None:
        super().__init__("This address needs a token. Send it in the header field Authorization: Bearer.")

    @property
    def www_authenticate(self) -> str:
        """Value of the header field ``WWW-Authenticate``, without an error code (RFC 6750 section 3.1)."""
        return 'Bearer realm="pyramid_notebook"'


class TokenMisplaced(TokenRefused):
    """A token is anywhere but in ``Authorization: Bearer``, or that holds something else than one token.

    Args:
        place: where the token was found, such as ``the URL``; it must not hold the token.
    """

    status = 400
    reason = "invalid_request"

    def __init__(self, place: str) -> None:
        super().__init__(
            f"A token was sent in {place}, where others may read it. Revoke it, make a new one, and send that in the "
            "header field Authorization: Bearer, once."
        )


class TokenInvalid(TokenRefused):
    """There is no such token, or not any more."""

    def __init__(self) -> None:
        super().__init__("This token is not valid. It is wrong, its time is over, or it was revoked: make a new one.")


class TokenExpired(TokenInvalid):
    """The token's time is over; to its sender this is the same as that there is none."""


class TokenRevoked(TokenInvalid):
    """The token was revoked; to its sender this is the same as that there is none."""


class TokenUserRefused(TokenRefused):
    """The token is valid, but its user is gone or has no permission any more."""

    status = 403
    reason = "insufficient_scope"

    def __init__(self) -> None:
        super().__init__("The user of this token does not exist any more, or may not use notebooks any more.")


class TokensOff(TokenRefused):
    """The site has not said how to find out whether a user who is not there has a permission."""

    status = 403
    reason = "tokens-off"

    def __init__(self) -> None:
        super().__init__(
            "Programs cannot sign in to this site yet: its developer has to call config.set_notebook_permits."
        )


class TokenOfAnother(TokenRefused):
    """A token was sent for the notebooks of somebody else than its user."""

    status = 403
    reason = "insufficient_scope"

    def __init__(self) -> None:
        super().__init__("These notebooks belong to somebody else than this token.")


class PeopleOnly(TokenRefused):
    """A token was sent where only somebody who is signed in to the site may pass."""

    status = 403
    reason = "insufficient_scope"

    def __init__(self) -> None:
        super().__init__("No token may do this: it is for people who are signed in to the site.")


class ScopeInsufficient(TokenRefused):
    """The token is valid, but its scopes are for something else.

    Args:
        message: why, see :class:`pyramid_notebook.scopes.Denied`.
        scope: the scope that is needed.
    """

    status = 403
    reason = "insufficient_scope"

    def __init__(self, message: str, *, scope: str = "") -> None:
        super().__init__(message)
        self.scope = scope

    @property
    def www_authenticate(self) -> str:
        """Value of the header field ``WWW-Authenticate``; it names the scope that is needed."""
        field = super().www_authenticate
        return f'{field}, scope="{self.scope}"' if self.scope else field


class TooManyFailures(TokenRefused):
    """So many requests were refused that the next ones are not looked at (RFC 6585 section 4).

    Args:
        retry_after: seconds after which trying again makes sense.
    """

    status = 429
    reason = "too-many-failures"

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"Too many attempts failed. Try again in {retry_after} seconds.")
        self.retry_after = retry_after

    @property
    def www_authenticate(self) -> str:
        """Value of the header field ``WWW-Authenticate``; RFC 6750 has no error code for this."""
        return 'Bearer realm="pyramid_notebook"'


class ProtocolError(NotebookError):
    """A program's request cannot be granted (RFC 6749 section 5.2, RFC 8628 section 3.5).

    Args:
        reason: the error code.
        message: what is wrong, for whoever writes the program.
        status: HTTP status.
        retry_after: seconds after which trying again makes sense, 0 where it doesn't.
    """

    def __init__(self, reason: str, message: str, *, status: int = 400, retry_after: int = 0) -> None:
        super().__init__(message)
        self.reason = reason
        self.status = status
        self.retry_after = retry_after


class CredentialsUnreadable(NotebookError):
    """The file of the credentials holds something else, or is of another version."""

    reason = "credentials"


class SiteError(NotebookError):
    """A site cannot be used, or does not do what was asked of it."""

    reason = "site"


class SiteUnreachable(SiteError):
    """A site does not answer just now."""

    reason = "unreachable"


class LoginFailed(NotebookError):
    """Signing in or out did not come to its end; the text says why."""

    reason = "login"


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


class NotStarted(UpstreamError):
    """A program needs a user server that was not running, and it did not come up.

    Args:
        message: why.
        retry_after: seconds after which trying again makes sense.
    """

    status = 503
    reason = "not-started"

    def __init__(self, message: str, *, retry_after: int = 10) -> None:
        super().__init__(message)
        self.retry_after = retry_after
