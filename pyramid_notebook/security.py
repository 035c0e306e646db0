"""Who may pass the door.

Closed by default: without a security policy, a signed-in user and the permission nobody passes, and a request that
changes something or opens a websocket must come from a page of the site itself. Programs come with a token of ours
instead of a session, and never with both: see :mod:`pyramid_notebook.tokens.judge`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from pyramid.httpexceptions import HTTPForbidden
from pyramid.interfaces import ISecurityPolicy

from .addresses import may_pass_on
from .door import door_of
from .errors import HttpsRequired, PeopleOnly, Refused, TokenMisplaced, Unasked
from .names import slug
from .proxy.headers import is_upgrade, same_origin
from .tokens.secret import holds_token

#: Sent by the script of our launch page. A foreign page cannot: it would need leave by CORS, which we never give.
LAUNCH_HEADER = "X-Notebook-Launch"
_FORM = "application/x-www-form-urlencoded"
_TEXTS = (_FORM, "application/json", "text/plain", "multipart/form-data")
_LONGEST_BODY = 64 * 1024
_SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))
_ADDRESS = re.compile(r"[!-\[\]-~]+")  # no backslash, which browsers read as a slash


def require_permission(request: Any, permission: str) -> str:
    """Return the name of the signed-in user, who has the permission.

    Args:
        request: the request.
        permission: what the site's security policy must grant in the request's context.

    Raises:
        PeopleOnly: the request comes with a token.
        HttpsRequired, TokenMisplaced: see :func:`bearer_of`.
        HTTPForbidden: nobody is signed in, or the permission is not granted; the site's forbidden view answers.
    """
    if bearer_of(request) is not None:
        raise PeopleOnly
    if request.registry.queryUtility(ISecurityPolicy) is None:
        raise HTTPForbidden("This site has no security policy, so nobody may use notebooks.")
    username = request.authenticated_userid
    if not username:
        raise HTTPForbidden("Sign in to use notebooks.")
    allowed = request.has_permission(permission)
    if not allowed:
        raise HTTPForbidden(f"You do not have the permission {permission!r}.", result=allowed)
    return str(username)


def require_owner(request: Any, permission: str, segment: str) -> str:
    """Return the name of the signed-in user, who has the permission and owns the URL segment.

    Raises:
        HTTPForbidden: as :func:`require_permission`, whose other errors it raises too; or the notebooks are somebody
            else's.
    """
    username = require_permission(request, permission)
    if slug(username) != segment:
        raise HTTPForbidden("These notebooks belong to somebody else.")
    return username


def bearer_of(request: Any) -> str | None:
    """Return the token that a request comes with, unchecked, or None where it comes with a session or nothing.

    It must stand in the header field ``Authorization`` with the scheme ``Bearer`` (RFC 6750 section 2.1). The other
    places that the RFC knows, and those that people have found, leave it in logs, histories and other servers. Other
    schemes are left to the site.

    Raises:
        HttpsRequired: see :func:`require_https`; before that nobody is asked who they are.
        TokenMisplaced: something that looks like a token of ours stands elsewhere.
    """
    require_https(request)
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    is_bearer = scheme.lower() == "bearer"
    for place, text in _other_places(request.environ, is_bearer=is_bearer):
        if holds_token(text):
            raise TokenMisplaced(place)
    if request.content_type == _FORM and body_holds_token(request):
        raise TokenMisplaced("the body")
    return secret.strip(" ") if is_bearer else None


def require_https(request: Any) -> None:
    """Check that a request came over HTTPS, where the site wants that.

    Raises:
        HttpsRequired: it came over plain HTTP.
    """
    if request.scheme != "https" and door_of(request).settings.require_https:
        raise HttpsRequired


def body_holds_token(request: Any) -> bool:
    """Tell whether a token of ours stands in a body that is short and text; whoever reads it next finds it unread."""
    if request.content_type not in _TEXTS or not 0 < (request.content_length or 0) <= _LONGEST_BODY:
        return False
    return holds_token(unquote(request.body.decode("latin-1")))


def require_same_origin(request: Any) -> None:
    """Check that a websocket or a request that changes something comes from the site's own pages.

    Browsers send ``Origin`` with both (Fetch standard, "Origin header"); where it is missing from an ordinary
    request, ``Sec-Fetch-Site`` (Fetch Metadata) or ``Referer`` must say the same.

    Raises:
        Refused: it comes from elsewhere, or does not say.
    """
    origin = request.headers.get("Origin")
    if is_upgrade(request.environ):
        allowed = same_origin(origin, request.host_url)
    elif request.method in _SAFE_METHODS:
        return
    elif origin is not None:
        allowed = same_origin(origin, request.host_url)
    elif "Sec-Fetch-Site" in request.headers:
        allowed = request.headers["Sec-Fetch-Site"] == "same-origin"
    else:
        allowed = same_origin(_origin_of(request.headers.get("Referer", "")), request.host_url)
    if not allowed:
        raise Refused("This request does not come from a page of this site, so it was refused.")


def require_own_navigation(request: Any) -> None:
    """Check that a launch or a stop was asked for by a page of the site or by the user, not by a foreign page.

    Browsers say so in ``Sec-Fetch-Site`` (Fetch Metadata), and where a site is not served over TLS in ``Referer``.

    Raises:
        PeopleOnly: the request comes with a token.
        Refused: a foreign page made the browser send it.
        Unasked: nothing says who asked for it.
    """
    if bearer_of(request) is not None:
        raise PeopleOnly
    require_same_origin(request)
    site, referer = request.headers.get("Sec-Fetch-Site"), request.headers.get("Referer")
    if site is not None:
        allowed = site in ("none", "same-origin")
    elif referer:
        allowed = same_origin(_origin_of(referer), request.host_url)
    elif request.method in _SAFE_METHODS and LAUNCH_HEADER not in request.headers:
        raise Unasked("Nothing says that you asked for this yourself. Press the button if you did.")
    else:
        return  # the origin was checked; and no foreign page can send a header of ours
    if not allowed:
        raise Refused("Another site sent you here. Open the notebook from a page of this site.")


def own_page(address: object, base_url: str) -> str:
    """Return the address of a page of a user server that a form wants to come back to, or nothing.

    Args:
        address: what the form holds, by whomever it was written.
        base_url: URL path of the user server, with a slash at both ends.
    """
    if not isinstance(address, str) or not _ADDRESS.fullmatch(address):
        return ""
    return address if may_pass_on(re.split("[?#]", address, maxsplit=1)[0], base_url) else ""


def _other_places(environ: Mapping[str, Any], *, is_bearer: bool) -> Iterator[tuple[str, str]]:
    """Yield names and texts of all places of a request where no token may stand, but for its body."""
    yield "the URL", f"{environ.get('PATH_INFO', '')}?{unquote(environ.get('QUERY_STRING', ''))}"
    for name, value in environ.items():
        if name == "HTTP_COOKIE":
            yield "a cookie", unquote(value)
        elif name.startswith("HTTP_") and not (is_bearer and name == "HTTP_AUTHORIZATION"):
            yield f"the header field {name[5:].replace('_', '-').title()}", unquote(value)


def _origin_of(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}"
