"""What goes wrong with the tokens of programs (pure)."""

from __future__ import annotations

from .base import NotebookError


class ScopeError(NotebookError):
    """A scope is unknown, cannot be restricted, or is restricted to something that is not a path."""

    status = 400
    reason = "invalid_scope"


class TokenNotMade(NotebookError):
    """A token cannot be made with such a name, lifetime or scopes."""

    status = 400
    reason = "token"


class TokenStoreError(NotebookError):
    """The database of the tokens does not answer, or cannot be used; no token lets pass until it does."""

    status = 503
    reason = "token-store"
    text = "The database of the tokens does not answer. Try again in a moment."


class NewerDatabase(TokenStoreError):
    """A newer version of this package has changed the database of the tokens."""

    reason = "newer-database"


class TokenRefused(NotebookError):
    """A request's token does not let it pass (RFC 6750 section 3.1).

    Its text and its header field tell nobody whether there once was such a token.
    """

    status = 401
    reason = "invalid_token"
    scope = ""
    has_code = True  # RFC 6750 has none for some of these

    @property
    def headers(self) -> dict[str, str]:
        """Header fields of the answer; ``WWW-Authenticate`` tells why, and the scope that is needed."""
        told = 'Bearer realm="pyramid_notebook"'
        if self.has_code:
            told += f', error="{self.reason}"'
        if self.scope:
            told += f', scope="{self.scope}"'
        return super().headers | {"WWW-Authenticate": told}


class TokenMissing(TokenRefused):
    """Nobody is signed in at an address for programs, and there is no token."""

    reason = "token-missing"
    text = "This address needs a token. Send it in the header field Authorization: Bearer."
    has_code = False


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

    text = "This token is not valid. It is wrong, its time is over, or it was revoked: make a new one."


class TokenExpired(TokenInvalid):
    """The token's time is over; to its sender this is the same as that there is none."""


class TokenRevoked(TokenInvalid):
    """The token was revoked; to its sender this is the same as that there is none."""


class TokenUserRefused(TokenRefused):
    """The token is valid, but its user is gone or has no permission any more."""

    status = 403
    reason = "insufficient_scope"
    text = "The user of this token does not exist any more, or may not use notebooks any more."


class TokensOff(TokenRefused):
    """The site has not said how to find out whether a user who is not there has a permission."""

    status = 403
    reason = "tokens-off"
    text = "Programs cannot sign in to this site yet: its developer has to call config.set_notebook_permits."


class TokenOfAnother(TokenRefused):
    """A token was sent for the notebooks of somebody else than its user."""

    status = 403
    reason = "insufficient_scope"
    text = "These notebooks belong to somebody else than this token."


class PeopleOnly(TokenRefused):
    """A token was sent where only somebody who is signed in to the site may pass."""

    status = 403
    reason = "insufficient_scope"
    text = "No token may do this: it is for people who are signed in to the site."


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


class TooManyFailures(TokenRefused):
    """So many requests were refused that the next ones are not looked at (RFC 6585 section 4).

    Args:
        retry_after: seconds after which trying again makes sense.
    """

    status = 429
    reason = "too-many-failures"
    has_code = False

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"Too many attempts failed. Try again in {retry_after} seconds.", retry_after=retry_after)


class ProtocolError(NotebookError):
    """A program's request cannot be granted (RFC 6749 section 5.2, RFC 8628 section 3.5).

    Args:
        reason: the error code.
        message: what is wrong, for whoever writes the program.
        status: HTTP status.
        retry_after: seconds after which trying again makes sense, 0 where it doesn't.
    """

    def __init__(self, reason: str, message: str, *, status: int = 400, retry_after: int = 0) -> None:
        super().__init__(message, retry_after=retry_after)
        self.reason = reason
        self.status = status
