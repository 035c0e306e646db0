"""The *Open shell* buttons of airports and states. The one in the header is a ready-made route, ``notebook_open``."""

from __future__ import annotations

from pyramid.config import Configurator
from pyramid.request import Request
from pyramid.response import Response

from pyramid_notebook.views import launch_notebook

from ..models import Airport, State
from ..notebook import airport_context, state_context
from .airports import get_or_404


def includeme(config: Configurator) -> None:
    """Add routes and views. They take POST only, with a CSRF token, since they start something."""
    config.add_route("airport_shell", "/airports/{iata}/shell", request_method="POST")
    config.add_route("state_shell", "/states/{code}/shell", request_method="POST")
    config.add_view(open_airport_shell, route_name="airport_shell", permission="shell")
    config.add_view(open_state_shell, route_name="state_shell", permission="shell")


def open_airport_shell(request: Request) -> Response:
    """Open a notebook in which ``airport`` is a variable."""
    context = airport_context(request, get_or_404(request, Airport, "iata"))
    return launch_notebook(request, request.authenticated_userid, notebook_context=context)


def open_state_shell(request: Request) -> Response:
    """Open a notebook in which ``state`` is a variable."""
    context = state_context(request, get_or_404(request, State, "code"))
    return launch_notebook(request, request.authenticated_userid, notebook_context=context)
