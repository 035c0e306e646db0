"""What every error has, and what a site or a page has done wrong (pure)."""

from __future__ import annotations


class NotebookError(Exception):
    """Root of all errors of this package.

    Attributes:
        text: what a class says of itself when it is raised without a message.

    Args:
        message: one sentence for the user; empty for the class's own.
        retry_after: seconds after which trying again makes sense; 0 where it doesn't, None for what the class says.
    """

    status = 500
    reason = "error"
    text = ""
    retry_after = 0

    def __init__(self, message: str = "", *, retry_after: int | None = None) -> None:
        super().__init__(message or self.text)
        if retry_after is not None:
            self.retry_after = retry_after

    @property
    def headers(self) -> dict[str, str]:
        """Header fields of an answer that tells this error."""
        return {"Retry-After": str(self.retry_after)} if self.retry_after else {}


class SettingsError(NotebookError):
    """A setting is unknown or has a value that cannot be used."""

    reason = "settings"


class ContextError(NotebookError):
    """A notebook context has an unknown key or a value that cannot be used."""

    reason = "context"


class UnsafePath(NotebookError):
    """A path that must be ours alone is a link, or belongs to or is open to somebody else."""

    reason = "unsafe"


class Refused(NotebookError):
    """The door does not let this request pass."""

    status = 403
    reason = "refused"


class Unasked(Refused):
    """A request that changes something and may come from anywhere; the user is asked."""

    reason = "unasked"


class HttpsRequired(Refused):
    """A request over plain HTTP, where the site wants notebooks over HTTPS only."""

    reason = "https"
    text = (
        "This came over plain HTTP, and notebooks are here over HTTPS only. Open the address with https:// in front. "
        "Revoke a token that was sent this way: others may have read it. If the address begins with https:// already, "
        "the site does not know: whoever runs it finds the cause in the setting trusted_proxies."
    )


class Elsewhere(Refused):
    """A page that is on another host, and the browser is sent there.

    Args:
        location: where it is.
        cookie: the value of ``Set-Cookie``, or nothing.
    """

    status = 303
    reason = "elsewhere"

    def __init__(self, location: str, cookie: str = "") -> None:
        super().__init__("This is on another host.")
        self.location = location
        self.cookie = cookie


class NothingHere(NotebookError):
    """Something of the site that is not on the host of its notebooks."""

    status = 404
    reason = "nothing"
    text = "On this host there are notebooks, and nothing else."


class BadForm(NotebookError):
    """What a page's form sent cannot be read."""

    status = 400
    reason = "form"
    text = "This form cannot be read. Go back to the page, reload it, and try again."


class BadMethod(BadForm):
    """A page was asked for with a method that it does not know (RFC 9110 section 15.5.6)."""

    status = 405
    text = "Use GET or POST."

    @property
    def headers(self) -> dict[str, str]:
        """Header fields of the answer, with the methods that the page knows."""
        return super().headers | {"Allow": "GET, HEAD, POST"}
