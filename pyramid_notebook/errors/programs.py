"""What goes wrong with programs on a user's own machine (pure)."""

from __future__ import annotations

from .base import NotebookError


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
