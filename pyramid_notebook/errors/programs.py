"""What goes wrong with programs on a user's own machine (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .base import NotebookError


class CredentialsUnreadable(NotebookError):
    """The file of the credentials holds something else, or is of another version."""

    reason = "credentials"


class SiteError(NotebookError):
    """A site cannot be used, or does not do what was asked of it."""

    reason = "site"


class NotSignedIn(SiteError):
    """The user has no token for a site; signing in gives one."""

    reason = "not-signed-in"


class SiteUnreachable(SiteError):
    """A site does not answer just now."""

    reason = "unreachable"


class RpcRefused(SiteError):
    """A user's server answers a call with an error of JSON-RPC 2.0.

    Args:
        message: what the server says.
        code: of the error, see the reference of ``rpc``.
        word: what it says for programs, such as ``no-such-session``.
        data: whatever else it says.
    """

    def __init__(self, message: str, *, code: int, word: str = "", data: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = word or self.reason
        self.data = dict(data or {})


class AnswerLost(SiteUnreachable):
    """A connection broke off between a call and its answer; whether the call was done is not known."""

    reason = "answer-lost"


class LoginFailed(NotebookError):
    """Signing in or out did not come to its end; the text says why."""

    reason = "login"
