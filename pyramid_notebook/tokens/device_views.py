"""The page on which a signed-in user lets a program in, and the routes of the device login (RFC 8628 section 3.3)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from pyramid.response import Response

from ..door import add_open_route, base_url_of, door_of
from ..pages import for_people, form_of, guarded, is_reading, page, page_values, typed
from ..security import require_same_origin
from . import device_endpoints
from .device import printable, read_user_code, show_user_code
from .site import devices_of, require_open
from .wording import about

if TYPE_CHECKING:
    from .device_store import Asking

_WRONG = "No program waits with this code. Compare it with what the program shows; it is valid for ten minutes."
_LATE = "This request was decided already, or its time is over. Start the sign-in once more."


def add_routes(config: Any, prefix: str) -> None:
    """Add the routes and views of the device login; they come before ``notebook_proxy``.

    Args:
        config: the configurator.
        prefix: URL path under which notebooks live, without a slash at its end.
    """
    for route, path, view in (
        ("notebook_device", "device", device_page_view),
        ("notebook_device_code", "device/code", device_endpoints.device_code_view),
        ("notebook_device_token", "device/token", device_endpoints.device_token_view),
        (
            "notebook_device_metadata",
            "device/.well-known/oauth-authorization-server",
            device_endpoints.metadata_view,
        ),
        ("notebook_token_revoke", "tokens/revoke", device_endpoints.revoke_view),
    ):
        add_open_route(config, route, f"{prefix}/-/{path}", view)


def device_page_view(request: Any) -> Response:
    """Let the signed-in user enter a code, see who asks for what, and approve or deny.

    Reading the page changes nothing and tells nothing about codes: they are looked up by POST from this very page.
    """
    return guarded(_answer(request))


@for_people
def _answer(request: Any, username: str) -> Response:
    require_same_origin(request)
    require_open(request)
    return _enter(request, username) if is_reading(request) else _decide(request, username)


def _decide(request: Any, username: str) -> Response:
    devices = devices_of(request)
    asking = devices.find(_typed_code(request), username, request.remote_addr or "")
    form = form_of(request)
    decision = typed(form, "decision")
    if asking is None:
        return _enter(request, username, message=_LATE if decision else _WRONG, status=400)
    if decision == "deny":
        done = devices.deny(asking, username)
    elif decision == "approve":
        wanted = form.getall("scope")
        chosen = [grant for grant in asking.grants if str(grant) in wanted]
        if not chosen:
            return _show(request, username, asking, message="Tick what the program may do, or press Deny.", status=400)
        done = devices.approve(asking, username, chosen)
    else:
        return _show(request, username, asking)
    if not done:
        return _enter(request, username, message=_LATE, status=400)
    title = "The program is signed in" if decision == "approve" else "The program was denied"
    values = _page_values(request, username)
    return page(request, "device_done.jinja2", title=title, approved=decision == "approve", asking=asking, **values)


def _enter(request: Any, username: str, *, message: str = "", status: int = 200) -> Response:
    typed = _typed_code(request)
    code = read_user_code(typed)
    shown = show_user_code(code) if code else printable(typed, 20)
    values = _page_values(request, username)
    return page(
        request, "device.jinja2", title="Sign in a program", code=shown, message=message, status=status, **values
    )


def _show(request: Any, username: str, asking: Asking, *, message: str = "", status: int = 200) -> Response:
    settings = door_of(request).settings
    return page(
        request,
        "device_approve.jinja2",
        title="Let this program in?",
        status=status,
        message=message,
        username=username,
        asking=asking,
        code=show_user_code(asking.user_code),
        minutes=max(0, round((time.time() - asking.created) / 60)),
        scopes=[(str(grant), about(grant)) for grant in asking.grants],
        days=round(settings.usual_token_lifetime / 86400, 1),
        **_page_values(request, username),
    )


def _typed_code(request: Any) -> str:
    """Return what stands for a code in the form, or in the address that the program showed."""
    try:
        return typed(form_of(request) if request.method == "POST" else request.GET, "user_code")
    except UnicodeDecodeError:
        return ""


def _page_values(request: Any, username: str) -> dict[str, Any]:
    values = page_values(request, base_url_of(request, username))
    return values | {"address": request.route_path("notebook_device")}
