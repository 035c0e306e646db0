"""The stores of one site, for its views.

What speaks to a database is loaded when one is asked for: a kernel of ours makes the site's application too, and needs
none of it.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from ..door import Permits, door_of
from ..errors import TokensOff, TokenStoreError
from ..proxy.decisions import forget_decisions
from ..settings import Settings

if TYPE_CHECKING:
    from .device_store import DeviceStore
    from .store import TokenStore

_KEY = "pyramid_notebook.tokens"
_LOCK = threading.Lock()
#: Seconds that a request waits for another one that opens the store, and for which a failure is remembered: a database
#: that hangs must not keep all threads of a web worker.
_WAIT_SECONDS, _FAILURE_SECONDS = 2.0, 5.0


class _Opening:
    """The store of one site in this web worker, and how it comes to be open."""

    def __init__(self) -> None:
        self.store: TokenStore | None = None
        self._lock = threading.Lock()
        self._failed = -_FAILURE_SECONDS

    def open(self, settings: Settings) -> TokenStore:
        if not self._lock.acquire(timeout=_WAIT_SECONDS):
            raise TokenStoreError
        try:
            if self.store is None:
                if time.monotonic() - self._failed < _FAILURE_SECONDS:
                    raise TokenStoreError
                self.store = self._opened(settings)
            return self.store
        finally:
            self._lock.release()

    def _opened(self, settings: Settings) -> TokenStore:
        from .database import open_store

        try:
            store = open_store(settings)
            store.on_revocation = forget_decisions
            return store
        except TokenStoreError:
            self._failed = time.monotonic()
            raise


def store_of(request: Any) -> TokenStore:
    """Return the store of the site that a request is for; it is opened at first use, once in each web worker.

    Raises:
        SettingsError, UnsafePath, TokenStoreError: see :func:`pyramid_notebook.tokens.database.open_store`.
    """
    with _LOCK:
        if _KEY not in request.registry:
            request.registry[_KEY] = _Opening()
    opening: _Opening = request.registry[_KEY]
    return opening.store or opening.open(door_of(request).settings)


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
