"""The pages for what goes wrong, in the look of the site."""

from __future__ import annotations

from typing import Any

from pyramid.config import Configurator
from pyramid.exceptions import BadCSRFOrigin, BadCSRFToken
from pyramid.httpexceptions import HTTPBadRequest, HTTPFound
from pyramid.request import Request
from pyramid.response import Response

_TEMPLATE = "pyramid_notebook.demo:templates/problem.jinja2"


def includeme(config: Configurator) -> None:
    """Add the exception views."""
    config.add_forbidden_view(refuse, renderer=_TEMPLATE)
    config.add_notfound_view(miss, renderer=_TEMPLATE, append_slash=False)
    config.add_exception_view(reject_form, context=BadCSRFToken, renderer=_TEMPLATE)
    config.add_exception_view(reject_form, context=BadCSRFOrigin, renderer=_TEMPLATE)
    config.add_exception_view(reject_text, context=UnicodeDecodeError)


def refuse(request: Request) -> Response | dict[str, Any]:
    """Send strangers who came for a page to the login form; tell everybody else that they may not."""
    if request.identity is None and _is_page_visit(request):
        return HTTPFound(request.route_url("login", _query={"next": request.path_qs}))
    request.response.status = 403
    reason = "Your account does not have the permission for this."
    return {
        "title": "Not allowed",
        "reason": reason if request.identity else "Sign in first, then try again.",
    }


def miss(request: Request) -> dict[str, Any]:
    """Tell that there is no such page."""
    request.response.status = 404
    return {"title": "Not found", "reason": "There is no page at this address."}


def reject_form(request: Request) -> dict[str, Any]:
    """Tell that a form did not come from this site, or from a session that has ended."""
    request.response.status = 400
    return {
        "title": "This form is out of date",
        "reason": "Your session has changed since the page was loaded. Go back, reload the page, and try again.",
    }


def reject_text(error: UnicodeDecodeError, request: Request) -> Response:
    """Answer an address or a form that is not UTF-8; without the layout, which asks for the address."""
    return HTTPBadRequest("The address or the form is not UTF-8 text.")


def _is_page_visit(request: Request) -> bool:
    # A script or a websocket can do nothing with a login form; browsers tell them apart (Fetch Metadata).
    return request.method in ("GET", "HEAD") and request.headers.get("Sec-Fetch-Mode", "navigate") == "navigate"
