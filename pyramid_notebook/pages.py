"""The pages that the door itself shows, in the look of the site."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, wraps
from http import HTTPStatus
from typing import Any

from jinja2 import Environment, PackageLoader
from markupsafe import Markup
from pyramid.renderers import render
from pyramid.response import Response

from .door import at_alternative, base_url_at, base_url_of, door_of, home_url_of
from .errors import (
    BadForm,
    BadMethod,
    LaunchError,
    NotebookError,
    UpstreamGone,
)
from .security import require_permission
from .settings import Settings


@dataclass(frozen=True, slots=True)
class Form:
    """A form with nothing to fill in.

    Attributes:
        label: of its button.
        method: ``get`` or ``post``.
        action: where it goes.
        fields: names and values that it sends.
    """

    label: str
    method: str
    action: str
    fields: list[tuple[str, str]]


def form_of(request: Any) -> Any:
    """Return the fields that a form of a page sent.

    Raises:
        BadForm: the body is not a form.
    """
    try:
        return request.POST
    except (ValueError, LookupError, DeprecationWarning):  # WebOb raises the last for a foreign character set
        raise BadForm from None


def is_reading(request: Any) -> bool:
    """Tell whether a page is asked for, rather than its form sent.

    Raises:
        BadForm: it is neither.
    """
    if request.method not in ("GET", "HEAD", "POST"):
        raise BadMethod
    return bool(request.method != "POST")


def typed(form: Any, field: str) -> str:
    """Return what was typed into a field of a form; nothing where it is missing, or a file."""
    value = form.get(field, "")
    return value if isinstance(value, str) else ""


def same_form(request: Any, *, without: str = "") -> Form:
    """Return the form that sends a request of a person once more.

    Args:
        request: the request.
        without: name of a field that is left out.
    """
    sent = form_of(request) if request.method == "POST" else request.GET
    fields = [(name, value) for name, value in sent.items() if isinstance(value, str) and name != without]
    if request.method == "POST":
        return Form("Try again", "post", request.path_qs, fields)
    return Form("Go on", "get", request.path_qs, fields)


def page_values(request: Any, base_url: str) -> dict[str, Any]:
    """Return what every page needs to know.

    Args:
        request: the request.
        base_url: URL path of the server of the user who sees the page, with a slash at its end.
    """
    settings = door_of(request).settings
    return {
        # the site's own look leads to pages that are not here, and asks for a session
        "layout": "" if at_alternative(request) else settings.layout,
        "assets": f"{base_url}-/",
        "home_url": home_url_of(request),
        "home_title": settings.home_title,
    }


@cache
def _templates() -> Environment:
    return Environment(loader=PackageLoader("pyramid_notebook"), autoescape=True, trim_blocks=True, lstrip_blocks=True)


def page(request: Any, template: str, *, title: str, status: int = 200, **values: Any) -> Response:
    """Render one of our templates into the site's layout.

    Args:
        request: the request; the site's layout may need it.
        template: file name in our ``templates``; it gets ``values``.
        title: of the page.
        status: HTTP status.
        values: for the template; ``layout`` and ``assets`` are always there.
    """
    layout = values.pop("layout")
    content = Markup(_templates().get_template(template).render(title=title, **values))  # noqa: S704 - escaped there
    if layout:
        text = render(layout, {"title": title, "content": content}, request=request)
    else:
        text = (
            _templates()
            .get_template("page.jinja2")
            .render(title=title, content=content, home_url=values["home_url"], home_title=values["home_title"])
        )
    response = Response(text, status=status, content_type="text/html", charset="utf-8")
    response.cache_control.no_store = True
    response.headers["X-Frame-Options"] = "SAMEORIGIN"
    return response


def wants_html(request: Any) -> bool:
    """Tell whether a person in a browser asks for a page, rather than a script for data."""
    if request.headers.get("Sec-Fetch-Mode", "navigate") != "navigate":
        return False
    accept = request.headers.get("Accept", "")
    return "text/html" in accept or "application/xhtml+xml" in accept


def error_answer(request: Any, error: NotebookError, *, again: Form | None = None, **values: Any) -> Response:
    """Answer with an error: a page for people, JSON for scripts.

    Args:
        request: the request.
        error: what went wrong; its text is shown.
        again: the form of the page's button, None for a page without.
        values: for the template, see :func:`page`.
    """
    if wants_html(request):
        title = "Your notebook" if error.status >= 500 else HTTPStatus(error.status).phrase
        log = error.log if isinstance(error, LaunchError) else ""
        response = page(
            request,
            "problem.jinja2",
            title=title,
            status=error.status,
            message=str(error),
            log=log,
            again=again,
            **values,
        )
    else:
        # on 502 Jupyter's page tells that the kernel died, above its offer to start the server again
        status = 503 if isinstance(error, UpstreamGone) else error.status
        response = Response(json_body={"error": error.reason, "message": str(error)}, status=status)
    response.headers.update(error.headers)
    return response


def guarded(response: Response) -> Response:
    """Return the answer of a page whose buttons give rights away, with the header fields that keep it to itself."""
    response.cache_control.no_store = True
    # whoever frames the page could make the user press its buttons
    response.headers["X-Frame-Options"] = "DENY"
    response.headers["Content-Security-Policy"] = "frame-ancestors 'none'"
    # its address may hold a code; with "no-referrer" browsers would send "Origin: null"
    response.headers["Referrer-Policy"] = "same-origin"
    return response


def for_people(view: Callable[[Any, str], Response]) -> Callable[[Any], Response]:
    """Make a view of a function that gets a request and its signed-in user, who has the permission for notebooks.

    Tokens are refused, and our errors become answers.
    """
    return _for_those_with(lambda settings: settings.permission, view)


def for_admins(view: Callable[[Any, str], Response]) -> Callable[[Any], Response]:
    """Make a view as :func:`for_people` does, for those who look after the notebooks of the site."""
    return _for_those_with(lambda settings: settings.admin_permission, view)


def _for_those_with(
    permission: Callable[[Settings], str], view: Callable[[Any, str], Response]
) -> Callable[[Any], Response]:
    @wraps(view)
    def wrapper(request: Any) -> Response:
        base_url = base_url_at(request, "-")
        try:
            username = require_permission(request, permission(door_of(request).settings))
            base_url = base_url_of(request, username)
            return view(request, username)
        except NotebookError as error:
            return error_answer(request, error, **page_values(request, base_url))

    return wrapper
