"""Who a program stands for, and whether its token lets it pass where it wants to go.

A request that comes with a token is judged by the token alone, whatever session its cookies may belong to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..addresses import Address
from ..door import door_of
from ..errors import PeopleOnly, ScopeInsufficient, TokenInvalid, TokenUserRefused
from ..proxy.passages import is_asked_again
from ..scopes import Denied
from ..security import bearer_of
from .secret import looks_like_token
from .site import require_open, store_of

if TYPE_CHECKING:
    from .model import TokenInfo


def token_of(request: Any) -> TokenInfo | None:
    """Return what is known of the token that a request comes with, or None where it comes without.

    The token is valid, its user exists and has the permission for notebooks.

    Raises:
        TokenMisplaced: see :func:`pyramid_notebook.security.bearer_of`.
        TokensOff: the site does not say what the user of a token may do.
        TooManyFailures, TokenInvalid, TokenStoreError: see :meth:`pyramid_notebook.tokens.store.TokenStore.check`.
        TokenUserRefused: the user is gone, or lost the permission.
    """
    secret = bearer_of(request)
    if secret is None:
        return None
    permits = require_open(request)
    if not looks_like_token(secret):
        raise TokenInvalid
    store, address = store_of(request), request.remote_addr or ""
    if is_asked_again(request):  # it is no new attempt, so it counts against nobody
        info = store.look(secret)
        store.touch(info.id, address)
    else:
        info = store.check(secret, address)
    if not permits(request, info.user, door_of(request).settings.permission):
        raise TokenUserRefused
    return info


def require_scope(info: TokenInfo, address: Address) -> None:
    """Check that a token may be used at an address of its user's server.

    Raises:
        PeopleOnly: no token may.
        ScopeInsufficient: its scopes are for something else.
    """
    if address.row.scope is None:
        raise PeopleOnly
    answer = info.allows(address.row.scope, address.notebook)
    if isinstance(answer, Denied):
        raise ScopeInsufficient(answer.reason, scope=address.row.scope)
