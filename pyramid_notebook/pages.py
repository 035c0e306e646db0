"""The pages that the door itself shows, in the look of the site."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import Any

from jinja2 import Environment, PackageLoader
from markupsafe import Markup
from pyramid.renderers import render
from pyramid.response import Response

from .errors import LaunchError, NotebookError, TooManyServers, UpstreamBusy, UpstreamGone


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
        text = _templates().get_template("page.jinja2").render(
            title=title, content=content, home_url=values["home_url"], home_title=values["home_title"]
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


def error_answer(request: Any, error: NotebookError, **values: Any) -> Response:
    """Answer with an error: a page for people, JSON for scripts.

    Args:
        request: the request.
        error: what went wrong; its text is shown.
        values: for the template, see :func:`page`; ``again`` is the :class:`Form` of its button, or None.
    """
    if wants_html(request):
        title = "Your notebook" if error.status >= 500 else HTTPStatus(error.status).phrase
        log = error.log if isinstance(error, LaunchError) else ""
        response = page(
            request, "problem.jinja2", title=title, status=error.status, message=str(error), log=log, **values
        )
    else:
        # on 502 Jupyter's page tells that the kernel died, above its offer to start the server again
        status = 503 if isinstance(error, UpstreamGone) else error.status
        response = Response(json_body={"error": error.reason, "message": str(error)}, status=status)
    if isinstance(error, (TooManyServers, UpstreamBusy)):
        response.headers["Retry-After"] = str(error.retry_after)
    return response
