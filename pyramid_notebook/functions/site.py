"""Notebooks as functions of a site: routes of its own."""

from __future__ import annotations

from typing import Any

from pyramid.exceptions import ConfigurationError
from pyramid.httpexceptions import HTTPForbidden, HTTPMethodNotAllowed
from pyramid.interfaces import ISecurityPolicy
from pyramid.response import Response
from pyramid.security import NO_PERMISSION_REQUIRED

from ..door import USER, Door, door_of
from ..errors import BadRequest, NotebookError, TooLarge
from ..launching import start_for_program
from ..proxy.headers import for_client
from ..proxy.target import raw_target
from ..record import ServerRecord
from ..security import bearer_of, require_own_navigation
from .problems import CONTENT_TYPE, problem
from .protocol import Result
from .remote import send
from .values.response import check_fields, secured

#: The user whose notebooks are published, where a site names no other.
SERVICE_USER = "functions"
#: Bytes of a request's body; more than the user server takes.
MOST_BYTES = 20_000_000
#: Fields of a request that mean something to a function. ``Prefer`` is not one of them: what goes on after the answer
#: would have its address in the user server, where nobody but its user gets.
_PASSED = ("Accept", "Content-Type")
#: Fields of an answer that the user server says itself, beside those that a notebook may say.
_SAID = ("accept-post", "age", "allow")
_UNKNOWN = "application/octet-stream"
_METHODS = ("GET", "HEAD", "POST", "OPTIONS")
#: Schemes of ``Authorization`` that browsers send by themselves, also when a foreign page makes them ask.
_BY_ITSELF = ("basic", "digest", "negotiate", "ntlm")


def add_notebook_function(
    config: Any, name: str, path: str, *, permission: str, user: str = "", pattern: str = ""
) -> None:
    """Directive ``config.add_notebook_function``: publish a notebook as a route of the site.

    The notebook runs in the notebook server of a user who does nothing else, so that nobody's own files and kernels
    are in its reach; the server is started when somebody calls. Whoever has the permission may call, by ``GET``,
    ``HEAD``, ``POST`` and ``OPTIONS`` as at the notebook's own address, and reaches nothing but this notebook. What
    comes with a session has to come from a page of the site.

    Args:
        config: the configurator.
        name: of the route.
        path: of the notebook, below the folder of that user.
        permission: that a caller needs.
        user: whose notebook it is; ``functions`` by default. It should not be the name of somebody who can sign in.
        pattern: of the route's path; ``/functions/{name}`` by default.

    Raises:
        ConfigurationError: that is not the path of a notebook.
    """
    if not path.endswith(".ipynb") or any(not part or part.startswith(".") or part == "-" for part in path.split("/")):
        raise ConfigurationError(f"{path!r} is not the path of a notebook below a user's folder.")
    owner = user or SERVICE_USER

    def view(request: Any) -> Response:
        if permission != NO_PERMISSION_REQUIRED and request.registry.queryUtility(ISecurityPolicy) is None:
            raise HTTPForbidden("This site has no security policy, so nobody may call notebooks.")
        return _answer(request, owner, path)

    title = f"{name}: {path} of {owner}"
    introspectable = config.introspectable("notebook functions", name, title, "notebook function")
    introspectable.update(name=name, path=path, user=owner, permission=permission)
    config.action(("pyramid_notebook", "function", name), introspectables=(introspectable,))
    config.add_route(name, pattern or f"/functions/{name}")
    config.add_view(view, route_name=name, permission=permission, require_csrf=False)


def _answer(request: Any, owner: str, path: str) -> Response:
    if request.method not in _METHODS:
        allowed = ", ".join(_METHODS)
        raise HTTPMethodNotAllowed(f"A function takes {allowed}.", headers={"Allow": allowed})
    try:
        _require_own_wish(request)
        body = _body(request) if request.method == "POST" else b""
        door = door_of(request)
        record = door.manager.find(owner) or _started(request, door, owner)
        with door.places.held(owner):
            return _passed_on(request, record, path, body, door.settings.proxy_timeout)
    except NotebookError as error:
        told = problem(error, is_owner=False)
        response = Response(json_body=told, status=error.status, content_type=CONTENT_TYPE)
        response.headers.update(error.headers)
        return response


def _require_own_wish(request: Any) -> None:
    """Check that no foreign page has made a browser send a request with what the browser knows its user by.

    Raises:
        Refused: one did, or nothing says that none did.
        TokenMisplaced, HttpsRequired: see :func:`pyramid_notebook.security.bearer_of`.
    """
    is_bearer = bearer_of(request) is not None
    scheme = request.headers.get("Authorization", "").partition(" ")[0].lower()
    if is_bearer or (scheme and scheme not in _BY_ITSELF):
        return  # a foreign page needs leave by CORS to send that, and gets none
    is_known = scheme or "Cookie" in request.headers or request.environ.get("REMOTE_USER")
    if is_known or any(name in request.headers for name in ("Origin", "Referer", "Sec-Fetch-Site")):
        require_own_navigation(request)


def _started(request: Any, door: Door, owner: str) -> ServerRecord:
    """Start the server with the site's default context, which is made for its user and not for the caller."""
    before = request.environ.get(USER)
    request.environ[USER] = owner
    try:
        return start_for_program(request, door, owner)
    finally:
        request.environ[USER] = before


def _passed_on(request: Any, record: ServerRecord, path: str, body: bytes, seconds: float) -> Response:
    fields = [(name, request.headers[name]) for name in _PASSED if request.headers.get(name)]
    fields += [("Host", request.host)]
    fields += [("Content-Length", str(len(body)))] if request.method == "POST" else []
    query = raw_target(request.environ).partition("?")[2]
    status, headers, content = send(
        record, request.method, path, fields=fields, query=query, body=body, timeout=seconds
    )
    # its server runs code that anybody may have written: nothing may come of it that a notebook cannot answer
    told = for_client(headers, base_url="/")
    kind = next((value for name, value in told if name.lower() == "content-type"), _UNKNOWN)
    is_unknown = request.method == "HEAD" and "*" in kind
    given = [field for field in told if _is_of_notebook(field)]
    result = secured(Result(status=status, content_type=_UNKNOWN if is_unknown else kind, fields=tuple(given)))
    response = Response(status=result.status)
    response.headerlist = [*result.fields, *(field for field in told if field[0].lower() in _SAID)]
    if not is_unknown and (content or request.method == "HEAD"):
        response.headers["Content-Type"] = result.content_type
    if request.method != "HEAD":
        response.body = content
    return response


def _is_of_notebook(field: tuple[str, str]) -> bool:
    try:
        return bool(check_fields([field]))
    except ValueError:
        return False


def _body(request: Any) -> bytes:
    if request.content_length is None and not request.environ.get("wsgi.input_terminated"):
        if request.headers.get("Transfer-Encoding"):
            raise BadRequest("The site's web server does not take a request without Content-Length.")
        return b""
    if (request.content_length or 0) <= MOST_BYTES:
        body: bytes = request.body_file.read(MOST_BYTES + 1)
        if len(body) <= MOST_BYTES:
            return body
    raise TooLarge(f"The request has more than {MOST_BYTES} bytes.")
