"""The door: the three documented view functions, and the ready-made views on top of them.

A site's own view authenticates, authorises, and then calls one of the three functions with the user's name::

    @view_config(route_name="shell", permission="shell", request_method="POST")
    def shell(request):
        nb = {}
        make_startup(nb, request.registry.settings["my.config_file"])
        return launch_notebook(request, request.authenticated_userid, notebook_context=nb)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import wraps
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from pyramid.httpexceptions import HTTPForbidden, HTTPNotFound, HTTPSeeOther
from pyramid.response import FileResponse, Response

from .addresses import PathClass, classify, may_pass_on
from .context import NotebookContext
from .door import USER, Door, at_alternative, base_url_at, base_url_of, door_of, hear_proxies, home_url_of
from .errors import (
    Elsewhere,
    LaunchError,
    NotAnswering,
    NotebookError,
    Refused,
    StopError,
    TokenMisplaced,
    TokenMissing,
    TokenOfAnother,
    Unasked,
    UnsafePath,
    Unsaved,
    UpstreamError,
    UpstreamGone,
)
from .handover.views import elsewhere, require_own_host, visitor_of
from .launching import WAIT, launch, options_for, start_for_program
from .names import slug
from .pages import Form, error_answer, for_people, form_of, page_values, same_form, wants_html
from .proxy.connection import forget
from .proxy.crossing import Grant, crossing_of
from .proxy.early import STATIC_OF
from .proxy.headers import is_upgrade
from .proxy.http import forward
from .proxy.passages import Passage, passes_again
from .proxy.target import raw_target
from .proxy.upstream import ask
from .proxy.websocket import serve_websocket
from .record import ServerRecord
from .security import (
    body_holds_token,
    require_own_navigation,
    require_owner,
    require_same_origin,
)
from .tokens.judge import require_scope, token_of

if TYPE_CHECKING:
    from .tokens.model import TokenInfo

_ASSETS = {"launch.js": "text/javascript", "tokens.js": "text/javascript", "page.css": "text/css"}
_PRIVATE = "-/"
_ANYWAY = "notebook_anyway"  # sent by who was told what cannot be saved
_SAVE_SECONDS = 15.0


def _tells_errors(view: Callable[..., Any]) -> Callable[..., Any]:
    """Turn our errors into answers; all others are the site's."""

    @wraps(view)
    def wrapper(request: Any, username: str, *args: Any, **kwargs: Any) -> Any:
        hear_proxies(request)  # a site with views of its own need not include us
        try:
            return view(request, username, *args, **kwargs)
        except Elsewhere as error:
            return elsewhere(error)
        except NotebookError as error:
            again = _again(request, username, error)
            return error_answer(request, error, again=again, **page_values(request, base_url_of(request, username)))

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
    base_url = context.notebook_path or base_url_of(request, username)
    return launch(request, username, options_for(request, username, context, base_url))


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
    (``require_csrf=False``): the origin of requests is checked here. A request with a token is judged by the token,
    which must be that of the user.

    Your view is called again, with the same request, every other second as long as a websocket or a stream is open:
    where it says no, or calls this for somebody else, that is ended.

    Args:
        request: the request.
        username: whose server.
    """
    return _let_pass(request, username, token_of(request), is_own_view=True)


@_tells_errors
def _let_pass(request: Any, username: str, token: TokenInfo | None, *, is_own_view: bool = False) -> Response:
    """Pass a request on, or answer it here; who it is by was checked, what they want is checked now."""
    door = door_of(request)
    record = door.manager.find(username)
    base_url = record.base_url if record else base_url_of(request, username)
    path = raw_target(request.environ).partition("?")[0]
    below = path.removeprefix(base_url)
    if token is None:
        (require_own_navigation if classify(below).row.runs_by_get else require_same_origin)(request)
        require_own_host(request, username, below)
    elif token.user != username:
        raise TokenOfAnother
    else:
        require_scope(token, classify(below))
    if passes_again(request):
        return Response(status=204)
    if not may_pass_on(path, base_url):
        return _private(request, username, below.removeprefix(_PRIVATE))
    if request.method == "POST" and below == "api/shutdown":  # Jupyter's own "Shut Down"
        _stop(door, username)
        return Response(json_body={"location": home_url_of(request)})
    if record is None or crossing_of(request.environ) is None:  # what crosses is answered beyond
        static = _static(request, door, base_url, is_own_view=is_own_view)
        if static is not None:
            return static
    if record is None and token is not None:
        record = start_for_program(request, door, username)
        token_of(request)  # that took a while, in which it may have been revoked
    if record is None:
        raise UpstreamGone("Your notebook server is not running.")
    most = door.settings.user_websockets
    passage = door.passages.enter(
        request, username, token=token.id if token else "", is_own_view=is_own_view, most_websockets=most
    )
    return _pass_on(request, door, record, passage, classify(below).row, is_own_view=is_own_view)


def _static(request: Any, door: Door, base_url: str, *, is_own_view: bool) -> Response | None:
    below = raw_target(request.environ).partition("?")[0].removeprefix(base_url)
    response = door.static.respond(request, below)
    if response is not None and not is_own_view:  # a view of the site's own may think otherwise of the next file
        request.environ[STATIC_OF] = base_url
    return response


@for_people
def notebook_open_view(request: Any, username: str) -> Response:
    """Ready-made view: open the signed-in user's notebook with the site's default context."""
    return launch_notebook(request, username, door_of(request).default_context(request))


@for_people
def notebook_stop_view(request: Any, username: str) -> Response:
    """Ready-made view: shut the signed-in user's server down and go home."""
    problem = shutdown_notebook(request, username)
    return problem or HTTPSeeOther(home_url_of(request))


