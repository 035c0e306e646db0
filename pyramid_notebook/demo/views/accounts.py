"""Signing in and out, and who am I."""

from __future__ import annotations

import re
from typing import Any

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPSeeOther
from pyramid.request import Request
from pyramid.response import Response
from pyramid.security import forget, remember

from ..security import check_password

#: The permissions that the account page tells about.
PERMISSIONS = {
    "shell": "open notebooks",
    "notebook_admin": "look after the notebooks of others",
}

# One slash, not two, and never a backslash or a control character, which browsers read as a slash or leave out.
_OWN_ADDRESS = re.compile(r"/(?:(?!/)[!-\[\]-~]+)?")


def includeme(config: Configurator) -> None:
    """Add routes and views."""
    config.add_route("login", "/login")
    config.add_route("logout", "/logout", request_method="POST")
    config.add_route("account", "/account")
    templates = "pyramid_notebook.demo:templates"
    config.add_view(show_login, route_name="login", request_method="GET", renderer=f"{templates}/login.jinja2")
    config.add_view(log_in, route_name="login", request_method="POST", renderer=f"{templates}/login.jinja2")
    config.add_view(log_out, route_name="logout")
    config.add_request_method(return_address, property=True)
    config.add_view(show_account, route_name="account", permission="account", renderer=f"{templates}/account.jinja2")


def show_login(request: Request) -> dict[str, Any]:
    """Show the form."""
    return {"name": "", "next": own_address(request.GET.get("next", ""), request.route_path("home")), "failed": False}


def log_in(request: Request) -> Response | dict[str, Any]:
    """Check name and password, and go to where the user wanted to go."""
    name = request.POST.get("name", "").strip()
    target = own_address(request.POST.get("next", ""), request.route_path("home"))
    if not check_password(request.dbsession, name, request.POST.get("password", "")):
        request.response.status = 401
        return {"name": name, "next": target, "failed": True}
    # With the host in front, no reading of the rest can lead elsewhere.
    return HTTPSeeOther(request.host_url + target, headers=remember(request, name))


def log_out(request: Request) -> Response:
    """End the session."""
    return HTTPSeeOther(request.route_url("home"), headers=forget(request))


def show_account(request: Request) -> dict[str, Any]:
    """Show who is signed in, what they may do, and whether a notebook runs for them."""
    return {"permissions": {purpose: bool(request.has_permission(name)) for name, purpose in PERMISSIONS.items()}}


def return_address(request: Request) -> str:
    """Return where signing in should lead back to: this page, where it is one."""
    route = request.matched_route
    home: str = request.route_path("home")
    is_page = request.method == "GET" and route and route.name != "login"
    return request.path_qs if is_page else home


def own_address(text: str, home: str = "/") -> str:
    """Return an address of this site as it was given, and its home for everything else.

    Args:
        text: path and query as a stranger may have written them into ``next=``.
        home: where the site begins.
    """
    return text if _OWN_ADDRESS.fullmatch(text) else home
