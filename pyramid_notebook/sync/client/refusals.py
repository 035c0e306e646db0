"""What a site that does not do what it was asked for means for the person at the editor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import SiteError
from ...site_client import shown
from .sites import Site

#: Characters of a site's message that are shown; one with candidates in it may be long.
_LONGEST_MESSAGE = 2000


class Refusal(SiteError):
    """A site has answered with an error.

    Attributes:
        answer: the answer's JSON object; empty where it was something else.

    Args:
        message: for the person at the editor.
        status: HTTP status.
        answer: see above.
    """

    def __init__(self, message: str, *, status: int, answer: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.status = status
        self.answer = answer
        told = answer.get("reason") or answer.get("error")
        self.reason = told if isinstance(told, str) else ""

    @property
    def is_passing(self) -> bool:
        """Whether it is the way to the user's server, or its load, that is in trouble; it may pass by itself."""
        return self.status in (429, 502, 503, 504)


def refusal(
    site: Site, url: str, status: int, answer: Mapping[str, Any], *, location: str = "", scope: str = "sync"
) -> Refusal:
    """Return what a site's answer means.

    Args:
        site: who has answered.
        url: what it was asked for.
        status: HTTP status, which is no success.
        answer: its JSON object, or an empty one.
        location: where it sends us, if it does.
        scope: what a token needs there.
    """
    told = answer.get("message") or answer.get("error_description")
    problem = _told(site, told) if isinstance(told, str) else ""
    if status == 401:
        text = f"{site.token_name} is not valid: {problem or 'the site does not say why.'} {site.sign_in()}"
    elif status == 403:
        advice = site.sign_in(scope=scope) if answer.get("error") == "insufficient_scope" else ""
        text = f"{site.token_name} does not let this pass: {problem or 'the site does not say why.'} {advice}"
    elif 300 <= status < 400:
        text = f"{url} sends on to {_told(site, location)}, which is not followed. Use the address of the notebooks."
    elif problem:
        text = problem + _candidates(site, answer)
    elif status == 404:
        text = f"Nothing is at {url}. Is it the address of your notebooks?"
    else:
        text = f"{url} answers with HTTP status {status}."
    return Refusal(text.rstrip(), status=status, answer=answer)


def _told(site: Site, text: str) -> str:
    """Return a site's text as one line that holds no token."""
    text = " ".join(text[:_LONGEST_MESSAGE].split()).replace(site.token, "(token)")
    return "".join(shown(text[start : start + 500]) for start in range(0, len(text), 500))


def _candidates(site: Site, answer: Mapping[str, Any]) -> str:
    found = answer.get("candidates")
    names = [_told(site, name) for name in found if isinstance(name, str)] if isinstance(found, list) else []
    return f" Candidates, for --notebook: {', '.join(names[:20])}." if names else ""
