"""A real site for device logins: it has a page to sign in on, and knows its users by a cookie."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPForbidden, HTTPSeeOther
from pyramid.response import Response
from pyramid.security import Allowed, Denied

from pyramid_notebook.door import Permits
from pyramid_notebook.settings import Settings
from pyramid_notebook.tokens.database import open_store
from pyramid_notebook.tokens.store import TokenStore
from tests.door.sites import Answer, ask, served

DEVICE = "/notebook/-/device"
CLIENT = {"client_id": "test", "client_name": "my editor", "scope": "sync run:reports/*.ipynb console"}
Fields = dict[str, str] | Sequence[tuple[str, str]]
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class CookiePolicy:
    """Believes a cookie; all but ``guest`` have the permission."""

    def identity(self, request: Any) -> str | None:
        return request.cookies.get("user") or None

    authenticated_userid = identity

    def permits(self, request: Any, context: object, permission: str) -> Any:
        allowed = permission == "shell" and self.identity(request) not in (None, "guest")
        return (Allowed if allowed else Denied)("as the test says")


def permits(_request: Any, username: str, permission: str) -> bool:
    """Tell of users who are not there what the policy tells of those who are."""
    return permission == "shell" and username != "guest"


def login(request: Any) -> Response:
    if request.method == "POST":
        response = HTTPSeeOther(request.host_url + request.GET["next"])
        response.set_cookie("user", "alice", httponly=True, samesite="Lax")
        return response
    return Response('<form method="post"><button id="sign-in">Sign in as alice</button></form>')


def forbidden(request: Any) -> Any:
    if request.authenticated_userid:
        return Response("You may not.", status=403)
    return HTTPSeeOther("/login?" + urlencode({"next": request.path_qs}))


@dataclass(frozen=True)
class DeviceSite:
    port: int
    folder: Path
    tokens: TokenStore

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def post(self, path: str, fields: Fields = (), **headers: str) -> Answer:
        """Ask as a program does."""
        return ask(self.port, "POST", path, FORM | headers, urlencode(fields).encode())

    def page(self, method: str, target: str, fields: Fields = (), *, user: str = "alice") -> Answer:
        """Ask as the browser of a user does, on a page of the site."""
        headers = {"Accept": "text/html", "Origin": self.url, "Cookie": f"user={user}"}
        return ask(self.port, method, target, headers | FORM, urlencode(fields).encode() if fields else None)


@contextmanager
def device_site(folder: Path, *, permits: Permits | None = permits, **settings: Any) -> Iterator[DeviceSite]:
    """Run a site in a thread of this process.

    Args:
        folder: the notebook folder.
        permits: what users of tokens may do; None for a site that does not say.
        settings: more ``pyramid_notebook.*`` settings.
    """
    values = {"notebook_folder": str(folder), "zygote": "off", **{name: str(value) for name, value in settings.items()}}
    prefixed = {f"pyramid_notebook.{name}": value for name, value in values.items()}
    with Configurator(settings=prefixed) as config:
        config.set_security_policy(CookiePolicy())
        config.include("pyramid_notebook")
        if permits:
            config.set_notebook_permits(permits)
        config.add_route("login", "/login")
        config.add_view(login, route_name="login")
        config.add_view(forbidden, context=HTTPForbidden)
        application = config.make_wsgi_app()
    tokens = open_store(Settings.from_mapping(prefixed))
    try:
        with served(application) as port:
            yield DeviceSite(port, folder, tokens)
    finally:
        tokens.close()
