"""How a browser gets to the notebooks on their own host, and who it is there.

::

    browser                       notebooks' host                     site's host
    GET /notebook/alice/x ──────▶ no visit: cookie with a secret
                                  303 to the site ──────────────────▶ -/hand-over: who is it, may they?
                                  -/enter?ticket=… ◀─────────────── 303 with a ticket, for that secret only
                                  ticket and secret fit: a visit
    GET /notebook/alice/x ──────▶ passes

The ticket is worth nothing to another browser, so nobody can be signed in as somebody else either.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from pyramid.httpexceptions import HTTPNotFound
from pyramid.response import Response

from ..door import USER, add_open_route, at_alternative, base_url_at, base_url_of, door_of
from ..errors import BadMethod, Elsewhere, NotebookError, NothingHere, Refused
from ..names import slug
from ..pages import error_answer, for_people, page_values, wants_html
from ..proxy.target import raw_target
from ..security import own_page, require_https
from .store import digest, new_secret

_STATE = re.compile(r"[0-9a-f]{64}")
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
_MOST_COOKIES = 10
_BROWSER, _VISIT = "notebook-browser", "notebook-visit-"
_ENTER = "-/enter"
#: What of a request may say who it is from, where the site's own session does not count.
_OURS = ("notebook-", "__Host-notebook-", "_xsrf=")
_ALLOWED = ("-/auth", _ENTER)
_LATE = (
    "This way in is over: it holds for half a minute, once, and for the browser that asked for it. Open your notebook "
    "once more from the site."
)


def add_routes(config: Any, prefix: str) -> None:
    """Add routes and views of both hosts; they come before ``notebook_proxy``.

    Args:
        config: the configurator.
        prefix: URL path under which notebooks live, without a slash at its end.
    """
    for route, path, view in (
        ("notebook_hand_over", "hand-over", hand_over_view),
        ("notebook_enter", "enter", enter_view),
    ):
        add_open_route(config, route, f"{prefix}/-/{path}", view)
    config.add_exception_view(_nothing_here, context=NothingHere)


def keep_apart(request: Any) -> None:
    """See to it that the notebooks' own host has nothing but notebooks, and no session of the site's.

    Raises:
        NothingHere: the request is for something else of the site.
    """
    if not at_alternative(request):
        return
    environ = request.environ
    cookies = [pair for pair in _pairs(environ) if pair.startswith(_OURS)]
    environ["HTTP_COOKIE"] = "; ".join(cookies)
    environ.pop("REMOTE_USER", None)
    if not environ.get("HTTP_AUTHORIZATION", "").lower().startswith("bearer "):
        environ.pop("HTTP_AUTHORIZATION", None)
    prefix, path = f"{door_of(request).settings.route_prefix}/", environ.get("PATH_INFO", "")
    below = path.removeprefix(prefix) if path.startswith(prefix) else ""
    segment, slash, _ = below.partition("/")
    if not slash or (segment in ("", "-") and below not in _ALLOWED):
        raise NothingHere


def visitor_of(request: Any, segment: str) -> str:
    """Return whose notebooks a request on their own host is about: its visitor's, who may still use them.

    Args:
        request: the request.
        segment: of the URL, for the user.

    Raises:
        HttpsRequired: see :func:`pyramid_notebook.security.require_https`.
        Elsewhere: there is no visit; a page says where to get one.
        Refused: the site does not let this user have notebooks any more, or does not say whom it lets.
    """
    require_https(request)
    door = door_of(request)
    for secret in _cookies(request, f"{_VISIT}{segment}"):
        user = door.handover.visitor(secret, segment)
        if user is None:
            continue
        if door.permits is None or not door.permits(request, user, door.settings.permission):
            raise Refused("You do not have the permission for notebooks any more.")
        request.environ[USER] = user
        return user
    if request.method == "GET" and wants_html(request):
        raise Elsewhere(*_to_site(request))
    raise Refused("This page is not signed in any more. Reload it.")


def require_own_host(request: Any, username: str, below: str) -> None:
    """Check that a session of the site does not open notebooks on the site's own host, where they have another.

    Args:
        request: the request; it comes with a session.
        username: who is signed in.
        below: path below the base URL of their server. What the door itself answers there stays where it is.

    Raises:
        Elsewhere: a page is asked for, which is there.
        Refused: something else is asked for; or a view of the site's own decides at the notebooks' host.
    """
    settings = door_of(request).settings
    if not settings.alternative_domain or below.startswith("-/"):
        return
    if at_alternative(request):
        if request.environ.get(USER) == username:
            return
        raise Refused("Notebooks on a host of their own need the views that come with pyramid_notebook.")
    if request.method == "GET" and wants_html(request):
        raise Elsewhere(f"{settings.alternative_domain}{raw_target(request.environ)}")
    raise Refused(f"Your notebooks are at {settings.alternative_domain}, and not here.")


def hand_over_view(request: Any) -> Response:
    """On the site's host: give the signed-in user a ticket for an address of theirs, and send them there."""
    settings = door_of(request).settings
    if not settings.alternative_domain or at_alternative(request):
        raise HTTPNotFound
    return _discreet(_hand_over(request))


