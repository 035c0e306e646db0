"""The page on which a signed-in user makes, lists and revokes their tokens.

A new token is part of one answer only, to the request that made it: no redirect and no later page has it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from pyramid.response import Response

from ..door import add_open_route, base_url_of, door_of
from ..errors import BadForm, TokenNotMade, TokensOff
from ..pages import for_people, form_of, guarded, is_reading, page, page_values, typed
from ..security import require_same_origin
from .site import require_open, store_of
from .wishes import Mistakes, Wishes, check_name
from .wording import ABOUT, about, count_in_words, moment_in_words, span

if TYPE_CHECKING:  # a kernel of ours makes the site's application too, and needs no database
    from .model import TokenInfo

_DAY = 86400


def add_routes(config: Any, prefix: str) -> None:
    """Add the route and the view of the page; they come before ``notebook_proxy``.

    Args:
        config: the configurator.
        prefix: URL path under which notebooks live, without a slash at its end.
    """
    add_open_route(config, "notebook_tokens", f"{prefix}/-/tokens", tokens_page_view)


def tokens_page_view(request: Any) -> Response:
    """Show the signed-in user's tokens, make one, revoke one or all of them; reading the page changes nothing."""
    return guarded(_answer(request))


@for_people
def _answer(request: Any, username: str) -> Response:
    require_same_origin(request)
    if is_reading(request):
        return _show(request, username)
    form = form_of(request)
    action = _ACTIONS.get(typed(form, "action"))
    if action is None:
        raise BadForm
    return action(request, username, form)


def _make(request: Any, username: str, form: Any) -> Response:
    door = door_of(request)
    require_open(request)
    wishes = _wishes(form)
    mistakes: Mistakes = {}
    name = wishes.name.strip()
    check_name(name, _live_names(store_of(request).list(username)), mistakes)
    grants, lifetime = wishes.grants(mistakes), wishes.lifetime(door.settings, mistakes)
    if not mistakes:
        try:
            made, secret = store_of(request).create(username, name, grants, lifetime)
        except TokenNotMade as error:
            mistakes["name"] = [str(error)]
        else:
            return _show(request, username, made=made, secret=secret)
    return _show(request, username, status=400, wishes=wishes, mistakes=mistakes)


def _revoke(request: Any, username: str, form: Any) -> Response:
    token_id, store = typed(form, "id"), store_of(request)
    names = {info.id: info.name for info in store.list(username)}
    if token_id not in names or not store.revoke(token_id, username):
        return _show(request, username, status=404, problem="You have no such token. It may have been revoked already.")
    return _show(request, username, done=f"The token “{names[token_id]}” is revoked. It lets nobody pass any more.")


def _revoke_all(request: Any, username: str, form: Any) -> Response:
    if typed(form, "sure") != "yes":
        return _show(request, username, asks=True)
    count = store_of(request).revoke_all(username)
    return _show(request, username, done=f"Revoked: {count_in_words(count)}. Programs that use one are refused now.")


_ACTIONS: dict[str, Callable[[Any, str, Any], Response]] = {
    "make": _make,
    "revoke": _revoke,
    "revoke_all": _revoke_all,
}


def _show(
    request: Any,
    username: str,
    *,
    status: int = 200,
    problem: str = "",
    done: str = "",
    asks: bool = False,
    wishes: Wishes | None = None,
    mistakes: Mistakes | None = None,
    made: TokenInfo | None = None,
    secret: str = "",
) -> Response:
    """Answer with the page.

    Args:
        request: the request.
        username: whose tokens.
        status: HTTP status.
        problem: why nothing was done.
        done: what was done.
        asks: whether it asks about revoking all, and shows nothing else.
        wishes: what was typed, None for an empty form.
        mistakes: what is wrong with it.
        made: what is known of a new token.
        secret: the new token itself.
    """
    from .model import NAME_LENGTH

    door, now, base_url = door_of(request), time.time(), base_url_of(request, username)
    usual = door.settings.usual_token_lifetime
    tokens = [_row(info, now) for info in store_of(request).list(username)]
    return page(
        request,
        "tokens.jinja2",
        title="Personal tokens",
        status=status,
        username=username,
        problem=problem,
        done=done,
        asks=asks and tokens,
        closed="" if door.permits else str(TokensOff()),
        wishes=wishes or Wishes(days=str(usual // _DAY) if usual % _DAY == 0 else ""),
        mistakes=mistakes or {},
        made=made,
        secret=secret,
        tokens=tokens,
        count=count_in_words(len(tokens)),
        scopes=[(str(scope), text) for scope, text in ABOUT.items()],
        address=request.route_path("notebook_tokens"),
        notebooks=f"{request.host_url}{base_url}",
        name_length=NAME_LENGTH,
        usual=span(usual),
        maximum=span(door.settings.token_max_lifetime),
        **page_values(request, base_url),
    )


def _row(info: TokenInfo, now: float) -> dict[str, Any]:
    """Return one token as the list shows it; a moment is its ISO 8601 form and how far off it is."""
    is_over = info.expires <= now
    return {
        "id": info.id,
        "name": info.name,
        "grants": [(about(grant), str(grant.scope)) for grant in info.grants],
        "made": moment_in_words(info.created, now),
        "expires": moment_in_words(info.expires, now),
        "is_over": is_over,
        "used": None if info.last_used is None else moment_in_words(info.last_used, now),
        "address": info.last_address,
    }


def _wishes(form: Any) -> Wishes:
    scopes = tuple(value for value in form.getall("scope") if isinstance(value, str))
    return Wishes(typed(form, "name"), scopes, typed(form, "paths"), typed(form, "days"))


def _live_names(tokens: Collection[TokenInfo]) -> set[str]:
    now = time.time()
    return {info.name for info in tokens if info.expires > now}
