"""Who may pass the door.

Closed by default: without a security policy, a signed-in user and the permission nobody passes, and a request that
changes something or opens a websocket must come from a page of the site itself.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from pyramid.httpexceptions import HTTPForbidden
from pyramid.interfaces import ISecurityPolicy

from .errors import Refused
from .names import slug
from .proxy.headers import same_origin
from .proxy.websocket import is_upgrade

_SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))


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
    """Check that a launch was asked for by a page of the site or typed by the user, not by a foreign page.

    Raises:
        Refused: a foreign page made the browser send it.
    """
    require_same_origin(request)
    if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        raise Refused("Another site sent you here. Open the notebook from a page of this site.")


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
