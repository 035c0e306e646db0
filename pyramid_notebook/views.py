"""The door: the three documented view functions, and the ready-made views on top of them.

A site's own view authenticates, authorises, and then calls one of the three functions with the user's name::

    @view_config(route_name="shell", permission="shell", request_method="POST")
    def shell(request):
        nb = {}
        make_startup(nb, request.registry.settings["my.config_file"])
        return launch_notebook(request, request.authenticated_userid, notebook_context=nb)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import wraps
from http import HTTPStatus
from typing import Any

from pyramid.httpexceptions import HTTPForbidden, HTTPNotFound, HTTPSeeOther
from pyramid.response import FileResponse, Response

from .context import NotebookContext
from .door import Door, door_of
from .errors import (
    LaunchError,
    NotAnswering,
    NotebookError,
    StopError,
    Unasked,
    UnsafePath,
    Unsaved,
    UpstreamBusy,
    UpstreamError,
    UpstreamGone,
)
from .manager import Progress
from .names import slug
from .pages import Form, error_answer, page, wants_html
from .proxy.connection import forget
from .proxy.http import forward
from .proxy.target import raw_target
from .proxy.upstream import ask
from .proxy.websocket import is_upgrade, serve_websocket
from .record import ServerOptions, ServerRecord
from .security import (
    LAUNCH_HEADER,
    may_pass_on,
    own_page,
    require_own_navigation,
    require_owner,
    require_permission,
    require_same_origin,
)

_ASSETS = {"launch.js": "text/javascript", "page.css": "text/css"}
_PRIVATE = "-/"
_ANYWAY = "notebook_anyway"  # sent by who was told what cannot be saved
_SAVE_SECONDS = 15.0
_WAIT = "notebook_launch"  # a browser without scripts sends it, and gets no page before the notebook is there


def _tells_errors(view: Callable[..., Any]) -> Callable[..., Any]:
    """Turn our errors into answers; all others are the site's."""

    @wraps(view)
    def wrapper(request: Any, username: str, *args: Any, **kwargs: Any) -> Any:
        try:
            return view(request, username, *args, **kwargs)
        except NotebookError as error:
            again = _again(request, username, error)
            return error_answer(request, error, again=again, **_page_values(request, username))

    return wrapper


@_tells_errors
def launch_notebook(
    request: Any, username: str, notebook_context: Mapping[str, Any] | NotebookContext | None = None
) -> Response:
    """Open a notebook for a user: documented view function.

    Redirects to the notebook when the user's server runs; otherwise answers with a page that shows the progress of
    the start and goes there. Call it from a view that has checked who the user is and what they may.

    Args:
        request: the request; a POST from a page of the site, or a GET that no foreign page caused.
        username: whose notebook.
        notebook_context: what the notebook holds, see :class:`~pyramid_notebook.NotebookContext`. An unknown key or
            a bad value is answered with a page that names it.
    """
    require_own_navigation(request)
    context = NotebookContext.from_mapping(notebook_context or {})
    base_url = context.notebook_path or _base_url(request, username)
    return _launch(request, username, _options(request, username, context, base_url))


@_tells_errors
def shutdown_notebook(request: Any, username: str) -> None:
    """Shut a user's server down, with everything that it started: documented view function.

    Open documents are saved first; where one cannot be, it returns a page that says why and asks, else None. The view
    that calls it says what to show then, usually ``return shutdown_notebook(...) or HTTPSeeOther(...)``.

    Args:
        request: the request; one that changes something, so a GET that a foreign page caused is refused.
        username: whose server.
    """
    require_own_navigation(request)
    _save_and_stop(request, username)


@_tells_errors
def notebook_proxy(request: Any, username: str) -> Response:
    """Pass a request on to a user's server, HTTP or websocket: documented view function.

    Call it from a view that has checked who the user is and what they may; its route must be named
    ``notebook_proxy`` and end with ``*remainder``, and the view must not require the site's CSRF token
    (``require_csrf=False``): the origin of requests is checked here.

    Args:
        request: the request.
        username: whose server.
    """
    require_same_origin(request)
    door = door_of(request)
    record = door.manager.find(username)
    base_url = record.base_url if record else _base_url(request, username)
    target = raw_target(request.environ)
    path = target.partition("?")[0]
    below = path.removeprefix(base_url)
    if not may_pass_on(path, base_url):
        return _private(request, username, below.removeprefix(_PRIVATE))
    if request.method == "POST" and below == "api/shutdown":  # Jupyter's own "Shut Down"
        _stop(door, username)
        return Response(json_body={"location": _home_url(request, door)})
    static = door.static.respond(request, below)
    if static is not None:
        return static
    if record is None:
        raise UpstreamGone("Your notebook server is not running.")
    return _pass_on(request, door, record)


def notebook_open_view(request: Any) -> Response:
    """Ready-made view: open the signed-in user's notebook with the site's default context."""
    username = require_permission(request, door_of(request).settings.permission)
    return launch_notebook(request, username, door_of(request).default_context(request))


def notebook_stop_view(request: Any) -> Response:
    """Ready-made view: shut the signed-in user's server down and go home."""
    door = door_of(request)
    username = require_permission(request, door.settings.permission)
    problem = shutdown_notebook(request, username)
    return problem or HTTPSeeOther(_home_url(request, door))


def notebook_proxy_view(request: Any) -> Response:
    """Ready-made view: pass on what is the signed-in user's own.

    A refused websocket gets a plain 403; a forbidden view that redirects to a login page is no use to it.
    """
    try:
        username = require_owner(request, door_of(request).settings.permission, request.matchdict["user"])
    except HTTPForbidden as refusal:
        if is_upgrade(request):
            return Response(str(refusal.detail), status=403, content_type="text/plain")
        raise
    return notebook_proxy(request, username)


