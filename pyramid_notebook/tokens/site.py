"""The stores of one site, for its views.

What speaks to a database is loaded when one is asked for: a kernel of ours makes the site's application too, and needs
none of it.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, cast

from ..door import Permits, door_of
from ..errors import TokensOff

if TYPE_CHECKING:
    from .device_store import DeviceStore
    from .store import TokenStore

_KEY = "pyramid_notebook.tokens"
_LOCK = threading.Lock()


def store_of(request: Any) -> TokenStore:
    """Return the store of the site that a request is for; it is opened at first use, once in each web worker.

    Raises:
        SettingsError, UnsafePath, TokenStoreError: see :func:`pyramid_notebook.tokens.database.open_store`.
    """
    registry = request.registry
    with _LOCK:
        if _KEY not in registry:
            from .database import open_store

            registry[_KEY] = open_store(door_of(request).settings)
        return cast("TokenStore", registry[_KEY])


def devices_of(request: Any) -> DeviceStore:
    """Return what keeps the device logins of the site that a request is for; raises as :func:`store_of`."""
    from .device_store import DeviceStore

    return DeviceStore(store_of(request))


def require_open(request: Any) -> Permits:
    """Return what tells whether the user of a token has a permission; without it programs cannot sign in at all.

    Raises:
        TokensOff: the site does not say what the user of a token may do.
    """
    permits = door_of(request).permits
    if permits is None:
        raise TokensOff
    return permits
