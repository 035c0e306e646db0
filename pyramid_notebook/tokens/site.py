"""The store of the tokens of one site, for its views."""

from __future__ import annotations

import threading
from typing import Any

from ..door import door_of
from .database import open_store
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
            registry[_KEY] = open_store(door_of(request).settings)
        store = registry[_KEY]
        assert isinstance(store, TokenStore)  # noqa: S101 - for the type checker
        return store
