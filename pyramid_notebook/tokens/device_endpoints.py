"""What programs ask the door during a device login (RFC 8628), and when they sign out (after RFC 7009).

These views answer in JSON, look at no cookie, and are open to strangers: what they give away is worth nothing before a
signed-in user has approved it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from pyramid.response import Response

from ..door import door_of
from ..errors import HttpsRequired, NotebookError, ProtocolError, ScopeError, TokenMissing
from ..names import slug
from ..scopes import MOST_GRANTS, Scope, format_grants, parse_grants
from ..security import bearer_of, require_https
from .device import INTERVAL_SECONDS, LIFETIME_SECONDS, Answer, show_user_code
from .oauth import LONGEST_FORM, read_form, required
from .site import devices_of, require_open, store_of

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code"
_LONGEST_CLIENT_ID = 100
_MESSAGES = {
    Answer.AUTHORIZATION_PENDING: "The user has not decided yet.",
    Answer.SLOW_DOWN: "You ask too often: wait 5 seconds more from now on.",
    Answer.ACCESS_DENIED: "The user said no.",
    Answer.EXPIRED_TOKEN: "The user did not decide in time. Begin again.",
    Answer.INVALID_GRANT: "There is no such device code, or its token was fetched already.",
}
View = Callable[[Any], Response]


def _speaks_json(view: View) -> View:
    """Make a view for POST of a function: errors become the JSON of RFC 6749 section 5.2, and nothing is cached."""

    @wraps(view)
    def wrapper(request: Any) -> Response:
        try:
            if request.method != "POST":
                raise ProtocolError("invalid_request", "Use POST.", status=405)
            bearer_of(request)  # wherever else a token stands, it is refused
            response = view(request)
        except NotebookError as error:
            response = _error_answer(error)
        response.cache_control.no_store = True
        response.headers["Pragma"] = "no-cache"
        return response

    return wrapper


@_speaks_json
def device_code_view(request: Any) -> Response:
    """Begin a device login: the device authorization request of RFC 8628 section 3.1.

    Beside ``client_id`` and ``scope``, a program may send its name as ``client_name``.
    """
    require_open(request)
    fields = _form(request)
    client_id = required(fields, "client_id")[:_LONGEST_CLIENT_ID]
    grants = parse_grants(required(fields, "scope"))
    if not 0 < len(grants) <= MOST_GRANTS:
        raise ScopeError(f"Ask for at least one scope, and for {MOST_GRANTS} at most.")
    codes = devices_of(request).begin(
        grants, fields.get("client_name", client_id), request.remote_addr or "", request.user_agent or ""
    )
    page, user_code = request.route_url("notebook_device"), show_user_code(codes.user_code)
    return Response(
        json_body={
            "device_code": codes.device_code,
            "user_code": user_code,
            "verification_uri": page,
            "verification_uri_complete": f"{page}?user_code={user_code}",
            "expires_in": LIFETIME_SECONDS,
            "interval": INTERVAL_SECONDS,
        }
    )


@_speaks_json
def device_token_view(request: Any) -> Response:
    """Answer a program that polls: the device access token request of RFC 8628 section 3.4.

    Beside what the standard says, a successful answer tells the ``user`` and the address of their notebooks.
    """
    fields = _form(request)
    if required(fields, "grant_type") != GRANT_TYPE:
        raise ProtocolError("unsupported_grant_type", f"The grant type here is {GRANT_TYPE}.")
    required(fields, "client_id")
    settings = door_of(request).settings
    lifetime = settings.usual_token_lifetime
    devices = devices_of(request)
    answer, made = devices.poll(required(fields, "device_code"), request.remote_addr or "", lifetime)
    if made is None:
        raise ProtocolError(answer, _MESSAGES[answer])
    info, secret = made
    return Response(
        json_body={
            "access_token": secret,
            "token_type": "Bearer",
            "expires_in": lifetime,
            "scope": format_grants(info.grants),
            "user": info.user,
            "notebooks": request.route_path("notebook_proxy", user=slug(info.user), remainder=()).rstrip("/") + "/",
        }
    )


@_speaks_json
def revoke_view(request: Any) -> Response:
    """Revoke the token that the request comes with; it stands in the header, as with all requests (RFC 6750)."""
    secret = bearer_of(request)
    if secret is None:
        raise TokenMissing
    store = store_of(request)
    info = store.check(secret, request.remote_addr or "")
    store.revoke(info.id, info.user)
    return Response(json_body={})


def metadata_view(request: Any) -> Response:
    """Tell programs where to ask: authorization server metadata (RFC 8414 section 2)."""
    try:
        require_https(request)
    except HttpsRequired as error:
        return _error_answer(error)
    if request.method not in ("GET", "HEAD"):
        return _error_answer(ProtocolError("invalid_request", "Use GET.", status=405), allow="GET, HEAD")
    response = Response(
        json_body={
            "issuer": request.route_url("notebook_device"),
            "device_authorization_endpoint": request.route_url("notebook_device_code"),
            "token_endpoint": request.route_url("notebook_device_token"),
            "revocation_endpoint": request.route_url("notebook_token_revoke"),
            "grant_types_supported": [GRANT_TYPE],
            "response_types_supported": [],
            "token_endpoint_auth_methods_supported": ["none"],
            "scopes_supported": list(Scope),
        }
    )
    response.cache_control.no_store = True
    return response


def _form(request: Any) -> dict[str, str]:
    if (request.content_length or 0) > LONGEST_FORM:
        raise ProtocolError("invalid_request", f"The body is longer than {LONGEST_FORM} bytes.", status=413)
    return read_form(request.content_type, request.body)


def _error_answer(error: NotebookError, *, allow: str = "POST") -> Response:
    body = {"error": error.reason, "error_description": str(error)}
    response = Response(json_body=body, status=error.status)
    response.headers.update(error.headers)
    if error.status == 405:
        response.headers["Allow"] = allow
    return response
