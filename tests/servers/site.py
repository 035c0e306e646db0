"""A small Pyramid site with the real door, for any web server: ``tests.servers.site:application``.

Its settings are JSON in the environment variable :data:`SETTINGS`. Who somebody is stands in the cookie ``user``, and
counts as long as there is no file of that name in the folder ``disabled`` beside the users' folders.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import psutil
from pyramid.config import Configurator
from pyramid.security import Allowed, Denied

from pyramid_notebook.door import door_of

#: Environment variable with the ``pyramid_notebook.*`` settings, without that prefix, as a JSON object.
SETTINGS = "PYRAMID_NOTEBOOK_TEST_SETTINGS"
#: Environment variable with the URL path at which the ASGI application mounts the site; others have ways of their own.
MOUNT = "PYRAMID_NOTEBOOK_TEST_MOUNT"


class Policy:
    """Believes a cookie."""

    def __init__(self, disabled: Path) -> None:
        self._disabled = disabled

    def identity(self, request: Any) -> str | None:
        name: str = request.cookies.get("user", "")
        return name if name.isalnum() and len(name) < 100 and not (self._disabled / name).exists() else None

    authenticated_userid = identity

    def permits(self, request: Any, context: object, permission: str) -> Any:
        return (Allowed if self.identity(request) else Denied)("as the cookie says")

    def remember(self, request: Any, userid: str, **options: Any) -> list[tuple[str, str]]:
        return [("Set-Cookie", f"user={userid}; Path=/; HttpOnly")]

    def forget(self, request: Any, **options: Any) -> list[tuple[str, str]]:
        return [("Set-Cookie", "user=; Path=/; Max-Age=0")]


def facts(request: Any) -> dict[str, Any]:
    """Tell what only this process knows of itself."""
    process = psutil.Process()
    user = request.authenticated_userid
    return {
        "pid": process.pid,
        "descriptors": process.num_fds(),
        "threads": process.num_threads(),
        "pairs": door_of(request).relay.count(user) if user else None,
    }


def make(settings: dict[str, str]) -> Any:
    """Make the site.

    Args:
        settings: without the prefix ``pyramid_notebook.``.
    """
    prefixed = {f"pyramid_notebook.{name}": value for name, value in settings.items()}
    with Configurator(settings=prefixed) as config:
        disabled = Path(settings["notebook_folder"], "disabled")
        config.set_security_policy(Policy(disabled))
        config.include("pyramid_notebook")
        if "alternative_domain" in settings:  # it needs to know what those may who are not here
            config.set_notebook_permits(lambda _request, user, _permission: not (disabled / user).exists())
        config.add_route("facts", "/facts")
        config.add_view(facts, route_name="facts", renderer="json")
        return config.make_wsgi_app()


# uWSGI looks into the module's dictionary, so there is no other place for it
application: Any = make(json.loads(os.environ[SETTINGS])) if SETTINGS in os.environ else None


def __getattr__(name: str) -> Any:
    if name != "asgi_application":
        raise AttributeError(name)
    from pyramid_notebook.asgi import asgi_app

    return asgi_app(mounted(application, os.environ.get(MOUNT, "")), threads=24)


def mounted(site: Any, path: str) -> Any:
    """Return a site that lies below a path, as urlmap in an INI file does it (PEP 3333, ``SCRIPT_NAME``)."""

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        if not environ["PATH_INFO"].startswith(f"{path}/"):
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"There is nothing here."]
        environ.update(SCRIPT_NAME=path, PATH_INFO=environ["PATH_INFO"].removeprefix(path))
        return site(environ, start_response)

    return application if path else site