def _pass_on(request: Any, door: Door, record: ServerRecord) -> Response:
    if not is_upgrade(request):
        return forward(request, record, door.settings, door.places)
    if door.relay.count(record.user) >= door.settings.user_websockets:
        raise UpstreamBusy(f"You have {door.settings.user_websockets} connections open. Close some notebook pages.")
    with door.places.held(record.user):
        return serve_websocket(request, record, door.relay, adaptor=door.settings.websocket_proxy or None)


def _private(request: Any, username: str, action: str) -> Response:
    """Answer what lies below ``-/``, which is never passed on: it is how the door itself talks to user servers."""
    door = door_of(request)
    if request.method == "GET" and action in _ASSETS:
        response = FileResponse(str(door.assets / action), request, content_type=_ASSETS[action])
        response.cache_control.private = True
        response.cache_control.no_cache = True
        return response
    if request.method == "POST" and action == "stop":
        _save_and_stop(request, username)
        location = _home_url(request, door)
        return HTTPSeeOther(location) if wants_html(request) else Response(json_body={"location": location})
    if request.method == "POST" and action in ("start", "restart"):
        if action == "restart":  # what does not answer cannot save
            _stop(door, username)
        options = door.manager.last_options(username)
        if options is None:
            options = _options(request, username, NotebookContext.from_mapping({}), _base_url(request, username))
        return _launch(request, username, options)
    raise HTTPNotFound


def _launch(request: Any, username: str, options: ServerOptions) -> Response:
    door = door_of(request)
    goal = own_page(request.POST.get("next", ""), options.base_url) if request.method == "POST" else ""
    if request.headers.get(LAUNCH_HEADER) == "stream":
        lines = _stream(door, username, options, goal)
        response = Response(app_iter=lines, content_type="application/x-ndjson", charset="utf-8")
        response.headers["X-Accel-Buffering"] = "no"
        response.cache_control.no_store = True
        return response
    waits = request.params.get(_WAIT) == "wait"
    if door.manager.find(username) or waits or not wants_html(request):
        path = door.manager.launch(username, options)
        location = goal or path
        return HTTPSeeOther(location) if wants_html(request) else Response(json_body={"location": location})
    door.manager.check_place(username)
    context = NotebookContext.from_mapping(options.context)
    values = _page_values(request, username) | {"assets": f"{options.base_url}{_PRIVATE}"}
    return page(request, "launch.jinja2", title=context.title, form=_same_form(request), **values)


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


def _save_and_stop(request: Any, username: str) -> None:
    """Stop a user's server when all is saved, or the user does not mind."""
    door = door_of(request)
    record = door.manager.find(username)
    if record and request.params.get(_ANYWAY) != "yes":
        try:
            status, answer = ask(record, "POST", f"{record.base_url}-/save", timeout=_SAVE_SECONDS)
        except UpstreamError:  # it is gone or hangs: then nothing can be saved
            status, answer = 0, {}
        unsaved = answer.get("unsaved") if status == HTTPStatus.OK and isinstance(answer, dict) else None
        if unsaved:
            raise Unsaved({item["path"]: item["reason"] for item in unsaved})
    _stop(door, username)


def _stop(door: Door, username: str) -> None:
    record = door.manager.find(username)
    try:
        door.manager.stop(username)
    finally:  # its connections end also where a process could not be ended
        door.relay.close(username)
        if record:
            forget(record)


def _options(request: Any, username: str, context: NotebookContext, base_url: str) -> ServerOptions:
    door = door_of(request)
    return ServerOptions(
        user=username,
        base_url=base_url,
        ui=door.settings.ui,
        home_url=_home_url(request, door),
        home_title=door.settings.home_title,
        max_lifetime=door.settings.max_lifetime,
        context=replace(context, notebook_path=base_url).to_dict(),
    )


def _base_url(request: Any, username: str) -> str:
    """Return the URL path of a user's server; a site's own route has no ``{user}`` and ignores it."""
    path: str = request.route_path("notebook_proxy", user=slug(username), remainder=())
    return path if path.endswith("/") else f"{path}/"


def _home_url(request: Any, door: Door) -> str:
    return door.settings.home_url or f"{request.script_name}/"


def _again(request: Any, username: str, error: NotebookError) -> Form | None:
    """Return what the button of an error's page sends: the same once more, or the start of a server that is gone."""
    if isinstance(error, NotAnswering):
        return Form("Shut it down and start anew", "post", f"{_base_url(request, username)}{_PRIVATE}restart", [])
    if isinstance(error, Unsaved):
        form = _same_form(request)
        return replace(form, label="Shut down all the same", fields=[*form.fields, (_ANYWAY, "yes")])
    if isinstance(error, (LaunchError, StopError, UnsafePath, Unasked)):
        return _same_form(request)
    if not isinstance(error, UpstreamError):
        return None
    fields = [("next", raw_target(request.environ))] if request.method == "GET" else []
    return Form("Start again", "post", f"{_base_url(request, username)}{_PRIVATE}start", fields)


def _same_form(request: Any) -> Form:
    """Return the form that sends a request of a person once more."""
    sent = request.POST if request.method == "POST" else request.GET
    fields = [(name, value) for name, value in sent.items() if isinstance(value, str) and name != _WAIT]
    if request.method == "POST":
        return Form("Try again", "post", request.path_qs, fields)
    return Form("Go on", "get", request.path_qs, fields)


def _page_values(request: Any, username: str) -> dict[str, Any]:
    door = door_of(request)
    return {
        "layout": door.settings.layout,
        "assets": f"{_base_url(request, username)}{_PRIVATE}",
        "home_url": _home_url(request, door),
        "home_title": door.settings.home_title,
    }
