"""The view that nginx asks whether it may pass a request on to a user server by itself."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from pyramid.httpexceptions import HTTPForbidden, HTTPNotFound
from pyramid.interfaces import IRoutesMapper
from pyramid.response import Response

from .door import Door, door_of
from .errors import UpstreamGone, UpstreamTimeout
from .proxy.crossing import Crossing
from .proxy.nginx import (
    answer_fields,
    failed,
    file_asked_for,
    may_be_kept,
    may_go_past,
    original_environ,
    put,
)

_GONE = "Your notebook server does not run any more. Open the notebook again to start it."
_LATE = "Your notebook server did not answer in time. It may be busy: try again in a moment."

_FILE_SECONDS = 2


def notebook_nginx_view(request: Any) -> Response:
    """Say whether nginx may pass a request on, with 204 and what it needs for that, or with 403.

    Where it could not do that after all, it asks once more and says so; then the answer is what the client gets. And
    it asks for files that are the same for all, without saying for whom: only those that come from here are kept.

    Raises:
        HTTPNotFound: whoever asks is not nginx.
    """
    door = door_of(request)
    if not door.settings.socket_group or not door.gate.opens(request.environ):
        raise HTTPNotFound
    below = file_asked_for(request.environ)
    if below:
        return _file(request, door, below)
    environ = original_environ(request.environ)
    if environ is None or not may_go_past(environ) or not _is_for_door(request, environ):
        return HTTPForbidden()
    failure = failed(request.environ)
    if failure:
        error = UpstreamTimeout(_LATE) if failure == HTTPStatus.GATEWAY_TIMEOUT else UpstreamGone(_GONE)
        return _put_to_site(request, environ, Crossing(failure=error))
    crossing = Crossing(moves_websockets=True)
    answer = _put_to_site(request, environ, crossing)
    return _granted(request, environ, crossing, answer) or HTTPForbidden()


def _file(request: Any, door: Door, below: str) -> Response:
    """Answer with a file, and not with what a user server has in its place: that must not reach other users."""
    answer = door.static.respond(request, below)
    if answer is None:
        return Response(status=404)
    answer.headers["X-Accel-Expires"] = str(_FILE_SECONDS)
    return answer


def _granted(request: Any, environ: dict[str, Any], crossing: Crossing, answer: Response) -> Response | None:
    grant = crossing.grant
    if grant is None:
        return None
    door = door_of(request)
    shares = grant.record.socket_group == door.settings.socket_group
    if answer.status_code == 204 and shares:
        cookies = answer.headers.getall("Set-Cookie")
        lease = door.leases.give(grant.record, grant.passage)
        fields = answer_fields(grant, lease, cookies, keep=may_be_kept(environ, grant))
        if fields is not None:
            return Response(status=204, headerlist=fields)
    grant.passage.leave()
    return None


def _put_to_site(request: Any, environ: dict[str, Any], crossing: Crossing) -> Response:
    try:
        return request.invoke_subrequest(_request(request, put(environ, crossing)), use_tweens=True)
    except BaseException:
        if crossing.grant is not None:
            crossing.grant.passage.leave()
        raise


def _is_for_door(request: Any, environ: dict[str, Any]) -> bool:
    """Tell whether the view that answers it is one that knows a crossing; any other would do its work twice."""
    mapper = request.registry.queryUtility(IRoutesMapper)
    route = mapper(_request(request, environ))["route"] if mapper else None
    return route is not None and route.name == "notebook_proxy"


def _request(request: Any, environ: dict[str, Any]) -> Any:
    made = type(request)(dict(environ))
    made.body = b""
    made.registry = request.registry
    return made
