"""What goes wrong with programs on a user's own machine, and with their files (pure)."""

from __future__ import annotations

from collections.abc import Sequence

from .base import NotebookError


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
