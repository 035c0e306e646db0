"""A site that has views of its own for notebooks, written as the documentation shows it; it does not include us."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from pyramid.authentication import BasicAuthAuthenticationPolicy
from pyramid.authorization import ACLAuthorizationPolicy, Allow
from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPFound
from pyramid.response import Response
from pyramid.settings import aslist
from pyramid.view import view_config
from sqlalchemy import Column, Integer, create_engine
from sqlalchemy.orm import declarative_base, scoped_session, sessionmaker

from pyramid_notebook import startup
from pyramid_notebook.views import launch_notebook
from pyramid_notebook.views import notebook_proxy as _notebook_proxy
from pyramid_notebook.views import shutdown_notebook as _shutdown_notebook

Base = declarative_base()
DBSession = scoped_session(sessionmaker(create_engine("sqlite://")))

SCRIPT = """
from tests.door.shop import DBSession as session
"""

GREETING = """
* **session** - SQLAlchemy database session
"""


class Order(Base):
    __tablename__ = "order"
    id = Column(Integer, primary_key=True)


class Root:
    __acl__ = ((Allow, "superuser:superuser", "shell"),)

    def __init__(self, request: Any) -> None:
        self.request = request


@view_config(route_name="home")
def home(request):
    return Response("Welcome")


@view_config(route_name="notebook_proxy", permission="shell")
def notebook_proxy(request):
    """Proxy notebook requests to the user server."""
    return _notebook_proxy(request, request.user.username)


@view_config(route_name="admin_shell", permission="shell")
def admin_shell(request):
    """Open admin shell with default parameters for the user."""
    nb = {}
    global_config = request.registry.settings["shop.global_config"]
    config_file = global_config["__file__"]
    startup.make_startup(nb, config_file)
    startup.add_script(nb, SCRIPT)
    startup.add_greeting(nb, GREETING)
    startup.include_sqlalchemy_models(nb, Base)
    return launch_notebook(request, request.user.username, notebook_context=nb)


@view_config(route_name="shutdown_notebook", permission="shell")
def shutdown_notebook(request):
    """Shutdown the notebook of the current user."""
    _shutdown_notebook(request, request.user.username)
    return HTTPFound(request.route_url("home"))


def check(username, password, request):
    superusers = aslist(request.registry.settings["shop.superusers"])
    return ["superuser:superuser"] if username in superusers and password == "password" else None


def main(global_config, **settings):
    settings["shop.global_config"] = global_config
    with Configurator(settings=settings, root_factory=Root) as config:
        config.set_authentication_policy(BasicAuthAuthenticationPolicy(check))
        config.set_authorization_policy(ACLAuthorizationPolicy())
        config.add_request_method(
            lambda request: SimpleNamespace(username=request.authenticated_userid), "user", reify=True
        )
        config.add_route("home", "/")
        config.add_route("admin_shell", "/admin-shell")
        config.add_route("shutdown_notebook", "/shutdown-notebook")
        config.add_route("notebook_proxy", "/notebook/*remainder")
        config.scan(__name__)
        return config.make_wsgi_app()
