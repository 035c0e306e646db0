"""Who uses sessions: terminals, programs, pages."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_MOST = 1000  # frontends that are remembered by their keys


@dataclass(slots=True)
class Frontend:
    """Somebody who runs code.

    Attributes:
        user: name of the user, as the site knows it.
        name: what others are told of it.
        client: a short public name, of this frontend alone.
    """

    user: str
    name: str
    client: str = field(default_factory=lambda: secrets.token_hex(4))

    @property
    def who(self) -> Mapping[str, Any]:
        """What events tell of it."""
        return {"user": self.user, "name": self.name, "client": self.client}


class Frontends:
    """Those that have told a key, by which they are known again.

    Args:
        user: name of the user whose server this is.
    """

    def __init__(self, user: str) -> None:
        self.user = user
        self._by_key: OrderedDict[str, Frontend] = OrderedDict()
        self.anybody = Frontend(user, "program", "http")  # who posts without a key

    def of(self, key: str, name: str = "") -> Frontend:
        """Return the frontend with a key, a new one where it was not seen before.

        Args:
            key: that it has chosen.
            name: of it, where it tells one.
        """
        frontend = self._by_key.setdefault(key, Frontend(self.user, name))
        frontend.name = name or frontend.name
        self._by_key.move_to_end(key)
        while len(self._by_key) > _MOST:
            self._by_key.popitem(last=False)
        return frontend