@for_people
def _hand_over(request: Any, username: str) -> Response:
    if request.method != "GET":
        raise BadMethod
    door, base_url = door_of(request), base_url_of(request, username)
    target, state = own_page(request.GET.get("to"), base_url), request.GET.get("state", "")
    if not target or not _STATE.fullmatch(state):
        raise Refused("These notebooks are not yours. Sign in as somebody else, or open your own from the site.")
    ticket = door.handover.issue(username, target, state)
    address = f"{door.settings.alternative_domain}{request.route_path('notebook_enter')}"
    return _redirect(f"{address}?{urlencode({'ticket': ticket})}")


def enter_view(request: Any) -> Response:
    """On the notebooks' host: take a ticket, and begin a visit."""
    if not at_alternative(request):
        raise HTTPNotFound
    try:
        answer = _enter(request)
    except NotebookError as error:
        answer = error_answer(request, error, **page_values(request, base_url_at(request, "-")))
    return _discreet(answer)


def _enter(request: Any) -> Response:
    require_https(request)
    if request.method != "GET":
        raise BadMethod
    door, secret = door_of(request), request.GET.get("ticket", "")
    browsers = list(_cookies(request, _BROWSER))
    ticket = door.handover.redeem(secret, browsers[0]) if browsers and _SECRET.fullmatch(secret) else None
    if ticket is None:
        raise Refused(_LATE)
    visit = door.handover.begin(ticket)
    return _redirect(ticket.target, _set_cookie(request, f"{_VISIT}{slug(ticket.user)}", visit))


def elsewhere(error: Elsewhere) -> Response:
    """Return the answer that sends a browser to the other host."""
    return _discreet(_redirect(error.location, error.cookie))


def _to_site(request: Any) -> tuple[str, str]:
    """Return where the site hands its sign-in over, and the cookie by which this browser is known again."""
    browser = next(_cookies(request, _BROWSER), "")  # the same in all its tabs
    cookie = "" if browser else _set_cookie(request, _BROWSER, browser := new_secret())
    query = urlencode({"to": raw_target(request.environ), "state": digest(browser)})
    site = door_of(request).settings.site_domain
    return f"{site}{request.route_path('notebook_hand_over')}?{query}", cookie


def _redirect(location: str, cookie: str = "") -> Response:
    # not HTTPSeeOther, which WebOb makes absolute with a host that it guesses
    response = Response(status=303, location=location)
    if cookie:
        response.headers["Set-Cookie"] = cookie
    return response


def _discreet(response: Response) -> Response:
    response.cache_control.no_store = True
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _nothing_here(error: NothingHere, request: Any) -> Response:
    return Response(str(error), status=404, content_type="text/plain", charset="utf-8")


def _name(request: Any, name: str) -> str:
    # no other host can set a cookie with this prefix (RFC 6265bis section 4.1.3.2)
    return f"__Host-{name}" if request.scheme == "https" else name


def _set_cookie(request: Any, name: str, value: str) -> str:
    secure = "; Secure" if request.scheme == "https" else ""
    return f"{_name(request, name)}={value}; Path=/; HttpOnly; SameSite=Lax{secure}"


def _cookies(request: Any, name: str) -> Iterator[str]:
    start = f"{_name(request, name)}="
    found = (pair.removeprefix(start) for pair in _pairs(request.environ) if pair.startswith(start))
    for _, value in zip(range(_MOST_COOKIES), found, strict=False):
        if _SECRET.fullmatch(value):
            yield value


def _pairs(environ: Any) -> list[str]:
    return [pair.strip(" \t") for pair in str(environ.get("HTTP_COOKIE", "")).split(";")]
