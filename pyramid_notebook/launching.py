"""How a user's server is brought up in answer to a request: for a person with a page, for a program without."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pyramid.httpexceptions import HTTPSeeOther
from pyramid.response import Response

from .context import NotebookContext
from .door import Door, base_url_of, door_of, home_url_of
from .errors import LaunchError, NotebookError, NotStarted
from .manager import Progress
from .pages import form_of, page, page_values, same_form, wants_html
from .record import ServerOptions, ServerRecord
from .security import LAUNCH_HEADER, own_page

#: A browser without scripts sends it, and gets no page before the notebook is there.
WAIT = "notebook_launch"


def options_for(request: Any, username: str, context: NotebookContext, base_url: str) -> ServerOptions:
    """Return what a user's server must know to be launched from a request.

    Args:
        request: the request.
        username: whose server.
        context: what the notebook holds.
        base_url: URL path of the server, with a slash at both ends.
    """
    door = door_of(request)
    return ServerOptions(
        user=username,
        base_url=base_url,
        ui=door.settings.ui,
        home_url=home_url_of(request),
        home_title=door.settings.home_title,
        max_lifetime=door.settings.max_lifetime,
        socket_group=door.settings.socket_group,
        context=replace(context, notebook_path=base_url).to_dict(),
        functions=door.settings.functions,
    )


def launch(request: Any, username: str, options: ServerOptions) -> Response:
    """Answer a person who wants a notebook: with a redirect where it is there, else with a page that shows the start.

    The script of that page asks again and gets a stream of JSON lines; other scripts wait and get JSON.

    Args:
        request: the request; the field ``next`` of a form says where to go, if not to the context's notebook.
        username: whose server.
        options: what it must know.

    Raises:
        LaunchError: it did not come up; or one of its kin.
    """
    door = door_of(request)
    sent = form_of(request) if request.method == "POST" else request.GET
    goal = own_page(sent.get("next", ""), options.base_url) if request.method == "POST" else ""
    if request.headers.get(LAUNCH_HEADER) == "stream":
        lines = _stream(door, username, options, goal)
        response = Response(app_iter=lines, content_type="application/x-ndjson", charset="utf-8")
        response.headers["X-Accel-Buffering"] = "no"
        response.cache_control.no_store = True
        return response
    waits = sent.get(WAIT) == "wait"
    if door.manager.find(username) or waits or not wants_html(request):
        path = door.manager.launch(username, options)
        location = goal or path
        return HTTPSeeOther(location) if wants_html(request) else Response(json_body={"location": location})
    door.manager.check_place(username)
    context = NotebookContext.from_mapping(options.context)
    values = page_values(request, options.base_url)
    return page(request, "launch.jinja2", title=context.title, form=same_form(request, without=WAIT), **values)


def _stream(door: Door, username: str, options: ServerOptions, goal: str) -> Iterator[bytes]:
    """Launch, and tell each step as one line of JSON."""

    def line(**values: str) -> bytes:
        return json.dumps(values).encode() + b"\n"

    try:
        for progress in door.manager.launching(username, options):
            yield line(**_step(progress, goal))
    except NotebookError as error:
        yield line(stage="failed", message=str(error), log=error.log if isinstance(error, LaunchError) else "")
    except Exception:
        door.log.exception("A launch failed")
        yield line(stage="failed", message="Your notebook could not be opened: the site's log says why.")


def _step(progress: Progress, goal: str) -> dict[str, str]:
    step = {"stage": str(progress.stage)}
    return step | {"location": goal or progress.path} if progress.path else step


def start_for_program(request: Any, door: Door, username: str) -> ServerRecord:
    """Start a user's server with the site's default context, because a program wants something of it.

    Raises:
        NotStarted: it did not come up.
        UpstreamBusy: too many requests of this user wait for it.
        ContextError: the site's default context cannot be used.
    """
    try:
        with door.places.held(username):
            context = NotebookContext.from_mapping(door.default_context(request))
            door.manager.launch(username, options_for(request, username, context, base_url_of(request, username)))
    except LaunchError as error:
        raise NotStarted(str(error), retry_after=error.retry_after or None) from error
    record = door.manager.find(username)
    if record is None:
        raise NotStarted("Your notebook server was started, and stopped again at once.")
    return record