def notebook_proxy_view(request: Any) -> Response:
    """Ready-made view: pass on what is the signed-in user's own, or the own of a token's user.

    A refused websocket gets a plain 403; a forbidden view that redirects to a login page is no use to it.
    """
    segment = request.matchdict["user"]
    try:
        token = token_of(request)
        if token is None and at_alternative(request):
            username = visitor_of(request, segment)
        elif token is None:
            username = _signed_in_owner(request, segment)
        elif slug(token.user) == segment:
            username = request.environ[USER] = token.user
        else:
            raise TokenOfAnother
    except Elsewhere as error:
        return elsewhere(error)
    except NotebookError as error:
        return error_answer(request, error, **page_values(request, base_url_at(request, segment)))
    except HTTPForbidden as refusal:
        if is_upgrade(request.environ):
            return Response(str(refusal.detail), status=403, content_type="text/plain")
        raise
    return _let_pass(request, username, token)


def _signed_in_owner(request: Any, segment: str) -> str:
    """Return the signed-in user, whose own notebooks the request is about.

    A stranger who may be a program is told how to come with a token, unless it is a page that they want to see.
    """
    if not request.authenticated_userid:
        if body_holds_token(request):
            raise TokenMisplaced("the body")
        below = raw_target(request.environ).partition("?")[0].removeprefix(base_url_at(request, segment))
        if classify(below).row.is_for_programs and not wants_html(request):
            raise TokenMissing
    return require_owner(request, door_of(request).settings.permission, segment)


def _pass_on(
    request: Any, door: Door, record: ServerRecord, passage: Passage, row: PathClass, *, is_own_view: bool
) -> Response:
    crossing = crossing_of(request.environ)
    try:
        if crossing is not None and crossing.failure is not None:
            raise crossing.failure
        if crossing is not None and (crossing.moves_websockets or not passage.is_websocket):
            crossing.grant = Grant(
                record=record,
                passage=passage,
                scheme=request.scheme,
                client=request.environ.get("REMOTE_ADDR") or "unknown",
                host=request.environ.get("HTTP_HOST", ""),
                settings=door.settings,
                static=door.static,
                may_be_kept=not is_own_view and not row.runs_by_get,
            )
            return Response(status=204)
        if not passage.is_websocket:
            runs = row.runs_by_get
            return forward(request, record, door.settings, door.places, passage, ends_with_client=runs)
        with door.places.held(record.user):
            adaptor = door.settings.websocket_proxy or None
            return serve_websocket(request, record, door.relay, passage=passage, adaptor=adaptor)
    except NotebookError as error:
        passage.leave()
        if passage.ended:
            raise Refused("You may not do this any more, so it was broken off.") from error
        raise


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
        location = home_url_of(request)
        return HTTPSeeOther(location) if wants_html(request) else Response(json_body={"location": location})
    if request.method == "POST" and action in ("start", "restart"):
        if action == "restart":  # what does not answer cannot save
            _stop(door, username)
        options = door.manager.last_options(username)
        if options is None:
            options = options_for(request, username, NotebookContext.from_mapping({}), base_url_of(request, username))
        return launch(request, username, options)
    raise HTTPNotFound


def _save_and_stop(request: Any, username: str) -> None:
    """Stop a user's server when all is saved, or the user does not mind."""
    door = door_of(request)
    record = door.manager.find(username)
    sent = form_of(request) if request.method == "POST" else request.GET
    if record and sent.get(_ANYWAY) != "yes":
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


def _again(request: Any, username: str, error: NotebookError) -> Form | None:
    """Return what the button of an error's page sends: the same once more, or the start of a server that is gone."""
    if isinstance(error, NotAnswering):
        return Form("Shut it down and start anew", "post", f"{base_url_of(request, username)}{_PRIVATE}restart", [])
    if isinstance(error, Unsaved):
        form = same_form(request, without=WAIT)
        return replace(form, label="Shut down all the same", fields=[*form.fields, (_ANYWAY, "yes")])
    if isinstance(error, (LaunchError, StopError, UnsafePath, Unasked)):
        return same_form(request, without=WAIT)
    if not isinstance(error, UpstreamError):
        return None
    fields = [("next", raw_target(request.environ))] if request.method == "GET" else []
    return Form("Start again", "post", f"{base_url_of(request, username)}{_PRIVATE}start", fields)
