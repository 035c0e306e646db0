"""Who may pass the door.

Closed by default: without a security policy, a signed-in user and the permission nobody passes, and a request that
changes something or opens a websocket must come from a page of the site itself.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote, urlsplit

from pyramid.httpexceptions import HTTPForbidden
from pyramid.interfaces import ISecurityPolicy

from .errors import Refused, Unasked
from .names import slug
from .proxy.headers import same_origin
from .proxy.websocket import is_upgrade

#: Sent by the script of our launch page. A foreign page cannot: it would need leave by CORS, which we never give.
LAUNCH_HEADER = "X-Notebook-Launch"
_SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))
_ADDRESS = re.compile(r"[!-\[\]-~]+")  # no backslash, which browsers read as a slash


def require_permission(request: Any, permission: str) -> str:
    """Return the name of the signed-in user, who has the permission.

    Args:
        request: the request.
        permission: what the site's security policy must grant in the request's context.

    Raises:
        HTTPForbidden: nobody is signed in, or the permission is not granted; the site's forbidden view answers.
    """
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
        HTTPForbidden: see :func:`require_permission`; or the notebooks are somebody else's.
    """
    username = require_permission(request, permission)
    if slug(username) != segment:
        raise HTTPForbidden("These notebooks belong to somebody else.")
    return username


def require_same_origin(request: Any) -> None:
    """Check that a websocket or a request that changes something comes from the site's own pages.

    Browsers send ``Origin`` with both (Fetch standard, "Origin header"); where it is missing from an ordinary
    request, ``Sec-Fetch-Site`` (Fetch Metadata) or ``Referer`` must say the same.

    Raises:
        Refused: it comes from elsewhere, or does not say.
    """
    origin = request.headers.get("Origin")
    if is_upgrade(request):
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
        Refused: a foreign page made the browser send it.
        Unasked: nothing says who asked for it.
    """
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


def may_pass_on(path: str, base_url: str) -> bool:
    """Tell whether a user server may get a request for a URL path from a browser.

    It may not where the path lies elsewhere, below ``-/``, where the door itself talks to user servers, or has dot
    segments (RFC 3986 section 3.3): browsers resolve those, so what comes with them only wants to be misread.

    Args:
        path: URL path as it came, percent-encoded, without a query.
        base_url: URL path of the user server, with a slash at both ends.
    """
    if not path.startswith(base_url):
        return False
    segments = [segment for segment in unquote(path.removeprefix(base_url)).split("/") if segment]
    return segments[:1] != ["-"] and not {".", ".."}.intersection(segments)


def own_page(address: object, base_url: str) -> str:
    """Return the address of a page of a user server that a form wants to come back to, or nothing.

    Args:
        address: what the form holds, by whomever it was written.
        base_url: URL path of the user server, with a slash at both ends.
    """
    if not isinstance(address, str) or not _ADDRESS.fullmatch(address):
        return ""
    return address if may_pass_on(re.split("[?#]", address, maxsplit=1)[0], base_url) else ""


def _origin_of(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}"
